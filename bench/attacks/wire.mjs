/** SCTP chunks, byte by byte, for peers that send what no honest one would. */

export const Chunk = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  cookieEcho: 10,
  cookieAck: 11,
  reconfig: 130,
  forwardTsn: 192,
};
export const PPID_DCEP = 50;
export const PPID_BINARY = 53;
/** DATA flags: unordered, beginning, end. */
export const UNORDERED = 4;
export const BEGIN = 2;
export const END = 1;

export function u16(...numbers) {
  return Buffer.from(numbers.flatMap((number) => [(number >>> 8) & 255, number & 255]));
}

export function u32(...numbers) {
  return Buffer.from(numbers.flatMap((n) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]));
}

/** One chunk, padded. */
export function chunk(type, flags, ...values) {
  const value = Buffer.concat(values);
  const padding = Buffer.alloc((4 - (value.length & 3)) & 3);
  return Buffer.concat([Buffer.of(type, flags), u16(4 + value.length), value, padding]);
}

export function data(tsn, streamId, payload, { ppid = PPID_BINARY, flags = UNORDERED | BEGIN | END, ssn = 0 } = {}) {
  return chunk(Chunk.data, flags, u32(tsn), u16(streamId, ssn), u32(ppid), payload);
}

/** A DCEP OPEN (RFC 8832 §5.1). Channel type 0x81: unordered, no retransmissions; 0x00: ordered and reliable. */
export function open(label = "x", channelType = 0x81) {
  return Buffer.concat([Buffer.of(3, channelType), u16(256), u32(0), u16(label.length, 0), Buffer.from(label)]);
}

export function sack(cumulative, gaps = [], window = 1 << 20) {
  return chunk(Chunk.sack, 0, u32(cumulative, window), u16(gaps.length, 0), ...gaps.map((gap) => u16(...gap)));
}

/** RE-CONFIG with an Outgoing SSN Reset Request (RFC 6525 §4.1). No streams: all of them. */
export function resetRequest(requestNumber, lastTsn, streams = []) {
  const length = 16 + 2 * streams.length;
  const padding = Buffer.alloc(streams.length % 2 === 1 ? 2 : 0);
  return Buffer.concat([u16(13, length), u32(requestNumber, 0, lastTsn), u16(...streams), padding]);
}
