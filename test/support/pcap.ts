/**
 * Writes a capture that Wireshark reads: classic pcap, raw IPv4, each UDP datagram with the headers it travelled under on
 * loopback and a right UDP checksum. Made from what a proxy saw, so that no right to capture is needed.
 */
import { ByteWriter } from "../../src/wire/bytes.ts";

const PCAP_MAGIC = 0xa1b2c3d4;
/** LINKTYPE_RAW: each packet begins with its IP header. */
const LINKTYPE_RAW = 101;
const MAX_PACKET_BYTES = 65_535;
const IP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const PROTOCOL_UDP = 17;
/** 127.0.0.1 */
const LOOPBACK = 0x7f000001;

export class PcapWriter {
  readonly #started = performance.now();
  readonly #writer = new ByteWriter(65_536);

  constructor() {
    this.#writer.u32(PCAP_MAGIC).u16(2).u16(4).u32(0).u32(0).u32(MAX_PACKET_BYTES).u32(LINKTYPE_RAW);
  }

  /** Fits `DatagramTap`. */
  readonly add = (datagram: Uint8Array, from: number, to: number): void => {
    const microseconds = Math.round((performance.now() - this.#started) * 1_000);
    const length = IP_HEADER_BYTES + UDP_HEADER_BYTES + datagram.length;
    this.#writer
      .u32(Math.floor(microseconds / 1_000_000))
      .u32(microseconds % 1_000_000)
      .u32(length)
      .u32(length);
    this.#writer
      .bytes(ipHeader(length))
      .bytes(udpHeader(datagram, from, to))
      .bytes(datagram);
  };

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

function ipHeader(length: number): Uint8Array {
  const header = (checksum: number) =>
    new ByteWriter(IP_HEADER_BYTES)
      .u16(0x4500)
      .u16(length)
      .u32(0)
      .u16(0x4000 | PROTOCOL_UDP)
      .u16(checksum)
      .u32(LOOPBACK)
      .u32(LOOPBACK)
      .finish();
  return header(internetChecksum(header(0)));
}

function udpHeader(datagram: Uint8Array, from: number, to: number): Uint8Array {
  const length = UDP_HEADER_BYTES + datagram.length;
  const header = (checksum: number) => new ByteWriter(UDP_HEADER_BYTES).u16(from).u16(to).u16(length).u16(checksum);
  const pseudo = new ByteWriter(12 + length).u32(LOOPBACK).u32(LOOPBACK).u16(PROTOCOL_UDP).u16(length);
  pseudo.bytes(header(0).finish()).bytes(datagram);
  return header(internetChecksum(pseudo.finish()) || 0xffff).finish();
}

/** RFC 1071: the one's complement of the one's complement sum of 16-bit words. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
