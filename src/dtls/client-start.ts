import {
  ECDSA_SECP256R1_SHA256,
  EMPTY,
  encodeNumbers,
  EXTENSION_EC_POINT_FORMATS,
  EXTENSION_EXTENDED_MASTER_SECRET,
  EXTENSION_RENEGOTIATION_INFO,
  EXTENSION_SIGNATURE_ALGORITHMS,
  EXTENSION_SUPPORTED_GROUPS,
  type Extensions,
  FIRST_HANDSHAKE,
  GROUP_SECP256R1,
  GROUP_X25519,
  UNCOMPRESSED_ONLY,
} from "./extensions.ts";
import type { HandshakeMessage } from "./handshake.ts";
import { Client12 } from "./client12.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import {
  CLIENT_HELLO,
  type ClientHello,
  COMPRESSION_NULL,
  encodeClientHello,
  HELLO_VERIFY_REQUEST,
  parseHelloVerifyRequest,
  parseServerHello,
  SERVER_HELLO,
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
  VERSION_DTLS_1_2,
} from "./messages.ts";

/**
 * The client until the server has chosen a version: sends the ClientHello, repeats it with a cookie when asked, and hands
 * over to the state machine of the version.
 *
 *     Client                              Server
 *     ClientHello              -------->
 *                              <--------  HelloVerifyRequest (perhaps)
 *     ClientHello with cookie  -------->
 *                              <--------  ServerHello …
 */
export class ClientStart implements HandshakeMachine {
  readonly #host: HandshakeHost;
  #hello: ClientHello;
  #message: HandshakeMessage | undefined;

  constructor(host: HandshakeHost) {
    this.#host = host;
    this.#hello = {
      version: VERSION_DTLS_1_2,
      random: host.settings.random(32),
      sessionId: EMPTY,
      cookie: EMPTY,
      cipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256],
      compressionMethods: Uint8Array.of(COMPRESSION_NULL),
      extensions: offeredExtensions(),
    };
  }

  start(): void {
    this.#sendHello(undefined);
  }

  handle(message: HandshakeMessage): Outcome {
    if (message.epoch !== 0) return UNEXPECTED;
    if (message.type === HELLO_VERIFY_REQUEST) return this.#helloVerifyRequest(message);
    if (message.type !== SERVER_HELLO || this.#message === undefined) return UNEXPECTED;
    const serverHello = parseServerHello(message.body);
    if (serverHello === undefined) return MALFORMED;
    const client = new Client12(this.#host, this.#hello, this.#message);
    this.#host.become(client);
    return client.serverHello(serverHello, message);
  }

  exportKeyingMaterial(): Uint8Array {
    throw new Error("the handshake is not complete");
  }

  wipe(): void {}

  #helloVerifyRequest(message: HandshakeMessage): Outcome {
    const cookie = parseHelloVerifyRequest(message.body);
    if (cookie === undefined) return MALFORMED;
    if (cookie.length === 0 || this.#hello.cookie.length > 0) return UNEXPECTED;
    // RFC 6347 §4.2.1: the second hello has "the same parameter values" and the cookie.
    this.#hello = { ...this.#hello, cookie };
    this.#sendHello(message);
    return undefined;
  }

  #sendHello(answered: HandshakeMessage | undefined): void {
    this.#message = this.#host.message(CLIENT_HELLO, encodeClientHello(this.#hello));
    this.#host.sendFlight([this.#message], answered);
  }
}

function offeredExtensions(): Extensions {
  return new Map([
    [EXTENSION_EXTENDED_MASTER_SECRET, EMPTY],
    [EXTENSION_RENEGOTIATION_INFO, FIRST_HANDSHAKE],
    [EXTENSION_SUPPORTED_GROUPS, encodeNumbers([GROUP_X25519, GROUP_SECP256R1])],
    [EXTENSION_EC_POINT_FORMATS, UNCOMPRESSED_ONLY],
    [EXTENSION_SIGNATURE_ALGORITHMS, encodeNumbers([ECDSA_SECP256R1_SHA256])],
  ]);
}
