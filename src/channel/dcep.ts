import { ByteReader, ByteWriter } from "../wire/bytes.ts";
import { isUtf8 } from "../wire/utf8.ts";

// Payload protocol identifiers (RFC 8831 §8). 52 and 54, the deprecated partial messages, are not in use any more: no browser
// sends them, and RFC 8831 §6.6 forbids it.
export const PPID_DCEP = 50;
export const PPID_STRING = 51;
export const PPID_BINARY = 53;
/** SCTP has no empty message: one zero byte stands for it (RFC 8831 §6.6). */
export const PPID_STRING_EMPTY = 56;
export const PPID_BINARY_EMPTY = 57;

const DATA_CHANNEL_ACK = 0x02;
const DATA_CHANNEL_OPEN = 0x03;

// Channel types (RFC 8832 §5.1): 0 is reliable; the highest bit says unordered.
const PARTIAL_RELIABLE_REXMIT = 0x01;
const PARTIAL_RELIABLE_TIMED = 0x02;
const UNORDERED = 0x80;

/** Labels and protocols beyond this are refused: each is kept as long as its channel, and nobody reads names that long. */
export const MAX_NAME_BYTES = 1_024;

/** How a channel treats its messages, in the terms of `RTCDataChannel`. */
export interface ChannelParameters {
  readonly label: string;
  readonly protocol: string;
  readonly ordered: boolean;
  /** A lost message is sent again at most this often; `null`: no such limit. */
  readonly maxRetransmits: number | null;
  /** For how long a message may be sent again, ms; `null`: no such limit. */
  readonly maxPacketLifeTime: number | null;
  /** RFC 8831 §6.4: 128 below normal, 256 normal, 512 high, 1024 extra high. See `Schedule`. */
  readonly priority: number;
}

/**
 * DATA_CHANNEL_OPEN (RFC 8832 §5.1):
 *
 * ```
 * +---------------+---------------+-------------------------------+
 * |   type 0x03   |  channel type |           priority            |
 * +---------------+---------------+-------------------------------+
 * |                     reliability parameter                     |
 * +-------------------------------+-------------------------------+
 * |         label length          |       protocol length         |
 * +-------------------------------+-------------------------------+
 * |                   label …, protocol …                         |
 * ```
 */
export function writeOpen(channel: ChannelParameters): Uint8Array {
  const label = encoder.encode(channel.label);
  const protocol = encoder.encode(channel.protocol);
  let type = channel.ordered ? 0 : UNORDERED;
  if (channel.maxRetransmits !== null) type |= PARTIAL_RELIABLE_REXMIT;
  else if (channel.maxPacketLifeTime !== null) type |= PARTIAL_RELIABLE_TIMED;
  return new ByteWriter(12 + label.length + protocol.length)
    .u8(DATA_CHANNEL_OPEN)
    .u8(type)
    .u16(channel.priority)
    .u32(channel.maxRetransmits ?? channel.maxPacketLifeTime ?? 0)
    .u16(label.length)
    .u16(protocol.length)
    .bytes(label)
    .bytes(protocol)
    .finish();
}

/** DATA_CHANNEL_ACK (RFC 8832 §5.2): one byte. */
export function writeAck(): Uint8Array {
  return Uint8Array.of(DATA_CHANNEL_ACK);
}

export type DcepMessage = { readonly kind: "ack" } | { readonly kind: "open"; readonly channel: ChannelParameters };

/** A DCEP message; `undefined` where it is malformed or of another type. */
export function parseDcep(bytes: Uint8Array): DcepMessage | undefined {
  if (bytes[0] === DATA_CHANNEL_ACK) return bytes.length === 1 ? { kind: "ack" } : undefined;
  if (bytes[0] !== DATA_CHANNEL_OPEN) return undefined;
  const reader = new ByteReader(bytes, 1);
  const type = reader.u8();
  const priority = reader.u16();
  const reliability = reader.u32();
  const labelLength = reader.u16();
  const protocolLength = reader.u16();
  const labelBytes = reader.take(labelLength);
  const protocolBytes = reader.take(protocolLength);
  const reliabilityType = type & ~UNORDERED;
  if (!reader.finished || reliabilityType > PARTIAL_RELIABLE_TIMED) return undefined;
  // To decode costs more than all the rest, so what is refused anyway is not decoded.
  const label = decodeDoubtfulText(labelBytes);
  if (label === undefined) return undefined;
  const protocol = decodeDoubtfulText(protocolBytes);
  if (protocol === undefined) return undefined;
  return {
    kind: "open",
    channel: {
      label,
      protocol,
      ordered: (type & UNORDERED) === 0,
      // §5.1: for a reliable channel the parameter "MUST be ignored".
      maxRetransmits: reliabilityType === PARTIAL_RELIABLE_REXMIT ? reliability : null,
      maxPacketLifeTime: reliabilityType === PARTIAL_RELIABLE_TIMED ? reliability : null,
      priority,
    },
  };
}

/**
 * Text from UTF-8, byte order mark and all; `undefined` where it is not UTF-8.
 *
 * Fast where it is UTF-8. Where it is not, the platform's exception costs fifty times as much, so a peer that has sent such a
 * text is read by {@link decodeDoubtfulText} from then on.
 */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The same at a cost in proportion to the bytes, whatever they are. */
export function decodeDoubtfulText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "";
  return isUtf8(bytes) ? decoder.decode(bytes) : undefined;
}

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
