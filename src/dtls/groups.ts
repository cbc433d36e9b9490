import { type EcdhGroup, type EphemeralKey, generateEphemeralKey } from "../crypto/platform.ts";
import { ML_KEM_768_CIPHERTEXT_BYTES, ML_KEM_768_KEY_BYTES, mlKem768 } from "../crypto/ml-kem.ts";
import { concatBytes } from "../wire/bytes.ts";
import { GROUP_SECP256R1, GROUP_SECP384R1, GROUP_X25519, GROUP_X25519MLKEM768 } from "./extensions.ts";

/** What DTLS 1.3 agrees on keys with, the best first. */
export const GROUPS_13: readonly number[] = [GROUP_X25519MLKEM768, GROUP_X25519, GROUP_SECP256R1, GROUP_SECP384R1];
/**
 * The same of DTLS 1.2. There the list is also that of the curves that a certificate may have (RFC 8422 §5.1.1): a server
 * with a P-384 certificate answers no client without it.
 */
export const GROUPS_12: readonly number[] = [GROUP_X25519, GROUP_SECP256R1, GROUP_SECP384R1];

const NAMES: Readonly<Record<number, string>> = {
  [GROUP_X25519MLKEM768]: "X25519MLKEM768",
  [GROUP_X25519]: "x25519",
  [GROUP_SECP256R1]: "secp256r1",
  [GROUP_SECP384R1]: "secp384r1",
};

/** A group's name as IANA lists it; `undefined` for none of ours. */
export function groupName(group: number | undefined): string | undefined {
  return group === undefined ? undefined : NAMES[group];
}

/** The offering side's half of a key agreement. */
export interface KeyShare {
  readonly group: number;
  /** What goes into the ClientHello. */
  readonly publicKey: Uint8Array;
  /** The shared secret, from what the answering side sent; `undefined` where that is not valid. */
  agree(answer: Uint8Array): Uint8Array | undefined;
}

const ECDH: Readonly<Record<number, EcdhGroup>> = {
  [GROUP_X25519]: "x25519",
  [GROUP_SECP256R1]: "secp256r1",
  [GROUP_SECP384R1]: "secp384r1",
};

/** Makes an offer. The group must be one of {@link GROUPS_13}. */
export function offerKey(group: number): KeyShare {
  return group === GROUP_X25519MLKEM768 ? offerHybrid() : ephemeral(group);
}

/** Answers an offer at once: our half, and the shared secret. `undefined` where the offer is not valid. */
export function answerKey(group: number, offer: Uint8Array): { publicKey: Uint8Array; secret: Uint8Array } | undefined {
  if (group === GROUP_X25519MLKEM768) return answerHybrid(offer);
  const key = ephemeral(group);
  const secret = key.agree(offer);
  return secret === undefined ? undefined : { publicKey: key.publicKey, secret };
}

/**
 * X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem §4): in the ClientHello the encapsulation key (1,184 B) and the X25519 key (32 B);
 * in the ServerHello the ciphertext (1,088 B) and the X25519 key; the secret is the ML-KEM one and the X25519 one.
 */
function offerHybrid(): KeyShare {
  const kem = mlKem768.generateKeyPair();
  const x25519 = generateEphemeralKey("x25519");
  return {
    group: GROUP_X25519MLKEM768,
    publicKey: concatBytes(kem.publicKey, x25519.publicKey),
    agree(answer) {
      const kemSecret = kem.decapsulate(answer.subarray(0, ML_KEM_768_CIPHERTEXT_BYTES));
      const ecdhSecret = x25519.agree(answer.subarray(ML_KEM_768_CIPHERTEXT_BYTES));
      if (kemSecret === undefined || ecdhSecret === undefined) return undefined;
      return concatBytes(kemSecret, ecdhSecret);
    },
  };
}

function answerHybrid(offer: Uint8Array): { publicKey: Uint8Array; secret: Uint8Array } | undefined {
  const x25519 = generateEphemeralKey("x25519");
  const ecdhSecret = x25519.agree(offer.subarray(ML_KEM_768_KEY_BYTES));
  if (ecdhSecret === undefined) return undefined;
  // §4.1: the encapsulation key check of FIPS 203 must be done; it is part of encapsulation here.
  const kem = mlKem768.encapsulate(offer.subarray(0, ML_KEM_768_KEY_BYTES));
  if (kem === undefined) return undefined;
  return {
    publicKey: concatBytes(kem.ciphertext, x25519.publicKey),
    secret: concatBytes(kem.sharedSecret, ecdhSecret),
  };
}

function ephemeral(group: number): KeyShare {
  const key: EphemeralKey = generateEphemeralKey(ECDH[group]);
  return { group, publicKey: key.publicKey, agree: (answer) => key.agree(answer) };
}
