/**
 * The rules of a lite agent for one connectivity check (RFC 8445 §7.3), as pure functions. A lite agent sends no
 * checks: it answers those that verify, and the peer, always the controlling one (§6.1.1), decides.
 *
 * Where this is stricter than the RFC: RFC 8489 §9.1.3 answers a request without or with wrong credentials with a 400
 * or 401 error. Here it is dropped in silence, so that a spoofed source gets nothing and a guesser learns nothing.
 */
import type { SocketAddress } from "../wire/address.ts";
import type { DropReason } from "../wire/drops.ts";
import {
  attributeValue,
  hasAttribute,
  ICE_CONTROLLED,
  PRIORITY,
  type StunAttribute,
  type StunMessage,
  USE_CANDIDATE,
  usernameOf,
  verifyIntegrity,
} from "./stun.ts";
import { writeBindingError, writeBindingSuccess } from "./stun-write.ts";

/** What signalling agreed on: our credentials and the peer's ufrag. */
export interface LiteSession {
  readonly localUfrag: string;
  readonly localPwd: string;
  readonly remoteUfrag: string;
}

/**
 * - `drop`: nothing is sent, nothing is believed; count the reason.
 * - `refuse`: the peer knows the password, but the request cannot be granted; send `response` and believe nothing.
 * - `accept`: the check is verified; send `response`. The source address now belongs to this session.
 */
export type CheckOutcome =
  | { readonly kind: "drop"; readonly reason: DropReason }
  | { readonly kind: "refuse"; readonly response: Uint8Array }
  | {
      readonly kind: "accept";
      readonly response: Uint8Array;
      /** USE-CANDIDATE was set: the peer has chosen this path (RFC 8445 §7.3.2). */
      readonly nominated: boolean;
      /** The PRIORITY of the peer's candidate, 0 where the check did not say. */
      readonly priority: number;
    };

const UNKNOWN_ATTRIBUTE = 420;
const ROLE_CONFLICT = 487;

const encoder = new TextEncoder();

/**
 * Verifies a check that `parseBindingRequest` has read, and builds the answer to it. The answer goes to `source`, from
 * the address the check was sent to (RFC 8445 §7.3: the same base), and is always shorter than 3 × the request.
 */
export function answerCheck(session: LiteSession, request: StunMessage, source: SocketAddress): CheckOutcome {
  // RFC 8445 §7.3: the username is ours, a colon, and the peer's as it was signalled.
  if (usernameOf(request) !== `${session.localUfrag}:${session.remoteUfrag}`) {
    return { kind: "drop", reason: "stun-unknown-ufrag" };
  }
  const key = encoder.encode(session.localPwd);
  if (!verifyIntegrity(request, key)) return { kind: "drop", reason: "stun-bad-integrity" };

  const { transactionId, unknownRequired } = request;
  if (unknownRequired.length > 0) {
    // RFC 8489 §6.3.1: a request with unknown comprehension-required attributes is answered with 420.
    const response = writeBindingError(transactionId, UNKNOWN_ATTRIBUTE, "Unknown Attribute", key, unknownRequired);
    return { kind: "refuse", response };
  }
  if (hasAttribute(request, ICE_CONTROLLED)) {
    // RFC 8445 §6.1.1: "the lite agent MUST take the controlled role". §7.3.1.1 settles conflicts by tiebreaker, but for
    // full agents only; as we can never control, 487 is the answer that makes the peer switch (§7.2.5.1).
    return { kind: "refuse", response: writeBindingError(transactionId, ROLE_CONFLICT, "Role Conflict", key) };
  }
  return {
    kind: "accept",
    response: writeBindingSuccess(transactionId, source, key),
    nominated: hasAttribute(request, USE_CANDIDATE),
    priority: priorityOf(request),
  };
}

/** The answer to an accepted check, with further attributes. */
export function successResponse(
  session: LiteSession,
  request: StunMessage,
  source: SocketAddress,
  extra: readonly StunAttribute[],
): Uint8Array {
  return writeBindingSuccess(request.transactionId, source, encoder.encode(session.localPwd), extra);
}

function priorityOf(request: StunMessage): number {
  const value = attributeValue(request, PRIORITY);
  return value === undefined ? 0 : new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
}
