import { equalConstantTime, type PublicKey } from "../crypto/platform.ts";
import { concatBytes } from "../wire/bytes.ts";
import {
  ALERT_BAD_CERTIFICATE,
  ALERT_DECRYPT_ERROR,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_INTERNAL_ERROR,
  ALERT_PROTOCOL_VERSION,
  ALERT_UNEXPECTED_MESSAGE,
  ALERT_UNSUPPORTED_CERTIFICATE,
  ALERT_UNSUPPORTED_EXTENSION,
  type AlertDescription,
} from "./alert.ts";
import { EMPTY } from "./extensions.ts";
import { CHANGE_CIPHER_SPEC, type FlightItem } from "./flight.ts";
import { GROUPS_12, offerKey } from "./groups.ts";
import { encodeWhole, type HandshakeMessage } from "./reassembly.ts";
import { refuseExtensions12 } from "./hello12.ts";
import { deriveKeys, extendedMasterSecret, verifyData } from "./keys12.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import {
  CERTIFICATE,
  CERTIFICATE_REQUEST,
  CERTIFICATE_VERIFY,
  CLIENT_KEY_EXCHANGE,
  type ClientHello,
  COMPRESSION_NULL,
  encodeCertificate12,
  encodeCertificateVerify,
  encodeClientKeyExchange,
  FINISHED,
  parseCertificate12,
  parseCertificateRequest12,
  parseServerKeyExchange,
  SERVER_HELLO_DONE,
  SERVER_KEY_EXCHANGE,
  type ServerHello,
  type ServerKeyExchange,
  SUITES_12,
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  VERSION_DTLS_1_2,
} from "./messages.ts";
import { acceptCertificate, refuseSignature } from "./peer-certificate.ts";
import { ECDSA_SECP256R1_SHA256 } from "./signature-schemes.ts";
import { Traffic12 } from "./traffic12.ts";

/**
 * The client's side of a DTLS 1.2 handshake (RFC 6347 §4.2.4, flights 4 to 6), from the ServerHello on. The diagram is with
 * {@link Server12}.
 */
export class Client12 implements HandshakeMachine {
  readonly #host: HandshakeHost;
  readonly #hello: ClientHello;
  readonly #transcript: Uint8Array[];
  #awaits: "certificate" | "key-exchange" | "request-or-done" | "done" | "finished" = "certificate";
  #serverRandom = EMPTY;
  #serverKey: PublicKey | undefined;
  #keyExchange: ServerKeyExchange | undefined;
  /** Signature schemes of the CertificateRequest, once there was one. */
  #requested: readonly number[] | undefined;
  #masterSecret = EMPTY;

  constructor(host: HandshakeHost, hello: ClientHello, helloMessage: HandshakeMessage) {
    this.#host = host;
    this.#hello = hello;
    this.#transcript = [encodeWhole(helloMessage)];
  }

