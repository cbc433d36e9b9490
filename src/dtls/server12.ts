import {
  type EcdhGroup,
  type EphemeralKey,
  equalConstantTime,
  generateEphemeralKey,
  type PublicKey,
} from "../crypto/platform.ts";
import { concatBytes } from "../wire/bytes.ts";
import {
  ALERT_DECRYPT_ERROR,
  ALERT_HANDSHAKE_FAILURE,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_INTERNAL_ERROR,
  ALERT_UNEXPECTED_MESSAGE,
  type AlertDescription,
} from "./alert.ts";
import {
  answerUseSrtp,
  EMPTY,
  EXTENSION_EC_POINT_FORMATS,
  EXTENSION_EXTENDED_MASTER_SECRET,
  EXTENSION_RENEGOTIATION_INFO,
  EXTENSION_SIGNATURE_ALGORITHMS,
  EXTENSION_SUPPORTED_GROUPS,
  EXTENSION_USE_SRTP,
  FIRST_HANDSHAKE,
  GROUP_SECP256R1,
  GROUP_X25519,
  parseNumbers,
  UNCOMPRESSED_ONLY,
} from "./extensions.ts";
import { CHANGE_CIPHER_SPEC } from "./flight.ts";
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
  DOWNGRADE_SENTINEL,
  encodeCertificate12,
  encodeCertificateRequest12,
  encodeKeyExchangeParameters,
  encodeServerHello,
  encodeServerKeyExchange,
  FINISHED,
  parseCertificate12,
  parseCertificateVerify,
  parseClientKeyExchange,
  SERVER_HELLO,
  SERVER_HELLO_DONE,
  SERVER_KEY_EXCHANGE,
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
  TLS_EMPTY_RENEGOTIATION_INFO_SCSV,
  VERSION_DTLS_1_2,
} from "./messages.ts";
import { acceptCertificate, refuseSignature } from "./peer-certificate.ts";
import { ECDSA_SECP256R1_SHA256, PEER_SCHEMES } from "./signature-schemes.ts";
import { Traffic12 } from "./traffic12.ts";

/**
 * The server's side of a DTLS 1.2 handshake (RFC 6347 §4.2.4, flights 3 to 6).
 *
 *     Client                                   Server
 *     ClientHello                  -------->
 *                                              ServerHello
 *                                              Certificate
 *                                              ServerKeyExchange
 *                                              CertificateRequest
 *                                  <--------   ServerHelloDone
 *     Certificate
 *     ClientKeyExchange
 *     CertificateVerify
 *     [ChangeCipherSpec]
 *     Finished                     -------->
 *                                              [ChangeCipherSpec]
 *                                  <--------   Finished
 */
export class Server12 implements HandshakeMachine {
  readonly #host: HandshakeHost;
  /** Each message of the handshake as it is hashed, from the ClientHello (with cookie) on. */
  readonly #transcript: Uint8Array[] = [];
  #awaits: "certificate" | "key-exchange" | "certificate-verify" | "finished" = "certificate";
  #clientRandom = EMPTY;
  #serverRandom = EMPTY;
  #ephemeral: EphemeralKey | undefined;
  #clientKey: PublicKey | undefined;
  #masterSecret = EMPTY;

  constructor(host: HandshakeHost) {
    this.#host = host;
  }

