import { equalBytes } from "../wire/bytes.ts";
import {
  ALERT_ILLEGAL_PARAMETER,
  ALERT_PROTOCOL_VERSION,
  ALERT_UNEXPECTED_MESSAGE,
  ALERT_UNSUPPORTED_EXTENSION,
} from "./alert.ts";
import { Client12 } from "./client12.ts";
import { Client13 } from "./client13.ts";
import {
  EMPTY,
  encodeKeyShares,
  encodeNumbers,
  EXTENSION_COOKIE,
  EXTENSION_EC_POINT_FORMATS,
  EXTENSION_EXTENDED_MASTER_SECRET,
  EXTENSION_KEY_SHARE,
  EXTENSION_RENEGOTIATION_INFO,
  EXTENSION_SIGNATURE_ALGORITHMS,
  EXTENSION_SUPPORTED_GROUPS,
  EXTENSION_SUPPORTED_VERSIONS,
  type Extensions,
  FIRST_HANDSHAKE,
  GROUP_X25519,
  GROUP_X25519MLKEM768,
  parseCookie,
  parseNumber,
  UNCOMPRESSED_ONLY,
} from "./extensions.ts";
import { GROUPS_12, type KeyShare, offerKey } from "./groups.ts";
import type { HandshakeMessage } from "./reassembly.ts";
import {
  type DtlsVersion,
  type HandshakeHost,
  type HandshakeMachine,
  MALFORMED,
  type Outcome,
  UNEXPECTED,
} from "./machine.ts";
import {
  CLIENT_HELLO,
  type ClientHello,
  COMPRESSION_NULL,
  DOWNGRADE_SENTINEL,
  encodeClientHello,
  HELLO_RETRY_RANDOM,
  HELLO_VERIFY_REQUEST,
  parseHelloVerifyRequest,
  parseServerHello,
  SERVER_HELLO,
  type ServerHello,
  SUITES_12,
  TLS_AES_128_GCM_SHA256,
  VERSION_DTLS_1_2,
  VERSION_DTLS_1_3,
} from "./messages.ts";
import { PEER_SCHEMES } from "./signature-schemes.ts";
import { Transcript13 } from "./transcript13.ts";

const VERSION_NUMBERS: Readonly<Record<DtlsVersion, number>> = { "1.2": VERSION_DTLS_1_2, "1.3": VERSION_DTLS_1_3 };
const SUITES: Readonly<Record<DtlsVersion, readonly number[]>> = {
  "1.2": SUITES_12,
  "1.3": [TLS_AES_128_GCM_SHA256],
};

/**
 * The client until the server has chosen a version: sends the ClientHello, repeats it when asked, and hands over to the
 * state machine of the version.
 *
 *     Client                              Server
 *     ClientHello              -------->
 *                              <--------  HelloVerifyRequest (1.2) or HelloRetryRequest (1.3), perhaps
 *     ClientHello again        -------->
 *                              <--------  ServerHello …
 */
export class ClientStart implements HandshakeMachine {
  readonly #host: HandshakeHost;
  readonly #transcript = new Transcript13();
  #hello: ClientHello;
  #message: HandshakeMessage | undefined;
  #shares: readonly KeyShare[];
  /** There was a HelloRetryRequest. */
  #retried = false;
  /** There was a HelloVerifyRequest. */
  #verified = false;

  constructor(host: HandshakeHost) {
    const { versions, groups, random } = host.settings;
    this.#host = host;
    this.#shares = versions.includes("1.3") ? firstShares(groups) : [];
    this.#hello = {
      version: VERSION_DTLS_1_2,
      random: random(32),
      sessionId: EMPTY,
      cookie: EMPTY,
      cipherSuites: versions.flatMap((version) => SUITES[version]),
      compressionMethods: Uint8Array.of(COMPRESSION_NULL),
      extensions: offeredExtensions(versions, groups, this.#shares),
    };
  }

  start(): void {
    this.#sendHello(undefined);
  }

