import { equalConstantTime, hmacSha256 } from "../crypto/platform.ts";
import { ALERT_INAPPROPRIATE_FALLBACK, ALERT_PROTOCOL_VERSION } from "./alert.ts";
import { EXTENSION_SUPPORTED_VERSIONS, parseNumbers } from "./extensions.ts";
import type { HandshakeMessage } from "./reassembly.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import {
  CLIENT_HELLO,
  type ClientHello,
  encodeHelloVerifyRequest,
  HELLO_VERIFY_REQUEST,
  parseClientHello,
  TLS_FALLBACK_SCSV,
  VERSION_DTLS_1_2,
  VERSION_DTLS_1_3,
} from "./messages.ts";
import type { CookieKey } from "./retry-cookie.ts";
import { Server12 } from "./server12.ts";
import { Server13 } from "./server13.ts";

/**
 * The server until it knows the version: takes a ClientHello, asks for a cookie where that is wanted (in DTLS 1.2;
 * DTLS 1.3 has a HelloRetryRequest for it), and hands over to the state machine of the version.
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
    const { helloVerify, versions } = this.#host.settings;
    const offers13 = offeredVersions(hello).includes(VERSION_DTLS_1_3);
    if (versions.includes("1.3")) {
      if (offers13) {
        const server = new Server13(this.#host);
        this.#host.become(server);
        const outcome = server.answer(hello, message);
        // A wrong cookie: anybody can send one.
        if (outcome === UNEXPECTED) this.#host.become(this);
        return outcome;
      }
      // RFC 7507 §3: the client tries again with less than it has, and we have more than it now offers.
      if (hello.cipherSuites.includes(TLS_FALLBACK_SCSV)) return ALERT_INAPPROPRIATE_FALLBACK;
    }
    if (!versions.includes("1.2") || !offeredVersions(hello).includes(VERSION_DTLS_1_2)) return ALERT_PROTOCOL_VERSION;
    if (helloVerify !== undefined) {
      const cookie = expectedCookie(helloVerify, hello, message.body);
      // RFC 6347 §4.2.1: an invalid cookie is treated "the same as a ClientHello with no cookie".
      if (!equalConstantTime(hello.cookie, cookie)) return this.#askForCookie(message, cookie);
      if (helloVerify.mayBegin?.() === false) return UNEXPECTED;
    }
    const server = new Server12(this.#host);
    this.#host.become(server);
    return server.answer(hello, message);
  }

  #askForCookie(message: HandshakeMessage, cookie: Uint8Array): undefined {
    const request = this.#host.message(HELLO_VERIFY_REQUEST, encodeHelloVerifyRequest(cookie));
    // RFC 6347 §4.2.4: no timer runs for a HelloVerifyRequest; a repeated ClientHello asks for it again.
    this.#host.sendFlight([request], message, { onDemand: true });
    return undefined;
  }

  exportKeyingMaterial(): Uint8Array {
    throw new Error("the handshake is not complete");
  }

  wipe(): void {}
}

const TLS_MAJOR = 0x03;

/** The versions a client has, as far as it says. */
function offeredVersions({ version, extensions }: ClientHello): readonly number[] {
  const supported = extensions.get(EXTENSION_SUPPORTED_VERSIONS);
  // RFC 8446 §4.2.1: where the extension is there, it alone counts.
  if (supported !== undefined) return parseNumbers(supported, 1) ?? [];
  // Versions count downwards: 1.0 is 0xfeff, 1.2 is 0xfefd. RFC 5246 §E.1: a version above ours is answered with our highest; but
  // 3.x is one of TLS, which counts upwards.
  return version <= VERSION_DTLS_1_2 && version >>> 8 !== TLS_MAJOR ? [VERSION_DTLS_1_2] : [];
}

/** RFC 6347 §4.2.1: Cookie = HMAC(Secret, Client-IP, Client-Parameters); the parameters are the hello without the cookie. */
function expectedCookie({ secret, peer }: CookieKey, hello: ClientHello, body: Uint8Array): Uint8Array {
  const cookieAt = 2 + 32 + 1 + hello.sessionId.length;
  const afterCookie = cookieAt + 1 + hello.cookie.length;
  return hmacSha256(secret, Uint8Array.of(peer.length), peer, body.subarray(0, cookieAt), body.subarray(afterCookie));
}