  /** Answers a ClientHello with the server's first flight. */
  answer(hello: ClientHello, message: HandshakeMessage): Outcome {
    const group = acceptHello(hello);
    if (typeof group === "number") return group;
    const { settings, facts } = this.#host;
    const named = group === "x25519" ? GROUP_X25519 : GROUP_SECP256R1;
    facts.version = "1.2";
    facts.cipherSuite = TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    facts.group = named;
    this.#clientRandom = hello.random.slice(); // not a view that would keep the whole hello
    this.#serverRandom = Uint8Array.from(settings.random(32));
    // RFC 8446 §4.1.3: a server that has 1.3 and negotiates 1.2 says so in its random, which is signed: a client that
    // offered 1.3 then knows that somebody took it out. Only then: browsers end the handshake over it (alert 47).
    if (settings.versions.includes("1.3")) this.#serverRandom.set(DOWNGRADE_SENTINEL, 24);
    this.#ephemeral = generateEphemeralKey(group);
    const parameters = encodeKeyExchangeParameters(named, this.#ephemeral.publicKey);
    // RFC 8422 §5.4: the signature covers both randoms and the parameters.
    const signature = settings.certificate.sign(concatBytes(hello.random, this.#serverRandom, parameters));
    this.#transcript.push(encodeWhole(message));
    const flight = [
      this.#say(SERVER_HELLO, this.#serverHello(hello)),
      this.#say(CERTIFICATE, encodeCertificate12(settings.certificate.der)),
      this.#say(SERVER_KEY_EXCHANGE, encodeServerKeyExchange(parameters, ECDSA_SECP256R1_SHA256, signature)),
    ];
    if (settings.requireClientCertificate) {
      flight.push(this.#say(CERTIFICATE_REQUEST, encodeCertificateRequest12(PEER_SCHEMES)));
    } else {
      this.#awaits = "key-exchange";
    }
    flight.push(this.#say(SERVER_HELLO_DONE, EMPTY));
    this.#host.sendFlight(flight, message);
    return undefined;
  }

  handle(message: HandshakeMessage): Outcome {
    // Only Finished is protected, and it always is.
    if ((message.epoch === 1) !== (this.#awaits === "finished")) return UNEXPECTED;
    if (this.#awaits === "certificate" && message.type === CERTIFICATE) return this.#certificate(message);
    if (this.#awaits === "key-exchange" && message.type === CLIENT_KEY_EXCHANGE) return this.#keyExchange(message);
    if (this.#awaits === "certificate-verify" && message.type === CERTIFICATE_VERIFY) {
      return this.#certificateVerify(message);
    }
    if (this.#awaits === "finished" && message.type === FINISHED) return this.#finished(message);
    return ALERT_UNEXPECTED_MESSAGE;
  }

  exportKeyingMaterial(): Uint8Array {
    throw new Error("the handshake is not complete");
  }

  wipe(): void {
    this.#masterSecret.fill(0);
    this.#ephemeral = undefined;
  }

  #serverHello(hello: ClientHello): Uint8Array {
    const extensions = new Map([[EXTENSION_EXTENDED_MASTER_SECRET, EMPTY]]);
    if (offersSecureRenegotiation(hello)) extensions.set(EXTENSION_RENEGOTIATION_INFO, FIRST_HANDSHAKE);
    // RFC 8422 §5.2: answered where the client sent it.
    if (hello.extensions.has(EXTENSION_EC_POINT_FORMATS)) extensions.set(EXTENSION_EC_POINT_FORMATS, UNCOMPRESSED_ONLY);
    const srtp = answerUseSrtp(hello.extensions.get(EXTENSION_USE_SRTP));
    if (srtp !== undefined) extensions.set(EXTENSION_USE_SRTP, srtp);
    return encodeServerHello({
      version: VERSION_DTLS_1_2,
      random: this.#serverRandom,
      sessionId: EMPTY, // RFC 5246 §7.4.1.3: empty where the session cannot be resumed
      cipherSuite: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
      compressionMethod: COMPRESSION_NULL,
      extensions,
    });
  }

  #certificate(message: HandshakeMessage): Outcome {
    const der = parseCertificate12(message.body);
    if (der === undefined) return MALFORMED;
    // RFC 5246 §7.4.6: "If the client does not send any certificates, the server MAY … respond with a fatal
    // handshake_failure alert."
    if (der.length === 0) return ALERT_HANDSHAKE_FAILURE;
    const key = acceptCertificate(this.#host, der);
    if (typeof key === "number") return key;
    this.#clientKey = key;
    this.#transcript.push(encodeWhole(message));
    this.#awaits = "key-exchange";
    return undefined;
  }

  #keyExchange(message: HandshakeMessage): Outcome {
    const point = parseClientKeyExchange(message.body);
    if (point === undefined) return MALFORMED;
    const preMasterSecret = this.#ephemeral?.agree(point);
    if (preMasterSecret === undefined) return ALERT_ILLEGAL_PARAMETER;
    this.#transcript.push(encodeWhole(message));
    this.#masterSecret = extendedMasterSecret(preMasterSecret, this.#transcript);
    preMasterSecret.fill(0);
    this.#host.logSecret("CLIENT_RANDOM", this.#clientRandom, this.#masterSecret);
    const keys = deriveKeys(this.#masterSecret, this.#clientRandom, this.#serverRandom);
    if (!this.#host.installKeys12(keys.server, keys.client)) return ALERT_INTERNAL_ERROR;
    this.#awaits = this.#clientKey !== undefined ? "certificate-verify" : "finished";
    return undefined;
  }

  #certificateVerify(message: HandshakeMessage): Outcome {
    const verify = parseCertificateVerify(message.body);
    if (verify === undefined) return MALFORMED;
    if (this.#clientKey === undefined) return ALERT_INTERNAL_ERROR;
    // RFC 5246 §7.4.8: over all messages so far, this one not included.
    const refusal = refuseSignature("1.2", verify, this.#clientKey, concatBytes(...this.#transcript));
    if (refusal !== undefined) return refusal;
    this.#transcript.push(encodeWhole(message));
    this.#awaits = "finished";
    return undefined;
  }

  #finished(message: HandshakeMessage): Outcome {
    const expected = verifyData(this.#masterSecret, "client", this.#transcript);
    if (!equalConstantTime(message.body, expected)) return ALERT_DECRYPT_ERROR;
    this.#transcript.push(encodeWhole(message));
    const verify = verifyData(this.#masterSecret, "server", this.#transcript);
    this.#host.become(new Traffic12(this.#masterSecret, this.#clientRandom, this.#serverRandom));
    this.#host.sendFlight([CHANGE_CIPHER_SPEC, this.#host.message(FINISHED, verify, 1)], message, { onDemand: true });
    this.#host.complete(true);
    return undefined;
  }

  #say(type: number, body: Uint8Array): HandshakeMessage {
    const message = this.#host.message(type, body);
    this.#transcript.push(encodeWhole(message));
    return message;
  }
}

/** The group of the key exchange, or the alert that tells the client what it lacks. */
function acceptHello(hello: ClientHello): EcdhGroup | AlertDescription {
  const { extensions } = hello;
  // RFC 5246 §7.4.1.2: the list "MUST contain, and all implementations MUST support, CompressionMethod.null".
  if (!hello.compressionMethods.includes(COMPRESSION_NULL)) return ALERT_ILLEGAL_PARAMETER;
  if (!hello.cipherSuites.includes(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)) return ALERT_HANDSHAKE_FAILURE;
  const refusal = refuseExtensions12(extensions);
  if (refusal !== undefined) return refusal;
  // RFC 5246 §7.4.1.4.1: absent, it means SHA-1, which is not ours.
  const schemes = parseNumbers(extensions.get(EXTENSION_SIGNATURE_ALGORITHMS) ?? EMPTY);
  if (schemes === undefined || !schemes.includes(ECDSA_SECP256R1_SHA256)) return ALERT_HANDSHAKE_FAILURE;
  const offered = extensions.get(EXTENSION_SUPPORTED_GROUPS);
  // RFC 8422 §4: a client without the extension takes any curve.
  if (offered === undefined) return "secp256r1";
  const groups = parseNumbers(offered) ?? [];
  if (groups.includes(GROUP_X25519)) return "x25519";
  return groups.includes(GROUP_SECP256R1) ? "secp256r1" : ALERT_HANDSHAKE_FAILURE;
}

function offersSecureRenegotiation({ cipherSuites, extensions }: ClientHello): boolean {
  return extensions.has(EXTENSION_RENEGOTIATION_INFO) || cipherSuites.includes(TLS_EMPTY_RENEGOTIATION_INFO_SCSV);
}
