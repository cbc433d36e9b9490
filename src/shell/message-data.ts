/** What may be sent: text arrives as a string, everything else as bytes. */
export type MessageData = string | ArrayBuffer | ArrayBufferView;

/** @throws TypeError for data of another kind */
export function messageBytes(data: MessageData): Uint8Array | string {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError("data must be a string, an ArrayBuffer or a view of one");
}

/**
 * For a message that was refused: whether the caller should have known. What the peer takes is no matter here.
 *
 * @throws RangeError over this side's own limit
 */
export function checkMessageLength(message: Uint8Array | string, limit: number): void {
  const { length } = typeof message === "string" ? new TextEncoder().encode(message) : message;
  if (length > limit) throw new RangeError(`data must be at most ${limit} bytes (limits.maxMessageBytes)`);
}
