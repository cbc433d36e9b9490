import { equalConstantTime, type PublicKey } from "../crypto/platform.ts";
import {
  ALERT_DECODE_ERROR,
  ALERT_DECRYPT_ERROR,
  ALERT_ILLEGAL_PARAMETER,
  ALERT_INTERNAL_ERROR,
  ALERT_MISSING_EXTENSION,
  ALERT_UNEXPECTED_MESSAGE,
  ALERT_UNSUPPORTED_EXTENSION,
} from "./alert.ts";
import {
  EMPTY,
  EXTENSION_KEY_SHARE,
  EXTENSION_SIGNATURE_ALGORITHMS,
  EXTENSION_SUPPORTED_VERSIONS,
  parseKeyShare,
  parseNumbers,
} from "./extensions.ts";
import type { KeyShare } from "./groups.ts";
import type { HandshakeMessage } from "./reassembly.ts";
import { deriveHandshakeSecrets, type HandshakeSecrets, signedContent, verifyData13 } from "./keys13.ts";
import { type HandshakeHost, type HandshakeMachine, MALFORMED, type Outcome, UNEXPECTED } from "./machine.ts";
import {
  CERTIFICATE,
  CERTIFICATE_REQUEST,
  CERTIFICATE_VERIFY,
  type ClientHello,
  COMPRESSION_NULL,
  ENCRYPTED_EXTENSIONS,
  encodeCertificate13,
  encodeCertificateVerify,
  FINISHED,
  parseCertificate13,
  parseCertificateRequest13,
  parseCertificateVerify,
  parseEncryptedExtensions,
  type ServerHello,
  TLS_AES_128_GCM_SHA256,
} from "./messages.ts";
import { acceptCertificate, refuseSignature } from "./peer-certificate.ts";
import { ECDSA_SECP256R1_SHA256 } from "./signature-schemes.ts";
import { FIRST_APPLICATION_EPOCH, HANDSHAKE_EPOCH } from "./epochs.ts";
import { Traffic13 } from "./traffic13.ts";
import type { Transcript13 } from "./transcript13.ts";

/**
 * The client's side of a DTLS 1.3 handshake (RFC 9147 §5.7), from the ServerHello on. The diagram is with {@link Server13}.
 */
export class Client13 implements HandshakeMachine {
  readonly #host: HandshakeHost;
  readonly #hello: ClientHello;
  readonly #transcript: Transcript13;
  #awaits: "extensions" | "request-or-certificate" | "certificate" | "certificate-verify" | "finished" = "extensions";
  #secrets: HandshakeSecrets | undefined;
  #serverKey: PublicKey | undefined;
  /** Signature schemes of the CertificateRequest, once there was one. */
  #requested: readonly number[] | undefined;

  /** @param transcript with the last ClientHello as its last message */
  constructor(host: HandshakeHost, hello: ClientHello, transcript: Transcript13) {
    this.#host = host;
    this.#hello = hello;
    this.#transcript = transcript;
  }