  handle(message: HandshakeMessage): Outcome {
    if (message.epoch !== 0) return UNEXPECTED;
    if (message.type === HELLO_VERIFY_REQUEST) return this.#helloVerifyRequest(message);
    if (message.type !== SERVER_HELLO || this.#message === undefined) return ALERT_UNEXPECTED_MESSAGE;
    const hello = parseServerHello(message.body);
    if (hello === undefined) return MALFORMED;
    const chosen = hello.extensions.get(EXTENSION_SUPPORTED_VERSIONS);
    if (chosen === undefined) return this.#chose12(hello, message);
    // RFC 8446 §4.2.1: what it names must have been offered, and nothing before 1.3 is named this way.
    if (!this.#hello.extensions.has(EXTENSION_SUPPORTED_VERSIONS)) return ALERT_UNSUPPORTED_EXTENSION;
    if (parseNumber(chosen) !== VERSION_DTLS_1_3) return ALERT_ILLEGAL_PARAMETER;
    // RFC 9147 §5.1: a HelloVerifyRequest is one of DTLS 1.2, and its server cannot have chosen 1.3 since.
    if (this.#verified) return ALERT_ILLEGAL_PARAMETER;
    if (equalBytes(hello.random, HELLO_RETRY_RANDOM)) return this.#helloRetryRequest(hello, message);
    const client = new Client13(this.#host, this.#hello, this.#transcript);
    this.#host.become(client);
    return client.serverHello(hello, message, this.#shares);
  }

  exportKeyingMaterial(): Uint8Array {
    throw new Error("the handshake is not complete");
  }

  wipe(): void {}

  #chose12(hello: ServerHello, message: HandshakeMessage): Outcome {
    const { versions } = this.#host.settings;
    if (!versions.includes("1.2") || this.#message === undefined) return ALERT_PROTOCOL_VERSION;
    // RFC 8446 §4.1.4: the version of a HelloRetryRequest "MUST be retained in the ServerHello".
    if (this.#retried) return ALERT_ILLEGAL_PARAMETER;
    // RFC 8446 §4.1.3: "TLS 1.3 clients receiving a ServerHello indicating TLS 1.2 or below MUST check that the last 8 bytes
    // are not equal to either of these values", and abort with illegal_parameter.
    if (versions.includes("1.3") && equalBytes(hello.random.subarray(24), DOWNGRADE_SENTINEL)) {
      return ALERT_ILLEGAL_PARAMETER;
    }
    const client = new Client12(this.#host, this.#hello, this.#message);
    this.#host.become(client);
    return client.serverHello(hello, message);
  }

  #helloVerifyRequest(message: HandshakeMessage): Outcome {
    // RFC 9147 §5.1: there is none in DTLS 1.3.
    if (this.#retried || !this.#host.settings.versions.includes("1.2")) return ALERT_UNEXPECTED_MESSAGE;
    // RFC 6347 §4.2.1: opaque cookie<0..2^8-1>, so it may be empty; and where a cookie is refused, another one follows.
    const cookie = parseHelloVerifyRequest(message.body);
    if (cookie === undefined) return MALFORMED;
    this.#verified = true;
    // RFC 6347 §4.2.1: the second hello has "the same parameter values" and the cookie; the first is not hashed.
    this.#hello = { ...this.#hello, cookie };
    this.#transcript.clear();
    this.#sendHello(message);
    return undefined;
  }

  /** RFC 8446 §4.1.4. */
  #helloRetryRequest(hello: ServerHello, message: HandshakeMessage): Outcome {
    // "If a client receives a second HelloRetryRequest in the same connection … abort … unexpected_message".
    if (this.#retried) return ALERT_UNEXPECTED_MESSAGE;
    if (hello.cipherSuite !== TLS_AES_128_GCM_SHA256) return ALERT_ILLEGAL_PARAMETER;
    const wanted = hello.extensions.get(EXTENSION_KEY_SHARE);
    const cookie = hello.extensions.get(EXTENSION_COOKIE);
    // "MUST abort … if the HelloRetryRequest would not result in any change in the ClientHello."
    if (wanted === undefined && cookie === undefined) return ALERT_ILLEGAL_PARAMETER;
    if (cookie !== undefined && parseCookie(cookie) === undefined) return MALFORMED;
    const extensions = new Map(this.#hello.extensions);
    if (cookie !== undefined) extensions.set(EXTENSION_COOKIE, cookie);
    if (wanted !== undefined) {
      const group = parseNumber(wanted);
      if (group === undefined) return MALFORMED;
      // RFC 8446 §4.2.8: not one that was not offered, nor one whose key is there already.
      const { groups } = this.#host.settings;
      if (!groups.includes(group) || this.#shares.some((share) => share.group === group)) {
        return ALERT_ILLEGAL_PARAMETER;
      }
      this.#shares = [offerKey(group)];
      extensions.set(EXTENSION_KEY_SHARE, encodeKeyShares(this.#shares));
    }
    this.#retried = true;
    this.#host.facts.version = "1.3";
    this.#hello = { ...this.#hello, extensions };
    this.#transcript.replaceByHash();
    this.#transcript.add(message);
    this.#sendHello(message);
    return undefined;
  }

  #sendHello(answered: HandshakeMessage | undefined): void {
    this.#message = this.#host.message(CLIENT_HELLO, encodeClientHello(this.#hello));
    this.#transcript.add(this.#message);
    this.#host.sendFlight([this.#message], answered);
  }
}

/** A key for the first group, and for a classic one beside a hybrid: most servers have at least that. */
function firstShares(groups: readonly number[]): KeyShare[] {
  const [first] = groups;
  const offered = first === GROUP_X25519MLKEM768 && groups.includes(GROUP_X25519) ? [first, GROUP_X25519] : [first];
  return offered.map(offerKey);
}

function offeredExtensions(
  versions: readonly DtlsVersion[],
  groups13: readonly number[],
  shares: readonly KeyShare[],
): Extensions {
  const has13 = versions.includes("1.3");
  const groups = has13 ? groups13 : GROUPS_12;
  const extensions = new Map([
    [EXTENSION_SUPPORTED_GROUPS, encodeNumbers(groups)],
    [EXTENSION_SIGNATURE_ALGORITHMS, encodeNumbers(PEER_SCHEMES)],
  ]);
  if (versions.includes("1.2")) {
    extensions.set(EXTENSION_EXTENDED_MASTER_SECRET, EMPTY);
    extensions.set(EXTENSION_RENEGOTIATION_INFO, FIRST_HANDSHAKE);
    extensions.set(EXTENSION_EC_POINT_FORMATS, UNCOMPRESSED_ONLY);
  }
  if (has13) {
    const numbers = versions.map((version) => VERSION_NUMBERS[version]);
    extensions.set(EXTENSION_SUPPORTED_VERSIONS, encodeNumbers(numbers, 1));
    extensions.set(EXTENSION_KEY_SHARE, encodeKeyShares(shares));
  }
  return extensions;
}
