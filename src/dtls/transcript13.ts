import { RunningSha256 } from "../crypto/platform.ts";
import { encodeAsTls, type HandshakeMessage } from "./reassembly.ts";
import { MESSAGE_HASH, SERVER_HELLO } from "./messages.ts";

/** The messages of a DTLS 1.3 handshake, as the hash over them with the header of TLS (RFC 9147 §5.2). The messages are not kept. */
export class Transcript13 {
  #hash = new RunningSha256();

  add({ type, body }: HandshakeMessage): void {
    this.#hash.add(encodeAsTls(type, body));
  }

  /** SHA-256 of everything so far. */
  hash(): Uint8Array {
    return this.#hash.digest();
  }

  /** A server's: begins with the hash of the first ClientHello and the HelloRetryRequest (RFC 8446 §4.4.1). */
  beginWithRetry(helloHash: Uint8Array, retryBody: Uint8Array): void {
    this.clear();
    this.#hash.add(encodeAsTls(MESSAGE_HASH, helloHash));
    this.#hash.add(encodeAsTls(SERVER_HELLO, retryBody));
  }

  /** RFC 8446 §4.4.1: with a HelloRetryRequest, the first ClientHello is replaced by its hash. */
  replaceByHash(): void {
    const first = encodeAsTls(MESSAGE_HASH, this.hash());
    this.clear();
    this.#hash.add(first);
  }

  clear(): void {
    this.#hash = new RunningSha256();
  }
}
