import { equalConstantTime, type PublicKey, sha256 } from "../crypto/platform.ts";
import {
  ALERT_CERTIFICATE_REQUIRED,
  ALERT_DECRYPT_ERROR,
  ALERT_HANDSHAKE_FAILURE,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_INTERNAL_ERROR,
  ALERT_UNEXPECTED_MESSAGE,
} from "./alert.ts";
import {
  answerUseSrtp,
  EMPTY,
  encodeCookie,
  encodeKeyShare,
  encodeNumber,
  encodeNumbers,
  EXTENSION_COOKIE,
  EXTENSION_KEY_SHARE,
  EXTENSION_SIGNATURE_ALGORITHMS,
  EXTENSION_SUPPORTED_VERSIONS,
  EXTENSION_USE_SRTP,
  type Extensions,
  type KeyShareEntry,
  parseCookie,
} from "./extensions.ts";
import { answerKey } from "./groups.ts";
import { encodeAsTls, type HandshakeMessage } from "./reassembly.ts";
import { deriveHandshakeSecrets, type HandshakeSecrets, signedContent, verifyData13 } from "./keys13.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import {
  CERTIFICATE,
  CERTIFICATE_REQUEST,
  CERTIFICATE_VERIFY,
  CLIENT_HELLO,
  type ClientHello,
  COMPRESSION_NULL,
  ENCRYPTED_EXTENSIONS,
  encodeCertificate13,
  encodeCertificateRequest13,
  encodeCertificateVerify,
  encodeEncryptedExtensions,
  encodeServerHello,
  FINISHED,
  HELLO_RETRY_RANDOM,
  parseCertificate13,
  parseCertificateVerify,
  parseClientHello,
  SERVER_HELLO,
  TLS_AES_128_GCM_SHA256,
  VERSION_DTLS_1_2,
  VERSION_DTLS_1_3,
} from "./messages.ts";
import { acceptCertificate, refuseSignature } from "./peer-certificate.ts";
import { ECDSA_SECP256R1_SHA256, PEER_SCHEMES } from "./signature-schemes.ts";
import { FIRST_APPLICATION_EPOCH, HANDSHAKE_EPOCH } from "./epochs.ts";
import { chooseShare, readOffer13 } from "./offer13.ts";
import { openRetry, type Retry, sealRetry } from "./retry-cookie.ts";
import { Traffic13 } from "./traffic13.ts";
import { Transcript13 } from "./transcript13.ts";

/**
 * The server's side of a DTLS 1.3 handshake (RFC 9147 §5.7).
 *
 *     Client                                        Server
 *     ClientHello                       -------->
 *                                       <--------   HelloRetryRequest   (a group without key, or a cookie, is asked for)
 *     ClientHello                       -------->
 *                                                   ServerHello
 *                                                   {EncryptedExtensions}
 *                                                   {CertificateRequest}
 *                                                   {Certificate}
 *                                                   {CertificateVerify}
 *                                                   {Finished}
 *                                       <--------   [application data]
 *     {Certificate}
 *     {CertificateVerify}
 *     {Finished}                        -------->
 *                                       <--------   [ACK] [application data]
 *
 *     { } epoch 2, [ ] epoch 3
 */
export class Server13 implements HandshakeMachine {
  readonly #host: HandshakeHost;
  readonly #transcript = new Transcript13();
  #awaits: "hello-again" | "certificate" | "certificate-verify" | "finished" = "certificate";
  /** What a HelloRetryRequest without a cookie has asked for. */
  #retry: Retry | undefined;
  #secrets: HandshakeSecrets | undefined;
  #clientKey: PublicKey | undefined;
  #traffic: Traffic13 | undefined;

  constructor(host: HandshakeHost) {
    this.#host = host;
  }

  /**
   * Answers a ClientHello: with the server's flight, or with a HelloRetryRequest. Where cookies are asked for it may be the second hello
   * of a client to whom another object of this class has sent the request.
   */
  answer(hello: ClientHello, message: HandshakeMessage): Outcome {
    const offer = readOffer13(hello);
    if (typeof offer !== "object") return offer;
    const { settings } = this.#host;
    if (settings.helloVerify !== undefined && hello.extensions.has(EXTENSION_COOKIE)) {
      return this.#answerAgain(hello, message);
    }
    const usable = settings.groups.filter((group) => offer.groups.includes(group));
    if (usable.length === 0) return ALERT_HANDSHAKE_FAILURE;
    const share = chooseShare(usable, offer);
    if (share !== undefined && settings.helloVerify === undefined) return this.#sendFlight(hello, share, message);
    return this.#askAgain(hello, message, share === undefined ? usable[0] : undefined);
  }

