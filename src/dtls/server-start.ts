import { equalConstantTime, hmacSha256 } from "../crypto/platform.ts";
import type { HandshakeMessage } from "./handshake.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import {
  CLIENT_HELLO,
  type ClientHello,
  encodeHelloVerifyRequest,
  HELLO_VERIFY_REQUEST,
  parseClientHello,
} from "./messages.ts";
import { Server12 } from "./server12.ts";

/**
 * The server until it knows the version: takes a ClientHello, asks for a cookie where that is wanted, and hands over to
 * the state machine of the version.
 *
 *     Client                              Server
 *     ClientHello              -------->
 *                              <--------  HelloVerifyRequest (only with `helloVerify`)
 *     ClientHello with cookie  -------->
 */
export class ServerStart implements HandshakeMachine {
  readonly #host: HandshakeHost;

  constructor(host: HandshakeHost) {
    this.#host = host;
  }

  handle(message: HandshakeMessage): Outcome {
    if (message.type !== CLIENT_HELLO) return UNEXPECTED;
    const hello = parseClientHello(message.body);
    if (hello === undefined) return MALFORMED;
    const { helloVerify } = this.#host.settings;
    if (helloVerify !== undefined) {
      const cookie = expectedCookie(helloVerify, hello, message.body);
      if (hello.cookie.length === 0) return this.#askForCookie(message, cookie);
      // A retransmission of a hello that was damaged, or a forgery: the true one may still come.
      if (!equalConstantTime(hello.cookie, cookie)) return UNEXPECTED;
    }
    const server = new Server12(this.#host);
    this.#host.become(server);
    return server.answer(hello, message);
  }

  #askForCookie(message: HandshakeMessage, cookie: Uint8Array): undefined {
    const request = this.#host.message(HELLO_VERIFY_REQUEST, encodeHelloVerifyRequest(cookie));
    // RFC 6347 §4.2.4: no timer runs for a HelloVerifyRequest; a repeated ClientHello asks for it again.
    this.#host.sendFlight([request], message, true);
    return undefined;
  }

  exportKeyingMaterial(): Uint8Array {
    throw new Error("the handshake is not complete");
  }

  wipe(): void {}
}

/** RFC 6347 §4.2.1: Cookie = HMAC(Secret, Client-IP, Client-Parameters); the parameters are the hello without the cookie. */
function expectedCookie(
  { secret, peer }: { readonly secret: Uint8Array; readonly peer: Uint8Array },
  hello: ClientHello,
  body: Uint8Array,
): Uint8Array {
  const cookieAt = 2 + 32 + 1 + hello.sessionId.length;
  const afterCookie = cookieAt + 1 + hello.cookie.length;
  return hmacSha256(secret, Uint8Array.of(peer.length), peer, body.subarray(0, cookieAt), body.subarray(afterCookie));
}
