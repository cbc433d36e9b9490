import { type Tsn, tsnAdd, tsnAfter } from "../wire/serial.ts";
import type { PacketAssembler } from "./assembler.ts";
import {
  type OutgoingReset,
  parseReconfig,
  RESULT_BAD_SEQUENCE,
  RESULT_DENIED,
  RESULT_IN_PROGRESS,
  RESULT_NOTHING_TO_DO,
  RESULT_PERFORMED,
  type ResetResponse,
  writeOutgoingReset,
  writeResetResponse,
} from "./reconfig.ts";

/** What a stream reset does to the association around it. */
export interface ResetHost {
  /** The last TSN that was given to a chunk, and the last one that is acknowledged with all before it. */
  lastSentTsn(): Tsn;
  acknowledgedTsn(): Tsn;
  /** No message waits for the window or to be acknowledged. */
  isIdle(): boolean;
  /** Messages of this stream wait for the window. */
  hasQueued(streamId: number): boolean;
  hasReceivedAllUpTo(tsn: Tsn): boolean;
  /** The peer's streams start over behind this TSN, and not yet; see `HeldStreams`. Undefined: no more. */
  holdIncoming(held: HeldStreams | undefined): void;
  /** The peer's streams start over; empty: all of them. */
  incomingReset(streamIds: readonly number[]): void;
  /** Ours do, where `performed`; otherwise the peer refused and their numbers go on. */
  outgoingReset(streamIds: readonly number[], performed: boolean): void;
  /** The peer has answered: it is alive. */
  peerAnswered(): void;
  /** How long to wait for an answer after so many attempts without one, ms. */
  retransmitMs(attempts: number): number;
}

/**
 * Streams of the peer whose reset waits for DATA up to `lastTsn` (RFC 6525 §5.2.2 E2). DATA of theirs behind it belongs to the
 * time after the reset, and must not be delivered before it.
 */
export class HeldStreams {
  readonly lastTsn: Tsn;
  /** Undefined: every stream. */
  readonly #streamIds: ReadonlySet<number> | undefined;

  constructor({ lastTsn, streamIds }: OutgoingReset) {
    this.lastTsn = lastTsn;
    this.#streamIds = streamIds.length === 0 ? undefined : new Set(streamIds);
  }

  holds(chunkTsn: Tsn, streamId: number): boolean {
    return tsnAfter(chunkTsn, this.lastTsn) && this.#streamIds?.has(streamId) !== false;
  }
}

interface CurrentRequest {
  readonly streamIds: readonly number[];
  readonly sequence: Tsn;
  readonly chunk: Uint8Array;
  /** Times it was sent since the peer answered last. */
  attempts: number;
}

/** Streams in one request; more follow with the next. Fits any packet. */
const MAX_STREAMS = 128;
/** Streams that are asked in one flush whether their messages are acknowledged. Those that have some left are asked after the others. */
const MAX_ASKED = 16;

/**
 * Stream reset (RFC 6525), as data channels use it to close (RFC 8831 §6.7): one outgoing request of ours at a time, and
 * the peer's answered. Requests to reset *our* streams, to add streams or to reset all sequence numbers are denied: no
 * data channel needs them (RFC 8831 §6.2 asks for outgoing resets only).
 *
 * A request leaves once all that was sent until then is acknowledged, so that its answer is never "in progress". RFC 6525 does not ask
 * for that. But while a reset is in progress usrsctp takes unordered DATA of *any* stream for ordered, and aborts: one in ten resets
 * beside unordered messages, at 20 % loss. And browsers wait to be asked again, a time-out later. The last TSN that it names is the one
 * that is acknowledged, not the last that was assigned (§4.1): there is nothing of its streams behind it.
 *
 * This is the one place that knows how far the resets of our streams are; what the peer has reset is known to those who
 * use the stream.
 */