  handle(message: HandshakeMessage): Outcome {
    if (this.#awaits === "hello-again") return this.#helloAgain(message);
    if (message.epoch !== HANDSHAKE_EPOCH) return UNEXPECTED;
    if (this.#awaits === "certificate" && message.type === CERTIFICATE) return this.#certificate(message);
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
    this.#secrets?.client.fill(0);
    this.#secrets?.server.fill(0);
    this.#traffic?.wipe();
  }

  /** RFC 8446 §4.1.4. */
  #askAgain(hello: ClientHello, message: HandshakeMessage, group = 0): Outcome {
    const { helloVerify } = this.#host.settings;
    const retry = { helloHash: sha256(encodeAsTls(message.type, message.body)), random: hello.random.slice(), group };
    const cookie = helloVerify && sealRetry(helloVerify, retry);
    if (helloVerify === undefined) this.#retry = retry;
    this.#host.facts.version = "1.3";
    this.#awaits = "hello-again";
    // RFC 9147 §5.8.1: no timer runs for it; a repeated ClientHello asks for it again.
    const request = this.#host.message(SERVER_HELLO, encodeRetry(group, cookie));
    this.#host.sendFlight([request], message, { onDemand: true });
    return undefined;
  }

  #helloAgain(message: HandshakeMessage): Outcome {
    if (message.epoch !== 0) return UNEXPECTED;
    if (message.type !== CLIENT_HELLO) return ALERT_UNEXPECTED_MESSAGE;
    const hello = parseClientHello(message.body);
    return hello === undefined ? MALFORMED : this.#answerAgain(hello, message);
  }