  serverHello(hello: ServerHello, message: HandshakeMessage, shares: readonly KeyShare[]): Outcome {
    if (hello.cipherSuite !== TLS_AES_128_GCM_SHA256) return ALERT_ILLEGAL_PARAMETER;
    if (hello.compressionMethod !== COMPRESSION_NULL || hello.sessionId.length > 0) return ALERT_ILLEGAL_PARAMETER;
    for (const type of hello.extensions.keys()) {
      if (type !== EXTENSION_SUPPORTED_VERSIONS && type !== EXTENSION_KEY_SHARE) return ALERT_UNSUPPORTED_EXTENSION;
    }
    const content = hello.extensions.get(EXTENSION_KEY_SHARE);
    if (content === undefined) return ALERT_MISSING_EXTENSION;
    const answer = parseKeyShare(content);
    if (answer === undefined) return MALFORMED;
    // RFC 8446 §4.2.8: the group "MUST be in the same group as the KeyShareEntry value offered by the client".
    const share = shares.find(({ group }) => group === answer.group);
    const secret = share?.agree(answer.publicKey);
    if (secret === undefined) return ALERT_ILLEGAL_PARAMETER;
    const { facts } = this.#host;
    facts.version = "1.3";
    facts.cipherSuite = hello.cipherSuite;
    facts.group = answer.group;
    this.#transcript.add(message);
    this.#secrets = deriveHandshakeSecrets(secret, this.#transcript.hash());
    secret.fill(0);
    const { client, server } = this.#secrets;
    this.#host.logSecret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", this.#hello.random, client);
    this.#host.logSecret("SERVER_HANDSHAKE_TRAFFIC_SECRET", this.#hello.random, server);
    if (!this.#host.installWrite13(HANDSHAKE_EPOCH, client)) return ALERT_INTERNAL_ERROR;
    if (!this.#host.installRead13(HANDSHAKE_EPOCH, server)) return ALERT_INTERNAL_ERROR;
    return undefined;
  }

  handle(message: HandshakeMessage): Outcome {
    if (message.epoch !== HANDSHAKE_EPOCH) return UNEXPECTED;
    const { type } = message;
    switch (this.#awaits) {
      case "extensions":
        return type === ENCRYPTED_EXTENSIONS ? this.#encryptedExtensions(message) : ALERT_UNEXPECTED_MESSAGE;
      case "request-or-certificate":
        if (type === CERTIFICATE_REQUEST) return this.#certificateRequest(message);
        return type === CERTIFICATE ? this.#certificate(message) : ALERT_UNEXPECTED_MESSAGE;
      case "certificate":
        return type === CERTIFICATE ? this.#certificate(message) : ALERT_UNEXPECTED_MESSAGE;
      case "certificate-verify":
        return type === CERTIFICATE_VERIFY ? this.#certificateVerify(message) : ALERT_UNEXPECTED_MESSAGE;
      default:
        return type === FINISHED ? this.#finished(message) : ALERT_UNEXPECTED_MESSAGE;
    }
  }

  exportKeyingMaterial(): Uint8Array {
    throw new Error("the handshake is not complete");
  }

  wipe(): void {
    this.#secrets?.client.fill(0);
    this.#secrets?.server.fill(0);
  }

  #encryptedExtensions(message: HandshakeMessage): Outcome {
    const extensions = parseEncryptedExtensions(message.body);
    if (extensions === undefined) return MALFORMED;
    for (const type of extensions.keys()) {
      // RFC 8446 §4.2: an extension that was not asked for "MUST" be refused with unsupported_extension.
      if (!this.#hello.extensions.has(type)) return ALERT_UNSUPPORTED_EXTENSION;
    }
    this.#transcript.add(message);
    this.#awaits = "request-or-certificate";
    return undefined;
  }

  #certificateRequest(message: HandshakeMessage): Outcome {
    const request = parseCertificateRequest13(message.body);
    if (request === undefined) return MALFORMED;
    // RFC 8446 §4.3.2: empty "unless used for the post-handshake authentication exchanges".
    if (request.context.length > 0) return ALERT_ILLEGAL_PARAMETER;
    const schemes = request.extensions.get(EXTENSION_SIGNATURE_ALGORITHMS);
    if (schemes === undefined) return ALERT_MISSING_EXTENSION;
    this.#requested = parseNumbers(schemes);
    if (this.#requested === undefined) return MALFORMED;
    this.#transcript.add(message);
    this.#awaits = "certificate";
    return undefined;
  }

  #certificate(message: HandshakeMessage): Outcome {
    const certificate = parseCertificate13(message.body);
    if (certificate === undefined) return MALFORMED;
    if (certificate.context.length > 0) return ALERT_ILLEGAL_PARAMETER;
    // RFC 8446 §4.4.2.4: "If the server supplies an empty Certificate message, the client MUST abort … decode_error".
    if (certificate.der.length === 0) return ALERT_DECODE_ERROR;
    const key = acceptCertificate(this.#host, certificate.der);
    if (typeof key === "number") return key;
    this.#serverKey = key;
    this.#transcript.add(message);
    this.#awaits = "certificate-verify";
    return undefined;
  }

  #certificateVerify(message: HandshakeMessage): Outcome {
    const verify = parseCertificateVerify(message.body);
    if (verify === undefined) return MALFORMED;
    if (this.#serverKey === undefined) return ALERT_INTERNAL_ERROR;
    const refusal = refuseSignature("1.3", verify, this.#serverKey, signedContent("server", this.#transcript.hash()));
    if (refusal !== undefined) return refusal;
    this.#transcript.add(message);
    this.#awaits = "finished";
    return undefined;
  }

  #finished(message: HandshakeMessage): Outcome {
    if (this.#secrets === undefined) return ALERT_INTERNAL_ERROR;
    const expected = verifyData13(this.#secrets.server, this.#transcript.hash());
    if (!equalConstantTime(message.body, expected)) return ALERT_DECRYPT_ERROR;
    this.#transcript.add(message);
    const { random } = this.#hello;
    const { client, server, exporter } = this.#secrets.application(this.#transcript.hash());
    this.#host.logSecret("CLIENT_TRAFFIC_SECRET_0", random, client);
    this.#host.logSecret("SERVER_TRAFFIC_SECRET_0", random, server);
    this.#host.logSecret("EXPORTER_SECRET", random, exporter);
    const host = this.#host;
    const acknowledged = () => host.releaseHandshakeKeys();
    host.sendFlight(this.#lastFlight(this.#secrets.client), message, { acknowledged });
    this.wipe();
    host.become(new Traffic13(host, { ours: client, theirs: server, exporter, takesTickets: true }));
    if (!host.installWrite13(FIRST_APPLICATION_EPOCH, client)) return ALERT_INTERNAL_ERROR;
    if (!host.installRead13(FIRST_APPLICATION_EPOCH, server)) return ALERT_INTERNAL_ERROR;
    host.complete(true);
    return undefined;
  }

  #lastFlight(secret: Uint8Array): HandshakeMessage[] {
    const { certificate } = this.#host.settings;
    const flight: HandshakeMessage[] = [];
    if (this.#requested !== undefined) {
      // RFC 8446 §4.4.2: an empty list where no certificate suits; then there is nothing to sign either.
      const sign = this.#requested.includes(ECDSA_SECP256R1_SHA256);
      const der = sign ? certificate.der : EMPTY;
      flight.push(this.#say(CERTIFICATE, encodeCertificate13({ context: EMPTY, der })));
      if (sign) {
        const signature = certificate.sign(signedContent("client", this.#transcript.hash()));
        const verify = encodeCertificateVerify({ scheme: ECDSA_SECP256R1_SHA256, signature });
        flight.push(this.#say(CERTIFICATE_VERIFY, verify));
      }
    }
    flight.push(this.#say(FINISHED, verifyData13(secret, this.#transcript.hash())));
    return flight;
  }

  #say(type: number, body: Uint8Array): HandshakeMessage {
    const message = this.#host.message(type, body, HANDSHAKE_EPOCH);
    this.#transcript.add(message);
    return message;
  }
}
