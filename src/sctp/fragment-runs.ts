import { type MessageNumber, type Tsn, tsnAdd, tsnAfter, tsnDistance } from "../wire/serial.ts";
import { SmallMap } from "../wire/small-map.ts";

/** Who answers for what is held: user data and chunks more, or less where negative. */
export interface Holder {
  hold(bytes: number, chunks: number): void;
}

/** The user data of one chunk, and what comes behind it: so that two runs are joined in one step, whichever is longer. */
interface Fragment {
  readonly data: Uint8Array;
  next: Fragment | undefined;
}

/** Adjacent fragments of one message. There is no data left once the message has grown too large. */
export interface Run {
  first: Tsn;
  last: Tsn;
  begins: boolean;
  ends: boolean;
  tooLarge: boolean;
  readonly streamId: number;
  readonly number: MessageNumber;
  readonly ppid: number;
  readonly unordered: boolean;
  head: Fragment | undefined;
  tail: Fragment | undefined;
  bytes: number;
  /** What the run counts for in `maxReassemblyChunks`. */
  chunks: number;
}

/**
 * Messages of which a part has come, by DATA: the fragments of one have consecutive TSNs (RFC 9260 §6.9), so they are kept as runs of
 * adjacent TSNs that grow together.
 */
export class FragmentRuns {
  readonly #maxMessageBytes: number;
  readonly #holder: Holder;
  /** By the TSNs of their ends. */
  readonly #byFirst = new SmallMap<Tsn, Run>();
  readonly #byLast = new SmallMap<Tsn, Run>();

  constructor(maxMessageBytes: number, holder: Holder) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#holder = holder;
  }

  /** Returns the run that is a whole message now, and not kept any more. */
  add(
    tsn: Tsn,
    begins: boolean,
    ends: boolean,
    unordered: boolean,
    streamId: number,
    number: MessageNumber,
    ppid: number,
    data: Uint8Array,
  ): Run | undefined {
    const fragment: Fragment = { data, next: undefined };
    let run: Run = {
      first: tsn,
      last: tsn,
      begins,
      ends,
      tooLarge: false,
      streamId,
      number,
      ppid,
      unordered,
      head: fragment,
      tail: fragment,
      bytes: data.length,
      chunks: 1,
    };
    this.#holder.hold(data.length, 1);
    const left = this.#byLast.get(tsnAdd(tsn, -1));
    if (left !== undefined && belongTogether(left, run)) {
      this.#byLast.delete(left.last);
      run = this.#join(left, run);
    }
    const right = this.#byFirst.get(tsnAdd(tsn, 1));
    if (right !== undefined && belongTogether(run, right)) {
      this.#byFirst.delete(right.first);
      run = this.#join(run, right);
    }
    if (run.bytes > this.#maxMessageBytes) this.#giveUp(run);
    if (run.begins && run.ends) {
      this.#byFirst.delete(run.first);
      this.#byLast.delete(run.last);
      this.#holder.hold(-run.bytes, -run.chunks);
      return run;
    }
    this.#byFirst.set(run.first, run);
    this.#byLast.set(run.last, run);
    return undefined;
  }

  /**
   * RFC 3758 §3.6: "The receiver MUST remove any partially reassembled message, which is still missing one or more TSNs earlier
   * than or equal to the new cumulative TSN point."
   *
   * @param oldCumulative the point before; everything up to it has come, or has been forgotten
   */
  forward(oldCumulative: Tsn, newCumulative: Tsn): void {
    const runs = this.#byFirst;
    const steps = tsnDistance(newCumulative, oldCumulative);
    // A step over few TSNs looks for what begins at each of them: what is further on is not looked at each time.
    if (steps > runs.size) {
      for (const run of runs.values()) if (!tsnAfter(run.first, newCumulative)) this.#forget(run);
      return;
    }
    // A run that began before is one that the cumulative point stood in.
    const open = this.#byLast.get(oldCumulative);
    if (open !== undefined) this.#forget(open);
    for (let step = 1; step <= steps; step++) {
      const run = runs.get(tsnAdd(oldCumulative, step));
      if (run !== undefined) this.#forget(run);
    }
  }

  #forget(run: Run): void {
    this.#byFirst.delete(run.first);
    this.#byLast.delete(run.last);
    this.#holder.hold(-run.bytes, -run.chunks);
  }

  /** Appends `right` to `left`. */
  #join(left: Run, right: Run): Run {
    left.last = right.last;
    left.ends = right.ends;
    left.tooLarge ||= right.tooLarge;
    left.bytes += right.bytes;
    left.chunks += right.chunks;
    if (left.tail === undefined) left.head = right.head;
    else left.tail.next = right.head;
    left.tail = right.tail ?? left.tail;
    if (left.tooLarge) this.#giveUp(left);
    return left;
  }

  /** The run's data goes; the run stays, as one chunk, to know where the message ends. */
  #giveUp(run: Run): void {
    this.#holder.hold(-run.bytes, 1 - run.chunks);
    run.bytes = 0;
    run.chunks = 1;
    run.head = undefined;
    run.tail = undefined;
    run.tooLarge = true;
  }
}

/** True where `right`, whose first TSN follows the last of `left`, continues the same message. */
function belongTogether(left: Run, right: Run): boolean {
  return (
    !left.ends &&
    !right.begins &&
    left.streamId === right.streamId &&
    left.unordered === right.unordered &&
    (left.unordered || left.number === right.number)
  );
}

/** The message in one piece; `undefined` where it was too large. */
export function dataOf(run: Run): Uint8Array | undefined {
  const { head } = run;
  if (run.tooLarge) return undefined;
  if (head !== undefined && head.next === undefined) return head.data;
  const data = new Uint8Array(run.bytes);
  let at = 0;
  for (let fragment = head; fragment !== undefined; fragment = fragment.next) {
    data.set(fragment.data, at);
    at += fragment.data.length;
  }
  return data;
}
