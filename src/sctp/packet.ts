/**
 * The numbers and frames of SCTP packets: chunk types, parameters, error causes, and the type-length-value frame that all
 * three share. Chunks with a codec of their own: `init.ts`, `reconfig.ts`; DATA and SACK are read from the chunk table that
 * `Datapath.parsePacket` fills and are written in place.
 *
 * The common header (RFC 9260 §3.1), then chunks (§3.2), each padded to a multiple of four bytes:
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-------------------------------+-------------------------------+
 * |          source port          |       destination port        |
 * +-------------------------------+-------------------------------+
 * |                       verification tag                        |
 * +---------------------------------------------------------------+
 * |                      checksum (CRC32c)                        |
 * +---------------+---------------+-------------------------------+
 * |  chunk type   |  chunk flags  |  length (4 + value, unpadded) |
 * +---------------+---------------+-------------------------------+
 * |                         chunk value …                         |
 * ```
 */
export const COMMON_HEADER_BYTES = 12;
export const CHUNK_HEADER_BYTES = 4;

// Chunk types: RFC 9260 §3.2, RFC 6525 §3.1, RFC 3758 §3.2, RFC 8260 §2.1, §2.3.1.
export const DATA = 0x00;
export const INIT = 0x01;
export const INIT_ACK = 0x02;
export const SACK = 0x03;
export const HEARTBEAT = 0x04;
export const HEARTBEAT_ACK = 0x05;
export const ABORT = 0x06;
export const SHUTDOWN = 0x07;
export const SHUTDOWN_ACK = 0x08;
export const ERROR = 0x09;
export const COOKIE_ECHO = 0x0a;
export const COOKIE_ACK = 0x0b;
export const SHUTDOWN_COMPLETE = 0x0e;
export const I_DATA = 0x40;
export const RE_CONFIG = 0x82;
export const FORWARD_TSN = 0xc0;
export const I_FORWARD_TSN = 0xc2;

// Chunk and parameter types: what to do with an unknown one (RFC 9260 §3.2, §3.2.1), in the two highest bits.
export const UNKNOWN_CHUNK_SKIP = 0x80;
export const UNKNOWN_CHUNK_REPORT = 0x40;
export const UNKNOWN_PARAMETER_SKIP = 0x8000;
export const UNKNOWN_PARAMETER_REPORT = 0x4000;

/**
 * DATA (RFC 9260 §3.3.1):
 *
 * ```
 * +---------------+---------+-+-+-+-+-----------------------------+
 * |   type 0x00   |   res   |I|U|B|E|        length (16 + n)      |
 * +---------------+---------+-+-+-+-+-----------------------------+
 * |                              TSN                              |
 * +-------------------------------+-------------------------------+
 * |       stream identifier       |    stream sequence number     |
 * +-------------------------------+-------------------------------+
 * |                 payload protocol identifier                   |
 * +---------------------------------------------------------------+
 * |                        user data …                            |
 * ```
 */
export const DATA_HEADER_BYTES = 16;
/** Last fragment of a message. */
export const FLAG_END = 0x01;
/** First fragment of a message. */
export const FLAG_BEGIN = 0x02;
export const FLAG_UNORDERED = 0x04;
/** "SACK me at once": the sender waits for it. */
export const FLAG_IMMEDIATE = 0x08;

/**
 * SACK (RFC 9260 §3.3.4): 16 bytes, then 4 per gap ack block (start, end: offsets from the cumulative TSN ack) and 4 per
 * duplicate TSN.
 *
 * ```
 * +---------------+---------------+-------------------------------+
 * |   type 0x03   |       0       |            length             |
 * +---------------+---------------+-------------------------------+
 * |                      cumulative TSN ack                       |
 * +---------------------------------------------------------------+
 * |            advertised receiver window credit (a_rwnd)         |
 * +-------------------------------+-------------------------------+
 * |  number of gap ack blocks N   |  number of duplicate TSNs X   |
 * +-------------------------------+-------------------------------+
 * |         block 1 start         |          block 1 end          | …
 * ```
 */
export const SACK_HEADER_BYTES = 16;

/** FORWARD TSN (RFC 3758 §3.2): new cumulative TSN, then 4 bytes (stream, stream sequence number) per skipped ordered stream. */
export const FORWARD_TSN_HEADER_BYTES = 8;

/**
 * I-DATA (RFC 8260 §2.1), DATA of messages that alternate. The reserved bits are ignored.
 *
 * ```
 * +---------------+-------+-+-+-+-+-------------------------------+
 * |   type 0x40   |  res  |I|U|B|E|        length (20 + n)        |
 * +---------------+-------+-+-+-+-+-------------------------------+
 * |                              TSN                              |
 * +-------------------------------+-------------------------------+
 * |       stream identifier       |           reserved            |
 * +-------------------------------+-------------------------------+
 * |                   message identifier (MID)                    |
 * +---------------------------------------------------------------+
 * |    B: payload protocol identifier, else: fragment sequence    |
 * |                         number (FSN)                          |
 * +---------------------------------------------------------------+
 * |                        user data …                            |
 * ```
 */
export const I_DATA_HEADER_BYTES = 20;

