/** The numbers of a ClientHello (RFC 6347 §4.2, RFC 5246 §7.4.1.2), and what a peer may say instead of the right ones. */
import { withField } from "./variants.ts";

const U8 = [0, 1, 255];
const U16 = [0, 1, 0xffff];
const U24 = [0, 1, 0xff_ffff];

export const HELLO_FIELDS = {
  "record version": [0, 0x0301, 0xfefc, 0xffff],
  epoch: [1, 2, 0xffff],
  "record length": U16,
  "handshake type": U8,
  length: U24,
  "message sequence": [1, 2, 0xffff],
  "fragment offset": [1, 0xff_ffff],
  "fragment length": U24,
  version: [0, 0x0303, 0xfefc, 0xfeff, 0xffff],
  "session id length": [1, 32, 33, 255],
  "cookie length": [1, 32, 255],
  "cipher suites length": U16,
  "compression methods length": U8,
  "extensions length": U16,
  "first extension's type": U16,
  "first extension's length": U16,
} as const;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 13;

/** Sends each datagram with a ClientHello twice: first with one field that is wrong, then as it should be. */
export function editHello(field: keyof typeof HELLO_FIELDS, value: number): (datagram: Uint8Array) => Uint8Array[] {
  return (datagram) => {
    if (datagram[0] !== HANDSHAKE || datagram[RECORD_HEADER_BYTES] !== CLIENT_HELLO) return [datagram];
    const [at, bytes] = fieldsOf(datagram)[field];
    return at + bytes > datagram.length ? [datagram] : [withField(datagram, at, bytes, value), datagram];
  };
}

function fieldsOf(datagram: Uint8Array): Record<keyof typeof HELLO_FIELDS, readonly [at: number, bytes: number]> {
  const u16 = (at: number) => ((datagram[at] ?? 0) << 8) | (datagram[at + 1] ?? 0);
  const sessionId = 59;
  const cookie = sessionId + 1 + datagram[sessionId];
  const suites = cookie + 1 + datagram[cookie];
  const compression = suites + 2 + u16(suites);
  const extensions = compression + 1 + (datagram[compression] ?? 0);
  return {
    "record version": [1, 2],
    epoch: [3, 2],
    "record length": [11, 2],
    "handshake type": [13, 1],
    length: [14, 3],
    "message sequence": [17, 2],
    "fragment offset": [19, 3],
    "fragment length": [22, 3],
    version: [25, 2],
    "session id length": [sessionId, 1],
    "cookie length": [cookie, 1],
    "cipher suites length": [suites, 2],
    "compression methods length": [compression, 1],
    "extensions length": [extensions, 2],
    "first extension's type": [extensions + 2, 2],
    "first extension's length": [extensions + 4, 2],
  };
}
