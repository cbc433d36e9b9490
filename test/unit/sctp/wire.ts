import type { AssociationOptions, OutgoingMessage } from "../../../src/sctp/association.ts";
import { Party, seededRandom } from "./support.ts";

export interface WireConditions {
  seed: number;
  /** Share of packets lost in each direction. */
  loss?: number;
  delayMs?: number;
  /** Uniform over 0 … this, added to the delay: packets overtake each other. */
  jitterMs?: number;
  /** Share of packets that arrive twice. */
  duplication?: number;
}

interface Arrival {
  at: number;
  order: number;
  to: 0 | 1;
  bytes: Uint8Array;
}

/** Two associations and the line between them, in virtual time. */
export class Wire {
  now = 0;
  readonly parties: readonly [Party, Party];
  loss: number;
  readonly lost = [0, 0];
  readonly carried = [0, 0];
  readonly #conditions: Required<WireConditions>;
  readonly #random: () => number;
  readonly #arrivals: Arrival[] = [];
  #order = 0;

  constructor(
    conditions: WireConditions,
    options: readonly [Partial<AssociationOptions>, Partial<AssociationOptions>] = [{}, {}],
  ) {
    this.#conditions = { loss: 0, delayMs: 25, jitterMs: 0, duplication: 0, ...conditions };
    this.loss = this.#conditions.loss;
    this.#random = seededRandom(conditions.seed);
    const [first, second] = options;
    this.parties = [
      new Party({ seed: conditions.seed, ...first }),
      new Party({ seed: conditions.seed + 1, ...second }),
    ];
  }

  send(from: 0 | 1, message: OutgoingMessage): void {
    this.parties[from].association.send(this.now, message);
    this.#flush();
  }

  /** Lets time pass until `until`, or until something holds; false where it never did. */
  run(until: number, holds: () => boolean = () => false): boolean {
    while (!holds()) {
      this.#flush();
      const deadline = Math.min(...this.parties.map(({ association }) => association.nextDeadline));
      const next = Math.min(this.#arrivals[0]?.at ?? Number.POSITIVE_INFINITY, deadline);
      if (next > until) {
        this.now = until;
        return holds();
      }
      this.now = Math.max(this.now, next);
      while (this.#arrivals.length > 0 && this.#arrivals[0].at <= this.now) {
        const { to, bytes } = this.#arrivals.shift()!;
        this.parties[to].handle(this.now, bytes);
      }
      for (const { association } of this.parties) {
        if (association.nextDeadline <= this.now) association.handleTimeout(this.now);
      }
    }
    return true;
  }

  #flush(): void {
    for (const from of [0, 1] as const) {
      this.parties[from].association.flush(this.now);
      for (const bytes of this.parties[from].take()) this.#carry(from, bytes);
    }
  }

  #carry(from: 0 | 1, bytes: Uint8Array): void {
    const { delayMs, jitterMs, duplication } = this.#conditions;
    this.carried[from]++;
    const copies = this.#random() < duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#random() < this.loss) {
        this.lost[from]++;
        continue;
      }
      const arrival: Arrival = {
        at: this.now + delayMs + this.#random() * jitterMs,
        order: this.#order++,
        to: from === 0 ? 1 : 0,
        bytes,
      };
      this.#arrivals.push(arrival);
    }
    this.#arrivals.sort((a, b) => a.at - b.at || a.order - b.order);
  }
}
