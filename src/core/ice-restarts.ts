import type { IceCredentials } from "../ice/credentials.ts";
import type { LiteSession } from "../ice/lite.ts";
import { WorkBudget } from "../wire/work-budget.ts";
import type { IceRestart, Session } from "./session.ts";

/** How long checks with the credentials of before are answered, ms: those that are on their way, and those of a path that still works. */
const OVERLAP_MS = 30_000;
/** A page restarts when its network changes; one that does so without end does not need more of it. */
const OFFERS = { burstUnits: 8, unitsPerSecond: 0.5 };

/**
 * New ICE credentials for sessions that have a connection (RFC 8445 §9), each at the wish of its peer. At most three are known of a
 * session: those in use, those that the last answer gave, and for a while those of before.
 *
 * A session goes on being called by its first ufrag, under which the endpoint keeps it.
 */
export class IceRestarts<Held extends Session> {
  /** By all other ufrags. */
  readonly #sessions = new Map<string, Held>();

  get size(): number {
    return this.#sessions.size;
  }

  find(ufrag: string): Held | undefined {
    return this.#sessions.get(ufrag);
  }

  /** The credentials for a check with this ufrag; `undefined` where the session has them no longer. */
  credentials(now: number, session: Session, ufrag: string): LiteSession | undefined {
    const { restart } = session;
    if (restart === undefined) return session;
    if (ufrag === restart.used.localUfrag) return restart.used;
    if (ufrag === restart.fresh?.localUfrag) return restart.fresh;
    return ufrag === restart.before?.localUfrag && now < restart.beforeUntil ? restart.before : undefined;
  }

  /**
   * The peer has offered again.
   *
   * RFC 8839 §4.4.1.1.1: a restart is an offer with another ufrag. For the same one the answer repeats our own.
   *
   * @param credentials makes new ones
   * @returns those for the answer; `undefined` where offers come too often
   */
  offered(now: number, session: Held, remoteUfrag: string, credentials: () => IceCredentials): LiteSession | undefined {
    session.restart ??= begin(session);
    const { restart } = session;
    if (!restart.budget.spend(now, 1)) return undefined;
    restart.answers++;
    const latest = restart.fresh ?? restart.used;
    if (latest.remoteUfrag === remoteUfrag) return latest;
    if (restart.fresh !== undefined) this.#forget(session, restart.fresh);
    const { ufrag, pwd } = credentials();
    restart.fresh = { localUfrag: ufrag, localPwd: pwd, remoteUfrag };
    this.#sessions.set(ufrag, session);
    return restart.fresh;
  }

  /** A check has verified under these credentials. True where they are fresh, and so the restart has happened. */
  verified(now: number, session: Session, credentials: LiteSession): boolean {
    const { restart } = session;
    if (restart === undefined || credentials !== restart.fresh) return false;
    if (restart.before !== undefined) this.#forget(session, restart.before);
    restart.before = restart.used;
    restart.beforeUntil = now + OVERLAP_MS;
    restart.used = credentials;
    restart.fresh = undefined;
    return true;
  }

  /** The session has ended. */
  end(session: Session): void {
    const { restart } = session;
    if (restart === undefined) return;
    for (const known of [restart.used, restart.fresh, restart.before])
      if (known !== undefined) this.#forget(session, known);
  }

  #forget(session: Session, { localUfrag }: LiteSession): void {
    if (localUfrag !== session.localUfrag) this.#sessions.delete(localUfrag);
  }
}

function begin({ localUfrag, localPwd, remoteUfrag }: Session): IceRestart {
  const used = { localUfrag, localPwd, remoteUfrag };
  return { used, fresh: undefined, before: undefined, beforeUntil: 0, budget: new WorkBudget(OFFERS), answers: 1 };
}
