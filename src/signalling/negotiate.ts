/** One offer in, one answer out: what the HTTP endpoint and applications with their own signalling share. */
import { type AnswerParts, buildAnswer, candidateAttribute } from "./answer.ts";
import { type Offer, parseOffer } from "./offer.ts";

/** What the application knows of whoever made the offer. */
export interface SessionRequestContext {
  /** The application's own value for this peer; it becomes `connection.userData`. */
  readonly userData?: unknown;
  /**
   * The IP address that the offer came from. Behind a proxy that is the one which the proxy names, for instance in
   * `X-Forwarded-For`, and not the proxy's own. What is no address counts as unknown.
   */
  readonly remoteAddress?: string | null | undefined;
  /**
   * For a further offer of a connection that is there: the `session` of the answer to the earlier one. The connection is kept. An
   * offer by HTTP has it in its URL.
   */
  readonly session?: string | null | undefined;
}

/** Who admits peers. The server implements this. */
export interface Answerer {
  /**
   * Prepares for the peer of this offer, or where the context names a session changes that one; or refuses, and then nothing is
   * kept of it.
   */
  createSession(offer: Offer, context: SessionRequestContext): AnswerParts | Refusal;
}

export interface Refusal {
  /** One sentence for the peer, naming the limit. */
  readonly refused: string;
  /** Default `limit`. */
  readonly why?: RefusalReason;
}

/**
 * - `limit`: a limit of this side, or it is closed
 * - `gone`: there is no session of that name, or no longer
 * - `forbidden`: the session is that of another certificate
 * - `too-often`: offers for this session come too often
 */
export type RefusalReason = "limit" | "gone" | "forbidden" | "too-often";

/** What a browser needs: `setRemoteDescription(answer)`, then `addIceCandidate(candidate)` (which may be left out). */
export interface SessionAnswer {
  readonly answer: { readonly type: "answer"; readonly sdp: string };
  readonly candidate: { readonly candidate: string; readonly sdpMLineIndex: number; readonly sdpMid: string | null };
  /** The server's `connection.id`. Clients of this library know their own by it; others may ignore it. */
  readonly id?: string;
  /** For further offers of the same connection; known to the client alone. By HTTP the `Location` header has the URL for them. */
  readonly session?: string;
}

/** What became of an offer. */
export type Negotiated =
  | { readonly kind: "answered"; readonly session: SessionAnswer }
  /** The offer is at fault. */
  | { readonly kind: "malformed"; readonly error: string }
  /** A limit of this side is, or the session that was named. */
  | { readonly kind: "refused"; readonly error: string; readonly why: RefusalReason };

/** Never throws for what the offer is: it is the peer's word, its type included. */
export function negotiate(offerSdp: string, answerer: Answerer, context: SessionRequestContext): Negotiated {
  if (typeof offerSdp !== "string") return { kind: "malformed", error: "The offer is not text." };
  const parsed = parseOffer(offerSdp);
  if (!parsed.ok) return { kind: "malformed", error: parsed.error };
  const { offer } = parsed;
  const parts = answerer.createSession(offer, context);
  if ("refused" in parts) return { kind: "refused", error: parts.refused, why: parts.why ?? "limit" };
  return {
    kind: "answered",
    session: {
      answer: { type: "answer", sdp: buildAnswer(offer, parts) },
      candidate: {
        candidate: parts.candidates.length > 0 ? candidateAttribute(parts.candidates, 0) : "",
        sdpMLineIndex: offer.dataIndex,
        sdpMid: offer.sections[offer.dataIndex].mid ?? null,
      },
      ...(parts.id !== undefined && { id: parts.id }),
      ...(parts.session !== undefined && { session: parts.session }),
    },
  };
}
