import { sha256 } from "../crypto/platform.ts";
import { encodeAsTls, type HandshakeMessage } from "./handshake.ts";
import { MESSAGE_HASH } from "./messages.ts";

/** The messages of a DTLS 1.3 handshake as they are hashed: with the header of TLS (RFC 9147 §5.2). */
export class Transcript13 {
  #messages: Uint8Array[] = [];

  add({ type, body }: HandshakeMessage): void {
    this.#messages.push(encodeAsTls(type, body));
  }

  /** SHA-256 of everything so far. */
  hash(): Uint8Array {
    return sha256(...this.#messages);
  }

  /** RFC 8446 §4.4.1: with a HelloRetryRequest, the first ClientHello is replaced by its hash. */
  replaceByHash(): void {
    this.#messages = [encodeAsTls(MESSAGE_HASH, this.hash())];
  }

  clear(): void {
    this.#messages = [];
  }
}
