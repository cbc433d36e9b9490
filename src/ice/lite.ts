/**
 * The rules of a lite agent for one connectivity check (RFC 8445 §7.3), as pure functions. A lite agent sends no
 * checks: it answers those that verify, and the peer, always the controlling one (§6.1.1), decides.
 *
 * Where this is stricter than the RFC: RFC 8489 §9.1.3 answers a request without or with wrong credentials with a 400
 * or 401 error. Here it is dropped in silence, so that a spoofed source gets nothing and a guesser learns nothing.
 */
import type { Datapath } from "../wasm/datapath.ts";
import type { SocketAddress } from "../wire/address.ts";
import type { DropReason } from "../wire/drops.ts";
import {
  BINDING_ERROR,
  BINDING_SUCCESS,
  HMAC_SHA1_BYTES,
  hasAttribute,
  hasUsername,
  ICE_CONTROLLED,
  STUN_HEADER_BYTES,
  type StunAttribute,
  type StunMessage,
  TRANSACTION_ID_AT,
  USE_CANDIDATE,
} from "./stun.ts";
import { errorAttributes, StunWriter } from "./stun-write.ts";

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
 *
 * A response stands in the datapath's transmit ring.
 */
export type CheckOutcome =
  | { readonly kind: "drop"; readonly reason: DropReason }
  | { readonly kind: "refuse"; readonly response: Uint8Array }
  | {
      readonly kind: "accept";
      readonly response: Uint8Array;
      /** USE-CANDIDATE was set: the peer has chosen this path (RFC 8445 §7.3.2). */
      readonly nominated: boolean;
    };

const UNKNOWN_ATTRIBUTE = 420;
const ROLE_CONFLICT = 487;
const NONE: readonly StunAttribute[] = [];

/**
 * Verifies a check that `parseBindingRequest` has read, and builds the answer to it. The answer goes to `source`, from
 * the address the check was sent to (RFC 8445 §7.3: the same base), and is always shorter than 3 × the request.
 */
export function answerCheck(
  session: LiteSession,
  request: StunMessage,
  source: SocketAddress,
  datapath: Datapath,
): CheckOutcome {
  // RFC 8445 §7.3: the username is ours, a colon, and the peer's as it was signalled.
  if (!hasUsername(request, session.localUfrag, session.remoteUfrag)) {
    return { kind: "drop", reason: "stun-unknown-ufrag" };
  }
  if (!isAuthentic(session, request, datapath)) return { kind: "drop", reason: "stun-bad-integrity" };

  const { unknownRequired } = request;
  if (unknownRequired.length > 0) {
    // RFC 8489 §6.3.1: a request with unknown comprehension-required attributes is answered with 420.
    const attributes = errorAttributes(UNKNOWN_ATTRIBUTE, "Unknown Attribute", unknownRequired);
    return { kind: "refuse", response: respond(session, request, BINDING_ERROR, undefined, attributes, datapath) };
  }
  if (hasAttribute(request, ICE_CONTROLLED)) {
    // RFC 8445 §6.1.1: "the lite agent MUST take the controlled role". §7.3.1.1 settles conflicts by tiebreaker, but for
    // full agents only; as we can never control, 487 is the answer that makes the peer switch (§7.2.5.1).
    const attributes = errorAttributes(ROLE_CONFLICT, "Role Conflict", []);
    return { kind: "refuse", response: respond(session, request, BINDING_ERROR, undefined, attributes, datapath) };
  }
  return {
    kind: "accept",
    response: successResponse(session, request, source, NONE, datapath),
    nominated: hasAttribute(request, USE_CANDIDATE),
  };
}

/** The answer to an accepted check, with further attributes. */
export function successResponse(
  session: LiteSession,
  request: StunMessage,
  source: SocketAddress,
  extra: readonly StunAttribute[],
  datapath: Datapath,
): Uint8Array {
  return respond(session, request, BINDING_SUCCESS, source, extra, datapath);
}

/** Whether MESSAGE-INTEGRITY is there and right (RFC 8489 §14.5). */
function isAuthentic(session: LiteSession, request: StunMessage, datapath: Datapath): boolean {
  const length = request.integrityOffset;
  if (length < 0) return false;
  const { memory, view, rxOffset } = datapath;
  memory.set(request.bytes, rxOffset);
  // The length in the header is taken as pointing to the end of MESSAGE-INTEGRITY.
  view.setUint16(rxOffset + 2, length + 4 + HMAC_SHA1_BYTES - STUN_HEADER_BYTES);
  return datapath.verifyHmacSha1(session.localPwd, rxOffset, length, rxOffset + length + 4);
}

function respond(
  session: LiteSession,
  request: StunMessage,
  type: number,
  mapped: SocketAddress | undefined,
  attributes: readonly StunAttribute[],
  datapath: Datapath,
): Uint8Array {
  const start = datapath.nextTx();
  const writer = new StunWriter(datapath.memory, start, type, request.bytes, TRANSACTION_ID_AT);
  if (mapped !== undefined) writer.xorMappedAddress(mapped);
  const at = writer.attributes(attributes).integrity();
  datapath.hmacSha1(session.localPwd, start, at - 4 - start, at);
  return writer.finish();
}