/**
 * I-FORWARD-TSN (RFC 8260 §2.3.1): the last message skipped, 8 bytes for each stream and kind of messages.
 *
 * ```
 * +---------------+---------------+-------------------------------+
 * |   type 0xc2   |       0       |     length (8 + 8 · entries)  |
 * +---------------+---------------+-------------------------------+
 * |                      new cumulative TSN                       |
 * +-------------------------------+-----------------------------+-+
 * |       stream identifier       |          reserved           |U|
 * +-------------------------------+-----------------------------+-+
 * |                   message identifier (MID)                    | …
 * ```
 */
export const I_FORWARD_TSN_HEADER_BYTES = 8;
export const I_FORWARD_TSN_ENTRY_BYTES = 8;
/** An entry is about unordered messages. */
export const FLAG_SKIPS_UNORDERED = 0x0001;

/** ABORT and SHUTDOWN COMPLETE: the sender had no tag of ours and reflects its own (RFC 9260 §8.5.1). */
export const FLAG_TAG_REFLECTED = 0x01;

// Parameters: RFC 9260 §3.3.2, §3.3.3, §3.3.5; RFC 6525 §4; RFC 5061 §4.2.7; RFC 3758 §3.1.
export const HEARTBEAT_INFO = 0x0001;
export const IPV4_ADDRESS = 0x0005;
export const IPV6_ADDRESS = 0x0006;
export const STATE_COOKIE = 0x0007;
export const UNRECOGNIZED_PARAMETER = 0x0008;
export const COOKIE_PRESERVATIVE = 0x0009;
export const HOST_NAME_ADDRESS = 0x000b;
export const SUPPORTED_ADDRESS_TYPES = 0x000c;
export const OUTGOING_SSN_RESET = 0x000d;
export const INCOMING_SSN_RESET = 0x000e;
export const SSN_TSN_RESET = 0x000f;
export const RECONFIG_RESPONSE = 0x0010;
export const ADD_OUTGOING_STREAMS = 0x0011;
export const ADD_INCOMING_STREAMS = 0x0012;
export const SUPPORTED_EXTENSIONS = 0x8008;
export const FORWARD_TSN_SUPPORTED = 0xc000;

// Error causes: RFC 9260 §3.3.10.
export const CAUSE_INVALID_STREAM = 0x0001;
export const CAUSE_MISSING_PARAMETER = 0x0002;
export const CAUSE_STALE_COOKIE = 0x0003;
export const CAUSE_OUT_OF_RESOURCE = 0x0004;
export const CAUSE_UNRESOLVABLE_ADDRESS = 0x0005;
export const CAUSE_UNRECOGNIZED_CHUNK = 0x0006;
export const CAUSE_INVALID_PARAMETER = 0x0007;
export const CAUSE_UNRECOGNIZED_PARAMETERS = 0x0008;
export const CAUSE_NO_USER_DATA = 0x0009;
export const CAUSE_USER_ABORT = 0x000c;
export const CAUSE_PROTOCOL_VIOLATION = 0x000d;

/** The next multiple of four: every chunk and parameter is padded to it (RFC 9260 §3.2). */
export function padded(length: number): number {
  return (length + 3) & ~3;
}

/** One chunk: header, value, padding. */
export function writeChunk(type: number, flags: number, ...values: readonly Uint8Array[]): Uint8Array {
  const chunk = frame(values);
  chunk[0] = type;
  chunk[1] = flags;
  return chunk;
}

/** One parameter or error cause: 16-bit type, length, value, padding. */
export function writeParameter(type: number, ...values: readonly Uint8Array[]): Uint8Array {
  const parameter = frame(values);
  parameter[0] = type >>> 8;
  parameter[1] = type;
  return parameter;
}

/** Parameters or error causes as the end of a chunk, for `writeChunk`. */
export function chunkEnd(parameters: readonly Uint8Array[]): Uint8Array[] {
  const last = parameters.at(-1);
  if (last === undefined) return [];
  // RFC 9260 §3.2: the chunk's length "does include padding of any variable-length parameter other than the last
  // parameter in the chunk".
  return [...parameters.slice(0, -1), last.subarray(0, (last[2] << 8) | last[3])];
}

/** A parameter or error cause as it stands on the wire: `raw` with its header, both views without padding. */
export interface Parameter {
  readonly type: number;
  readonly value: Uint8Array;
  readonly raw: Uint8Array;
}

/** Parameters of one chunk that are looked at. An INIT of a stack with every extension has about a dozen. */
const MAX_PARAMETERS = 32;

/**
 * The parameters in `bytes`; `undefined` where a length contradicts what is there. Those behind the first {@link MAX_PARAMETERS} are
 * left out: each is an object or three for four bytes.
 */
export function parseParameters(bytes: Uint8Array): Parameter[] | undefined {
  const parameters: Parameter[] = [];
  for (let at = 0; at < bytes.length && parameters.length < MAX_PARAMETERS; ) {
    if (bytes.length - at < 4) return undefined;
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    if (length < 4 || length > bytes.length - at) return undefined;
    const raw = bytes.subarray(at, at + length);
    parameters.push({ type: (bytes[at] << 8) | bytes[at + 1], value: raw.subarray(4), raw });
    at += padded(length);
  }
  return parameters;
}

/** A frame of 4 + values bytes, padded; bytes 0 and 1 are left to the caller. */
function frame(values: readonly Uint8Array[]): Uint8Array {
  let length = 4;
  for (const value of values) length += value.length;
  const bytes = new Uint8Array(padded(length));
  bytes[2] = length >>> 8;
  bytes[3] = length;
  let at = 4;
  for (const value of values) {
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}