  serverHello(hello: ServerHello, message: HandshakeMessage): Outcome {
    const refusal = refuseHello(hello, this.#hello);
    if (refusal !== undefined) return refusal;
    this.#host.facts.version = "1.2";
    this.#host.facts.cipherSuite = hello.cipherSuite;
    this.#serverRandom = hello.random;
    this.#transcript.push(encodeWhole(message));
    return undefined;
  }

  handle(message: HandshakeMessage): Outcome {
    // Only Finished is protected, and it always is.
    if ((message.epoch === 1) !== (this.#awaits === "finished")) return UNEXPECTED;
    const outcome = this.#dispatch(message);
    if (outcome === undefined) this.#transcript.push(encodeWhole(message));
    if (outcome === undefined && message.type === SERVER_HELLO_DONE) return this.#answer(message);
    return outcome;
  }

  exportKeyingMaterial(): Uint8Array {
    throw new Error("the handshake is not complete");
  }

  wipe(): void {
    this.#masterSecret.fill(0);
  }

  #dispatch(message: HandshakeMessage): Outcome {
    const { type } = message;
    switch (this.#awaits) {
      case "certificate":
        return type === CERTIFICATE ? this.#certificate(message) : ALERT_UNEXPECTED_MESSAGE;
      case "key-exchange":
        return type === SERVER_KEY_EXCHANGE ? this.#serverKeyExchange(message) : ALERT_UNEXPECTED_MESSAGE;
      case "request-or-done":
        if (type === CERTIFICATE_REQUEST) return this.#certificateRequest(message);
        return type === SERVER_HELLO_DONE ? this.#helloDone(message) : ALERT_UNEXPECTED_MESSAGE;
      case "done":
        return type === SERVER_HELLO_DONE ? this.#helloDone(message) : ALERT_UNEXPECTED_MESSAGE;
      default:
        return type === FINISHED ? this.#finished(message) : ALERT_UNEXPECTED_MESSAGE;
    }
  }

  #certificate(message: HandshakeMessage): Outcome {
    const der = parseCertificate12(message.body);
    if (der === undefined) return MALFORMED;
    if (der.length === 0) return ALERT_BAD_CERTIFICATE;
    const key = acceptCertificate(this.#host, der);
    if (typeof key === "number") return key;
    // RFC 8422 §2.1, §2.2: the suite says what signs.
    const isRsaSuite = this.#host.facts.cipherSuite === TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    if ((key.kind === "rsa") !== isRsaSuite) return ALERT_UNSUPPORTED_CERTIFICATE;
    this.#serverKey = key;
    this.#awaits = "key-exchange";
    return undefined;
  }

  #serverKeyExchange(message: HandshakeMessage): Outcome {
    const exchange = parseServerKeyExchange(message.body);
    if (exchange === undefined) return MALFORMED;
    if (this.#serverKey === undefined) return ALERT_INTERNAL_ERROR;
    if (!GROUPS_12.includes(exchange.group)) return ALERT_ILLEGAL_PARAMETER;
    const signed = concatBytes(this.#hello.random, this.#serverRandom, exchange.parameters);
    const refusal = refuseSignature("1.2", exchange, this.#serverKey, signed);
    if (refusal !== undefined) return refusal;
    this.#keyExchange = exchange;
    this.#host.facts.group = exchange.group;
    this.#awaits = "request-or-done";
    return undefined;
  }

  #certificateRequest(message: HandshakeMessage): Outcome {
    this.#requested = parseCertificateRequest12(message.body);
    if (this.#requested === undefined) return MALFORMED;
    this.#awaits = "done";
    return undefined;
  }

  #helloDone(message: HandshakeMessage): Outcome {
    if (message.body.length > 0) return MALFORMED;
    this.#awaits = "finished";
    return undefined;
  }

  /** Flight 5, in answer to ServerHelloDone. */
  #answer(done: HandshakeMessage): Outcome {
    const exchange = this.#keyExchange;
    if (exchange === undefined) return ALERT_INTERNAL_ERROR;
    const { certificate } = this.#host.settings;
    const flight: FlightItem[] = [];
    // RFC 5246 §7.4.6: "If no suitable certificate is available, the client MUST send a certificate message containing no
    // certificates."
    const sign = this.#requested?.includes(ECDSA_SECP256R1_SHA256) ?? false;
    if (this.#requested !== undefined) {
      flight.push(this.#say(CERTIFICATE, encodeCertificate12(sign ? certificate.der : undefined)));
    }
    const ephemeral = offerKey(exchange.group);
    const preMasterSecret = ephemeral.agree(exchange.publicKey);
    if (preMasterSecret === undefined) return ALERT_ILLEGAL_PARAMETER;
    flight.push(this.#say(CLIENT_KEY_EXCHANGE, encodeClientKeyExchange(ephemeral.publicKey)));
    this.#masterSecret = extendedMasterSecret(preMasterSecret, this.#transcript);
    preMasterSecret.fill(0);
    this.#host.logSecret("CLIENT_RANDOM", this.#hello.random, this.#masterSecret);
    const keys = deriveKeys(this.#masterSecret, this.#hello.random, this.#serverRandom);
    if (!this.#host.installKeys12(keys.client, keys.server)) return ALERT_INTERNAL_ERROR;
    if (sign) {
      const signature = certificate.sign(concatBytes(...this.#transcript));
      const verify = encodeCertificateVerify({ scheme: ECDSA_SECP256R1_SHA256, signature });
      flight.push(this.#say(CERTIFICATE_VERIFY, verify));
    }
    const verify = verifyData(this.#masterSecret, "client", this.#transcript);
    flight.push(CHANGE_CIPHER_SPEC, this.#say(FINISHED, verify, 1));
    this.#host.sendFlight(flight, done);
    return undefined;
  }

  #finished(message: HandshakeMessage): Outcome {
    const expected = verifyData(this.#masterSecret, "server", this.#transcript);
    if (!equalConstantTime(message.body, expected)) return ALERT_DECRYPT_ERROR;
    this.#host.become(new Traffic12(this.#masterSecret, this.#hello.random, this.#serverRandom));
    this.#host.complete(false);
    return undefined;
  }

  #say(type: number, body: Uint8Array, epoch = 0): HandshakeMessage {
    const message = this.#host.message(type, body, epoch);
    this.#transcript.push(encodeWhole(message));
    return message;
  }
}

function refuseHello(hello: ServerHello, ours: ClientHello): AlertDescription | undefined {
  const { extensions } = hello;
  if (hello.version !== VERSION_DTLS_1_2) return ALERT_PROTOCOL_VERSION;
  if (!SUITES_12.includes(hello.cipherSuite)) return ALERT_ILLEGAL_PARAMETER;
  if (hello.compressionMethod !== COMPRESSION_NULL) return ALERT_ILLEGAL_PARAMETER;
  for (const type of extensions.keys()) {
    // RFC 5246 §7.4.1.4: an extension the client did not ask for "MUST" be refused with unsupported_extension.
    if (!ours.extensions.has(type)) return ALERT_UNSUPPORTED_EXTENSION;
  }
  return refuseExtensions12(extensions);
}
