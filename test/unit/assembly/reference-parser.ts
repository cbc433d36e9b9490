// SCTP packets parsed the straightforward way, as the kernels are expected to.
import { BAD_LENGTH, TOO_MANY_CHUNKS, TOO_SHORT, TRUNCATED } from "../../../src/wasm/layout.ts";

export interface Chunk {
  type: number;
  flags: number;
  length: number;
  /** Relative to the packet. */
  offset: number;
  body: number;
  bodyLength: number;
  /** Words 3 to 6 of the descriptor. */
  fields: [number, number, number, number];
}

/** The chunks of a packet whose checksum is right, or a code. */
export function parseChunks(packet: Uint8Array): Chunk[] | number {
  if (packet.length < 12) return TOO_SHORT;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const chunks: Chunk[] = [];
  for (let offset = 12; offset < packet.length; ) {
    if (packet.length - offset < 4) return TRUNCATED;
    const type = view.getUint8(offset);
    const length = view.getUint16(offset + 2);
    if (length < 4) return BAD_LENGTH;
    if (offset + length > packet.length) return TRUNCATED;
    if (chunks.length === 512) return TOO_MANY_CHUNKS;
    const described = fieldsOf(view, type, offset, length);
    if (described === null) return BAD_LENGTH;
    const { fixed, fields } = described;
    const flags = view.getUint8(offset + 1);
    chunks.push({ type, flags, length, offset, body: offset + fixed, bodyLength: length - fixed, fields });
    offset += Math.ceil(length / 4) * 4;
  }
  return chunks;
}

function fieldsOf(
  view: DataView,
  type: number,
  at: number,
  length: number,
): (Pick<Chunk, "fields"> & { fixed: number }) | null {
  switch (type) {
    case 0:
      if (length < 16) return null;
      return {
        fixed: 16,
        fields: [view.getUint32(at + 4), view.getUint16(at + 8), view.getUint16(at + 10), view.getUint32(at + 12)],
      };
    case 3: {
      if (length < 16) return null;
      const [gaps, duplicates] = [view.getUint16(at + 12), view.getUint16(at + 14)];
      if (length !== 16 + 4 * gaps + 4 * duplicates) return null;
      return { fixed: 16, fields: [view.getUint32(at + 4), view.getUint32(at + 8), gaps, duplicates] };
    }
    case 192:
      if (length < 8 || length % 4 !== 0) return null;
      return { fixed: 8, fields: [view.getUint32(at + 4), 0, 0, 0] };
    case 64:
      if (length < 20) return null;
      return {
        fixed: 20,
        fields: [view.getUint32(at + 4), view.getUint16(at + 8), view.getUint32(at + 12), view.getUint32(at + 16)],
      };
    case 194:
      if (length < 8 || length % 8 !== 0) return null;
      return { fixed: 8, fields: [view.getUint32(at + 4), 0, 0, 0] };
    default:
      return { fixed: 4, fields: [0, 0, 0, 0] };
  }
}
