import { hmacSha256, sha256 } from "../crypto/platform.ts";
import { ByteWriter } from "../wire/bytes.ts";

/** The key schedule of TLS 1.3 with SHA-256 (RFC 8446 §7), under the labels of DTLS 1.3 (RFC 9147 §5.9). */

const HASH_BYTES = 32;
const KEY_BYTES = 16;
const IV_BYTES = 12;
const NONE = new Uint8Array(0);
const ZEROS = new Uint8Array(HASH_BYTES);
const EMPTY_HASH = sha256(NONE);

/**
 * RFC 8446 §7.1, with the prefix of RFC 9147 §5.9, which has no space behind it:
 *
 *     | length 2 | label 1+n: "dtls13" + label | context 1+n |
 */
export function expandLabel(secret: Uint8Array, label: string, context: Uint8Array, length: number): Uint8Array {
  const info = new ByteWriter(64).u16(length);
  info.vector(1, () => info.bytes(new TextEncoder().encode(`dtls13${label}`)));
  info.vector(1, () => info.bytes(context));
  return expand(secret, info.finish(), length);
}

/** RFC 5869 §2.3. */
function expand(secret: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length);
  let block: Uint8Array = NONE;
  for (let at = 0, count = 1; at < length; at += block.length, count++) {
    block = hmacSha256(secret, block, info, Uint8Array.of(count));
    output.set(block.subarray(0, length - at), at);
  }
  return output;
}

function deriveSecret(secret: Uint8Array, label: string, transcriptHash: Uint8Array): Uint8Array {
  return expandLabel(secret, label, transcriptHash, HASH_BYTES);
}

/** Traffic secrets of both sides. */
export interface Secrets {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

export interface HandshakeSecrets extends Secrets {
  /** What the application's secrets are derived from; call once. */
  application(transcriptHash: Uint8Array): Secrets & { readonly exporter: Uint8Array };
}

/** Up to the handshake's secrets: `transcriptHash` ends with the ServerHello. */
export function deriveHandshakeSecrets(sharedSecret: Uint8Array, transcriptHash: Uint8Array): HandshakeSecrets {
  const early = hmacSha256(ZEROS, ZEROS);
  const handshake = hmacSha256(deriveSecret(early, "derived", EMPTY_HASH), sharedSecret);
  return {
    client: deriveSecret(handshake, "c hs traffic", transcriptHash),
    server: deriveSecret(handshake, "s hs traffic", transcriptHash),
    application(finishedHash) {
      const main = hmacSha256(deriveSecret(handshake, "derived", EMPTY_HASH), ZEROS);
      const secrets = {
        client: deriveSecret(main, "c ap traffic", finishedHash),
        server: deriveSecret(main, "s ap traffic", finishedHash),
        exporter: deriveSecret(main, "exp master", finishedHash),
      };
      handshake.fill(0);
      main.fill(0);
      return secrets;
    },
  };
}

/** RFC 8446 §7.2: the next traffic secret, after a KeyUpdate. */
export function nextTrafficSecret(secret: Uint8Array): Uint8Array {
  return expandLabel(secret, "traffic upd", NONE, HASH_BYTES);
}

/** RFC 8446 §7.3, and the record number key of RFC 9147 §4.2.3. */
export function trafficKeys(secret: Uint8Array): { key: Uint8Array; iv: Uint8Array; numberKey: Uint8Array } {
  return {
    key: expandLabel(secret, "key", NONE, KEY_BYTES),
    iv: expandLabel(secret, "iv", NONE, IV_BYTES),
    numberKey: expandLabel(secret, "sn", NONE, KEY_BYTES),
  };
}

/** RFC 8446 §4.4.4: what Finished carries, from the sender's handshake secret. */
export function verifyData13(secret: Uint8Array, transcriptHash: Uint8Array): Uint8Array {
  return hmacSha256(expandLabel(secret, "finished", NONE, HASH_BYTES), transcriptHash);
}

/** RFC 8446 §4.4.3: what CertificateVerify signs. RFC 9147 leaves the text as it is. */
export function signedContent(sender: "client" | "server", transcriptHash: Uint8Array): Uint8Array {
  const content = new ByteWriter(160).bytes(new Uint8Array(64).fill(0x20));
  content
    .bytes(new TextEncoder().encode(`TLS 1.3, ${sender} CertificateVerify`))
    .u8(0)
    .bytes(transcriptHash);
  return content.finish();
}

/** RFC 8446 §7.5. Without a context it is the same as with an empty one. */
export function exportKeyingMaterial13(
  exporterSecret: Uint8Array,
  label: string,
  length: number,
  context: Uint8Array = NONE,
): Uint8Array {
  return expandLabel(deriveSecret(exporterSecret, label, EMPTY_HASH), "exporter", sha256(context), length);
}
