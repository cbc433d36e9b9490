/** SCTP packets and chunks, written by hand. */

const MAX_CHUNK_VALUE_BYTES = 65_531;

export function u16(...values) {
  const bytes = new Uint8Array(2 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint16(2 * i, value);
  return bytes;
}

export function u32(...values) {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value >>> 0);
  return bytes;
}

export function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A chunk with its padding. */
export function chunk(type, flags, ...values) {
  const value = joined(values);
  if (value.length > MAX_CHUNK_VALUE_BYTES) throw new RangeError("a chunk holds 65,531 bytes");
  const bytes = new Uint8Array((4 + value.length + 3) & ~3);
  bytes.set([type, flags, (4 + value.length) >>> 8, (4 + value.length) & 255]);
  bytes.set(value, 4);
  return bytes;
}

/** A parameter with its padding. */
export function parameter(type, ...values) {
  return chunk(type >>> 8, type & 255, ...values);
}

export function dataChunk({ tsn, streamId = 0, ssn = 0, ppid = 53, flags = 7, data }) {
  return chunk(0, flags, u32(tsn), u16(streamId, ssn), u32(ppid), data);
}

export function sack(cumulative, { window = 1 << 20, gaps = [], duplicates = [] } = {}) {
  return chunk(
    3,
    0,
    u32(cumulative, window),
    u16(gaps.length, duplicates.length),
    u16(...gaps.flat()),
    u32(...duplicates),
  );
}

export function forwardTsn(cumulative, ...streams) {
  return chunk(192, 0, u32(cumulative), u16(...streams.flat()));
}

/** RE-CONFIG that resets the sender's streams; none named: all of them. */
export function outgoingReset(sequence, lastTsn, streamIds = []) {
  return chunk(130, 0, parameter(13, u32(sequence, 0, lastTsn), u16(...streamIds)));
}

export function reconfigResponse(sequence, result) {
  return chunk(130, 0, parameter(16, u32(sequence, result)));
}

/** A DATA_CHANNEL_OPEN message. */
export function open({ label = "x", type = 0x81, protocol = "" } = {}) {
  const [name, rest] = [new TextEncoder().encode(label), new TextEncoder().encode(protocol)];
  return joined([Uint8Array.of(3, type), u16(256), u32(0), u16(name.length, rest.length), name, rest]);
}

/** A packet with its checksum. */
export function packet(datapath, tag, chunks) {
  const body = joined(chunks);
  const { memory, view } = datapath;
  const at = datapath.rxOffset;
  view.setUint32(at, (5000 << 16) | 5000);
  view.setUint32(at + 4, tag);
  memory.set(body, at + 12);
  datapath.finishPacket(at, 12 + body.length);
  return memory.slice(at, at + 12 + body.length);
}

/** As many times the same as fit into a packet of full size, or `most` of them. */
export function fill(make, most = Number.POSITIVE_INFINITY) {
  const chunks = [];
  let room = 1_140;
  for (;;) {
    const next = make(chunks.length);
    if (next.length > room || chunks.length >= most) return chunks;
    chunks.push(next);
    room -= next.length;
  }
}
