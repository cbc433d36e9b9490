import { surface } from "../application/user-code.ts";
import type { TraceSink } from "./sink.ts";

/** What an output needs of whoever runs the connection. */
export interface TraceHost {
  /** Keeps a call until the core has returned: a sink is code of the application. */
  later(deliver: () => void): void;
}

/**
 * Gathers what one call gives rise to, and then hands it to the sink: so a sink is never called from within the core, and keys, which
 * are known only while the datagram is handled that needs them, stand in front of it in the capture.
 */
export class TraceOutput {
  readonly #sink: TraceSink;
  readonly #host: TraceHost;
  readonly #failed: () => void;
  #leading: Uint8Array[] = [];
  #blocks: Uint8Array[] = [];
  #lines: string[] = [];
  #isScheduled = false;
  #isEnded = false;
  /** The sink has thrown, or was told of the end. */
  #isDone = false;
  #roomBytes: number;

  /** @param failed called when the sink has thrown */
  constructor(sink: TraceSink, maxBytes: number, host: TraceHost, failed: () => void) {
    this.#sink = sink;
    this.#host = host;
    this.#failed = failed;
    this.#roomBytes = maxBytes;
  }

  /** False once it has reached its limit. */
  get hasRoom(): boolean {
    return this.#roomBytes > 0;
  }

  get wantsPackets(): boolean {
    return this.#sink.pcapng !== undefined;
  }

  get wantsEvents(): boolean {
    return this.#sink.events !== undefined;
  }

  /** A block that stands in front of all others of this call. */
  leadingBlock(block: Uint8Array): void {
    this.#add(this.#leading, block);
  }

  block(block: Uint8Array): void {
    this.#add(this.#blocks, block);
  }

  line(line: string): void {
    this.#add(this.#lines, line);
  }

  end(): void {
    this.#isEnded = true;
    this.#schedule();
  }

  #add<Piece extends Uint8Array | string>(pieces: Piece[], piece: Piece): void {
    this.#roomBytes -= piece.length;
    pieces.push(piece);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#host.later(() => this.#deliver());
  }

  #deliver(): void {
    this.#isScheduled = false;
    if (this.#isDone) return;
    const { pcapng, events } = this.#sink;
    const [blocks, lines] = [[...this.#leading, ...this.#blocks], this.#lines];
    [this.#leading, this.#blocks, this.#lines] = [[], [], []];
    const isFine = tryCode(() => {
      for (const block of blocks) pcapng?.(block);
      for (const line of lines) events?.(line);
    });
    if (isFine && !this.#isEnded) return;
    this.#isDone = true;
    tryCode(() => this.#sink.end?.());
    if (!isFine) this.#failed();
  }
}

function tryCode(code: () => void): boolean {
  try {
    code();
    return true;
  } catch (error) {
    surface(error);
    return false;
  }
}