  #answerAgain(hello: ClientHello, message: HandshakeMessage): Outcome {
    const { helloVerify, groups } = this.#host.settings;
    const cookie = helloVerify && (parseCookie(hello.extensions.get(EXTENSION_COOKIE) ?? EMPTY) ?? EMPTY);
    const retry = helloVerify && cookie ? openRetry(helloVerify, cookie, hello.random) : this.#retry;
    // Anybody can send a wrong one; the right one may still come.
    if (retry === undefined || helloVerify?.mayBegin?.() === false) return UNEXPECTED;
    const offer = readOffer13(hello);
    if (typeof offer !== "object") return offer;
    // RFC 8446 §4.1.2: the second hello is the first one, but for what was asked for.
    if (!equalConstantTime(hello.random, retry.random)) return ALERT_ILLEGAL_PARAMETER;
    const share = chooseShare(retry.group === 0 ? groups : [retry.group], offer);
    if (share === undefined) return ALERT_ILLEGAL_PARAMETER;
    this.#transcript.beginWithRetry(retry.helloHash, encodeRetry(retry.group, cookie));
    return this.#sendFlight(hello, share, message);
  }

  #sendFlight(hello: ClientHello, share: KeyShareEntry, answered: HandshakeMessage): Outcome {
    const { settings, facts } = this.#host;
    const answer = answerKey(share.group, share.publicKey);
    if (answer === undefined) return ALERT_ILLEGAL_PARAMETER;
    this.#retry = undefined;
    this.#transcript.add(answered);
    facts.version = "1.3";
    facts.cipherSuite = TLS_AES_128_GCM_SHA256;
    facts.group = share.group;
    const extensions = new Map([
      [EXTENSION_SUPPORTED_VERSIONS, encodeNumber(VERSION_DTLS_1_3)],
      [EXTENSION_KEY_SHARE, encodeKeyShare({ group: share.group, publicKey: answer.publicKey })],
    ]);
    const flight = [this.#say(SERVER_HELLO, encodeHello(settings.random(32), extensions), 0)];
    this.#secrets = deriveHandshakeSecrets(answer.secret, this.#transcript.hash());
    answer.secret.fill(0);
    const { client, server } = this.#secrets;
    this.#host.logSecret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hello.random, client);
    this.#host.logSecret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hello.random, server);
    if (!this.#host.installWrite13(HANDSHAKE_EPOCH, server)) return ALERT_INTERNAL_ERROR;
    if (!this.#host.installRead13(HANDSHAKE_EPOCH, client)) return ALERT_INTERNAL_ERROR;
    flight.push(this.#say(ENCRYPTED_EXTENSIONS, encodeEncryptedExtensions(encryptedExtensions(hello))));
    if (settings.requireClientCertificate) flight.push(this.#say(CERTIFICATE_REQUEST, CERTIFICATE_REQUEST_BODY));
    this.#awaits = settings.requireClientCertificate ? "certificate" : "finished";
    flight.push(this.#say(CERTIFICATE, encodeCertificate13({ context: EMPTY, der: settings.certificate.der })));
    const signature = settings.certificate.sign(signedContent("server", this.#transcript.hash()));
    const verify = encodeCertificateVerify({ scheme: ECDSA_SECP256R1_SHA256, signature });
    flight.push(this.#say(CERTIFICATE_VERIFY, verify));
    flight.push(this.#say(FINISHED, verifyData13(server, this.#transcript.hash())));
    this.#host.sendFlight(flight, answered);
    return this.#openTraffic(hello.random);
  }

  /** Application secrets depend on the server's Finished only, so data may follow it at once (RFC 8446 §4.4.4). */
  #openTraffic(clientRandom: Uint8Array): Outcome {
    if (this.#secrets === undefined) return ALERT_INTERNAL_ERROR;
    const { client, server, exporter } = this.#secrets.application(this.#transcript.hash());
    this.#host.logSecret("CLIENT_TRAFFIC_SECRET_0", clientRandom, client);
    this.#host.logSecret("SERVER_TRAFFIC_SECRET_0", clientRandom, server);
    this.#host.logSecret("EXPORTER_SECRET", clientRandom, exporter);
    if (!this.#host.installWrite13(FIRST_APPLICATION_EPOCH, server)) return ALERT_INTERNAL_ERROR;
    if (!this.#host.installRead13(FIRST_APPLICATION_EPOCH, client)) return ALERT_INTERNAL_ERROR;
    this.#traffic = new Traffic13(this.#host, { ours: server, theirs: client, exporter, takesTickets: false });
    this.#host.writable();
    return undefined;
  }

  #certificate(message: HandshakeMessage): Outcome {
    const certificate = parseCertificate13(message.body);
    if (certificate === undefined) return MALFORMED;
    if (certificate.context.length > 0) return ALERT_ILLEGAL_PARAMETER;
    // RFC 8446 §4.4.2.4.
    if (certificate.der.length === 0) return ALERT_CERTIFICATE_REQUIRED;
    const key = acceptCertificate(this.#host, certificate.der);
    if (typeof key === "number") return key;
    this.#clientKey = key;
    this.#transcript.add(message);
    this.#awaits = "certificate-verify";
    return undefined;
  }

  #certificateVerify(message: HandshakeMessage): Outcome {
    const verify = parseCertificateVerify(message.body);
    if (verify === undefined) return MALFORMED;
    if (this.#clientKey === undefined) return ALERT_INTERNAL_ERROR;
    const refusal = refuseSignature("1.3", verify, this.#clientKey, signedContent("client", this.#transcript.hash()));
    if (refusal !== undefined) return refusal;
    this.#transcript.add(message);
    this.#awaits = "finished";
    return undefined;
  }

  #finished(message: HandshakeMessage): Outcome {
    if (this.#secrets === undefined || this.#traffic === undefined) return ALERT_INTERNAL_ERROR;
    const expected = verifyData13(this.#secrets.client, this.#transcript.hash());
    if (!equalConstantTime(message.body, expected)) return ALERT_DECRYPT_ERROR;
    this.#secrets.client.fill(0);
    this.#secrets.server.fill(0);
    this.#host.become(this.#traffic);
    this.#host.complete(false);
    return undefined;
  }

  #say(type: number, body: Uint8Array, epoch = HANDSHAKE_EPOCH): HandshakeMessage {
    const message = this.#host.message(type, body, epoch);
    this.#transcript.add(message);
    return message;
  }
}

/** Exactly what browsers need; one server was refused for an empty list of authorities. */
const CERTIFICATE_REQUEST_BODY = encodeCertificateRequest13({
  context: EMPTY,
  extensions: new Map([[EXTENSION_SIGNATURE_ALGORITHMS, encodeNumbers(PEER_SCHEMES)]]),
});

/** RFC 8446 §4.3.1: what the client offered that is not needed for the keys. */
function encryptedExtensions(hello: ClientHello): Extensions {
  const srtp = answerUseSrtp(hello.extensions.get(EXTENSION_USE_SRTP));
  return new Map(srtp === undefined ? [] : [[EXTENSION_USE_SRTP, srtp]]);
}

/** A HelloRetryRequest for a key of this group, unless it is 0, with this cookie. */
function encodeRetry(group: number, cookie: Uint8Array | undefined): Uint8Array {
  const extensions = new Map([[EXTENSION_SUPPORTED_VERSIONS, encodeNumber(VERSION_DTLS_1_3)]]);
  if (group !== 0) extensions.set(EXTENSION_KEY_SHARE, encodeNumber(group));
  if (cookie !== undefined) extensions.set(EXTENSION_COOKIE, encodeCookie(cookie));
  return encodeHello(HELLO_RETRY_RANDOM, extensions);
}

function encodeHello(random: Uint8Array, extensions: Extensions): Uint8Array {
  return encodeServerHello({
    version: VERSION_DTLS_1_2, // RFC 9147 §5.4: legacy_version
    random,
    sessionId: EMPTY, // RFC 9147 §5.4: "DTLS servers MUST NOT echo the legacy_session_id value from the client."
    cipherSuite: TLS_AES_128_GCM_SHA256,
    compressionMethod: COMPRESSION_NULL,
    extensions,
  });
}
