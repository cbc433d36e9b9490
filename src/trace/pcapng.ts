/**
 * Blocks of a capture in pcapng (draft-ietf-opsawg-pcapng), as Wireshark reads it. Each block:
 *
 * ```
 * +---------------------------------------------------------------+
 * |                          block type                           |
 * +---------------------------------------------------------------+
 * |        total length (12 + body, padded to four bytes)         |
 * +---------------------------------------------------------------+
 * |                            body …                             |
 * +---------------------------------------------------------------+
 * |                     total length, once more                   |
 * +---------------------------------------------------------------+
 * ```
 *
 * All numbers are big-endian, which the byte-order magic of the first block says.
 */
import { ByteWriter } from "../wire/bytes.ts";

const encoder = new TextEncoder();

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 0x00000001;
const ENHANCED_PACKET = 0x00000006;
const DECRYPTION_SECRETS = 0x0000000a;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const VERSION_MAJOR = 1;
const VERSION_MINOR = 0;
/** "The section length is not specified". */
const UNKNOWN_LENGTH = 0xffffffff;
/** "TLSK": lines of the NSS key log. */
const SECRETS_TLS_KEY_LOG = 0x544c534b;

const OPTION_END = 0;
const OPTION_COMMENT = 1;
const OPTION_USER_APPLICATION = 4;
const OPTION_INTERFACE_NAME = 2;
const OPTION_PACKET_FLAGS = 2;

/** Begins with an IP header. */
export const LINKTYPE_RAW = 101;
/** SCTP packets, without anything in front. */
export const LINKTYPE_SCTP = 248;

/** Bits 0 and 1 of `epb_flags`. */
const DIRECTIONS = { inbound: 1, outbound: 2 } as const;
export type Direction = keyof typeof DIRECTIONS;

export interface CapturedPacket {
  /** Position of its interface among the interface description blocks, from 0. */
  readonly interfaceId: number;
  /** Wall clock, µs since 1970: the resolution that interfaces have where they say nothing else. */
  readonly timeUs: number;
  readonly direction: Direction;
  readonly data: Uint8Array;
}

export function sectionHeader(comment: string): Uint8Array {
  const body = new ByteWriter();
  body.u32(BYTE_ORDER_MAGIC).u16(VERSION_MAJOR).u16(VERSION_MINOR).u32(UNKNOWN_LENGTH).u32(UNKNOWN_LENGTH);
  writeOption(body, OPTION_COMMENT, encoder.encode(comment));
  writeOption(body, OPTION_USER_APPLICATION, encoder.encode("webrtc-datagram"));
  return block(SECTION_HEADER, endOptions(body));
}

export function interfaceDescription(linkType: number, name: string): Uint8Array {
  // Reserved bits, and a snapshot length without limit.
  const body = new ByteWriter().u16(linkType).u16(0).u32(0);
  writeOption(body, OPTION_INTERFACE_NAME, encoder.encode(name));
  return block(INTERFACE_DESCRIPTION, endOptions(body));
}

/** Readers know these secrets from here on: they have to stand in front of what they decrypt. */
export function decryptionSecrets(keyLogLine: string): Uint8Array {
  const secrets = encoder.encode(`${keyLogLine}\n`);
  const body = new ByteWriter().u32(SECRETS_TLS_KEY_LOG).u32(secrets.length);
  writePadded(body, secrets);
  return block(DECRYPTION_SECRETS, body);
}

export function enhancedPacket({ interfaceId, timeUs, direction, data }: CapturedPacket): Uint8Array {
  const body = new ByteWriter(data.length + 48).u32(interfaceId);
  body.u32(Math.floor(timeUs / 0x1_0000_0000)).u32(timeUs % 0x1_0000_0000);
  body.u32(data.length).u32(data.length);
  writePadded(body, data);
  writeOption(body, OPTION_PACKET_FLAGS, new ByteWriter(4).u32(DIRECTIONS[direction]).finish());
  return block(ENHANCED_PACKET, endOptions(body));
}

function block(type: number, body: ByteWriter): Uint8Array {
  const length = body.length + 12;
  return new ByteWriter(length).u32(type).u32(length).bytes(body.finish()).u32(length).finish();
}

function writeOption(body: ByteWriter, code: number, value: Uint8Array): void {
  writePadded(body.u16(code).u16(value.length), value);
}

function endOptions(body: ByteWriter): ByteWriter {
  return body.u16(OPTION_END).u16(0);
}

function writePadded(body: ByteWriter, bytes: Uint8Array): void {
  body.bytes(bytes);
  for (let i = bytes.length; i % 4 !== 0; i++) body.u8(0);
}
