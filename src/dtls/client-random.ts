import { CONTENT_HANDSHAKE } from "./record.ts";
import { CLIENT_HELLO } from "./messages.ts";

const RECORD_HEADER_BYTES = 13;
const FRAGMENT_OFFSET_AT = RECORD_HEADER_BYTES + 6;
/** Behind the header of the handshake message and the version. */
const RANDOM_AT = RECORD_HEADER_BYTES + 12 + 2;
const RANDOM_BYTES = 32;

/**
 * The random of the ClientHello with which a datagram begins, which tells one client's beginning from another's. `undefined` where
 * it begins with anything else, later fragments of a ClientHello included.
 *
 *     type (22) | version | epoch (0) | sequence | length || msg_type (1) | length | message_seq | offset (0) | length || version | random
 */
export function clientRandom(datagram: Uint8Array): Uint8Array | undefined {
  if (datagram.length < RANDOM_AT + RANDOM_BYTES || !isOfHello(datagram)) return undefined;
  return fragmentOffset(datagram) === 0 ? datagram.slice(RANDOM_AT, RANDOM_AT + RANDOM_BYTES) : undefined;
}

/** Whether a datagram begins with a later fragment of a ClientHello, or with one too short to show the random. */
export function continuesHello(datagram: Uint8Array): boolean {
  if (datagram.length < RANDOM_AT || !isOfHello(datagram)) return false;
  return datagram.length < RANDOM_AT + RANDOM_BYTES || fragmentOffset(datagram) !== 0;
}

/** Whether a datagram begins with an unprotected fragment of a ClientHello. */
function isOfHello(datagram: Uint8Array): boolean {
  if (datagram[0] !== CONTENT_HANDSHAKE || datagram[3] !== 0 || datagram[4] !== 0) return false;
  return datagram[RECORD_HEADER_BYTES] === CLIENT_HELLO;
}

function fragmentOffset(datagram: Uint8Array): number {
  const at = FRAGMENT_OFFSET_AT;
  return (datagram[at] << 16) | (datagram[at + 1] << 8) | datagram[at + 2];
}