export class StreamReset {
  readonly #assembler: PacketAssembler;
  readonly #host: ResetHost;
  readonly #initialSequence: Tsn;
  /** Our next request; §5.1.1 begins with the initial TSN. */
  #requestSequence: Tsn;
  /** The peer's next request; undefined as long as the peer is not known, and nothing can be asked. */
  #expectedSequence: Tsn | undefined;
  #lastResponse: ResetResponse | undefined;
  /** Our streams that are being reset. */
  readonly #resetting = new Set<number>();
  /** Those of them that no request has named yet, each with the last TSN before which its messages are; undefined: some are queued. */
  readonly #waiting = new Map<number, Tsn | undefined>();
  #current: CurrentRequest | undefined;
  /** A request of the peer's for which DATA is still missing. */
  #deferred: OutgoingReset | undefined;
  /** When the current request is sent again, absolute ms. */
  deadline = Number.POSITIVE_INFINITY;

  constructor(localInitialTsn: Tsn, assembler: PacketAssembler, host: ResetHost) {
    this.#initialSequence = localInitialTsn;
    this.#requestSequence = localInitialTsn;
    this.#assembler = assembler;
    this.#host = host;
  }

  /**
   * The peer is known: the numbers of its requests begin with its initial TSN. What another peer was asked before, behind a
   * cookie that was stale, this one has not heard.
   */
  begin(peerInitialTsn: Tsn): void {
    this.#expectedSequence = peerInitialTsn;
    this.#requestSequence = this.#initialSequence;
    this.#waiting.clear();
    for (const streamId of this.#resetting) this.#waiting.set(streamId, undefined);
    this.#current = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
  }

  /** Our stream is being reset: it takes no more messages until that is done. */
  isResetting(streamId: number): boolean {
    return this.#resetting.has(streamId);
  }

  /** Our streams that are being reset. */
  get resetting(): number[] {
    return [...this.#resetting];
  }

  /** Resets outgoing streams once what was sent on them before is acknowledged. */
  request(streamIds: readonly number[]): void {
    for (const streamId of streamIds) {
      if (this.isResetting(streamId)) continue;
      this.#resetting.add(streamId);
      this.#waiting.set(streamId, undefined);
    }
  }

  /** Sends the next request if there is one and its time has come. Call before each flush. */
  advance(now: number): void {
    if (this.#expectedSequence === undefined) return;
    if (this.#deferred !== undefined && this.#host.hasReceivedAllUpTo(this.#deferred.lastTsn)) {
      this.#perform(this.#deferred);
    }
    // §5.1.1: "at any given time there MUST NOT be more than one request in flight".
    if (this.#current !== undefined || this.#waiting.size === 0) return;
    const streamIds = this.#takeReady();
    if (streamIds.length === 0) return;
    const sequence = this.#requestSequence;
    const chunk = writeOutgoingReset({
      requestSequence: sequence,
      responseSequence: tsnAdd(this.#expectedSequence, -1),
      lastTsn: this.#host.acknowledgedTsn(),
      streamIds,
    });
    this.#current = { streamIds, sequence, chunk, attempts: 0 };
    this.#requestSequence = tsnAdd(sequence, 1);
    this.#send(now, this.#current);
  }

  /** A RE-CONFIG chunk; false where it is malformed. */
  handle(now: number, body: Uint8Array): boolean {
    const parameters = parseReconfig(body);
    if (parameters === undefined) return false;
    for (const parameter of parameters) {
      if (parameter.kind === "response") this.#handleResponse(now, parameter.response);
      else if (parameter.kind === "outgoing-reset") this.#handleRequest(parameter.reset);
      else this.#handleOther(parameter.requestSequence);
    }
    return true;
  }

  /**
   * The peer uses a stream anew that it has closed. It does so only once both directions have been reset (RFC 8831 §6.7), so
   * it has performed our request: the answer is lost, or late.
   *
   * @returns the streams of that request, whose numbers start over now; undefined where the stream is in no request yet
   */
  confirm(streamId: number): readonly number[] | undefined {
    if (this.#current?.streamIds.includes(streamId) !== true) return undefined;
    return this.#takeCurrent();
  }

  /** The request went unanswered. */
  timeout(now: number): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#current !== undefined) this.#send(now, this.#current);
  }

  #send(now: number, request: CurrentRequest): void {
    this.#assembler.control(request.chunk);
    this.deadline = now + this.#host.retransmitMs(request.attempts++);
  }

  #takeCurrent(): readonly number[] {
    const { streamIds } = this.#current!;
    this.#current = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
    for (const streamId of streamIds) this.#resetting.delete(streamId);
    return streamIds;
  }

  /** Streams of which everything is acknowledged. */
  #takeReady(): number[] {
    const isIdle = this.#host.isIdle();
    const ready: number[] = [];
    let asked = 0;
    for (const [streamId, last] of this.#waiting) {
      if (ready.length === MAX_STREAMS || (!isIdle && ++asked > MAX_ASKED)) break;
      this.#waiting.delete(streamId);
      const upTo = last ?? (this.#host.hasQueued(streamId) ? undefined : this.#host.lastSentTsn());
      if (upTo !== undefined && !tsnAfter(upTo, this.#host.acknowledgedTsn())) ready.push(streamId);
      // A map is walked in order of insertion, what is added meanwhile included; the count above ends that.
      else this.#waiting.set(streamId, upTo);
    }
    return ready;
  }

  #handleRequest(reset: OutgoingReset): void {
    if (!this.#isNew(reset.requestSequence)) return;
    // §5.2.2 E2: DATA up to the last assigned TSN is still missing, so the streams cannot start over yet. The request stays
    // open; it is performed, and answered again, when the last of it has come.
    if (!this.#host.hasReceivedAllUpTo(reset.lastTsn)) {
      if (this.#deferred === undefined) {
        this.#deferred = reset;
        this.#host.holdIncoming(new HeldStreams(reset));
      }
      this.#assembler.control(
        writeResetResponse({ responseSequence: reset.requestSequence, result: RESULT_IN_PROGRESS }),
      );
      return;
    }
    this.#perform(reset);
  }

  #perform(reset: OutgoingReset): void {
    if (this.#deferred !== undefined) this.#host.holdIncoming(undefined);
    this.#deferred = undefined;
    this.#host.incomingReset(reset.streamIds);
    this.#answer(reset.requestSequence, RESULT_PERFORMED);
  }

  #handleOther(sequence: Tsn): void {
    if (this.#isNew(sequence)) this.#answer(sequence, RESULT_DENIED);
  }

  /** §5.2.1: the expected one is served, the last one answered again, any other refused. */
  #isNew(sequence: Tsn): boolean {
    if (sequence === this.#expectedSequence) return true;
    const known = this.#lastResponse?.responseSequence === sequence;
    this.#assembler.control(
      writeResetResponse(
        known && this.#lastResponse !== undefined
          ? this.#lastResponse
          : { responseSequence: sequence, result: RESULT_BAD_SEQUENCE },
      ),
    );
    return false;
  }

  #answer(sequence: Tsn, result: number): void {
    this.#expectedSequence = tsnAdd(sequence, 1);
    this.#lastResponse = { responseSequence: sequence, result };
    this.#assembler.control(writeResetResponse(this.#lastResponse));
  }

  #handleResponse(now: number, response: ResetResponse): void {
    const current = this.#current;
    if (current === undefined || response.responseSequence !== current.sequence) return;
    this.#host.peerAnswered();
    if (response.result === RESULT_IN_PROGRESS) {
      // §5.2.7: it is asked again until it is done. That is no error: the peer is there, and waits for DATA.
      current.attempts = 0;
      this.deadline = now + this.#host.retransmitMs(0);
      return;
    }
    const performed = response.result === RESULT_PERFORMED || response.result === RESULT_NOTHING_TO_DO;
    this.#host.outgoingReset(this.#takeCurrent(), performed);
  }
}
