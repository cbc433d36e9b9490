/**
 * Channels that are closed and opened again at once, over and over: one end of them, for pages and for servers alike. Every
 * channel has a name of its own, its label, and carries nothing but that name. So each end sees what came by the wrong one.
 */
import type { Channel, Connection } from "../../src/index.ts";

/** What one end does; the other end's plan has `asks` and `closes` the other way round where they say so. */
export interface Plan {
  /** Channels at once. */
  channels: number;
  /** How often each is closed and opened again. */
  times: number;
  /** This end announces the channels (or both agree on them, `negotiated`), sends its name on each, and waits for the answer. */
  asks: boolean;
  /** This end closes a channel when it has its answer, or has answered. */
  closes: boolean;
  /** Both ends open each channel, with an id that they have agreed on. */
  negotiated: boolean;
  /** After so long without its answer, or without its end, a channel is dead. */
  patienceMs: number;
}

/** The calls of one kind of data channel. */
export interface Calls<C> {
  open(label: string, id: number | undefined): C;
  close(channel: C): void;
  /** False where the channel does not take it now. */
  send(channel: C, text: string): boolean;
}

export interface ReopeningReport {
  /** Channels that this end has opened again. */
  reopened: number;
  /** Channels that had no answer, or no end, with what they lacked. */
  dead: string[];
  /** What came by another channel than the one whose name it is. */
  misdelivered: string[];
}

/** Even and odd: an id that was agreed on has no parity. */
const FIRST_NEGOTIATED_ID = 400;
/** Where both ends open, the other one may not have its end yet, so the name is sent until it is answered. */
const ASK_AGAIN_MS = 50;

type State = "asking" | "alive" | "closed" | "dead";

export class ReopeningEnd<C extends { readonly label: string }> {
  readonly #plan: Plan;
  readonly #calls: Calls<C>;
  /** Of the channels that this end has opened, by name. */
  readonly #states = new Map<string, State>();
  readonly #answered = new Set<string>();
  readonly #dead: string[] = [];
  readonly #misdelivered: string[] = [];
  #ended = 0;

  constructor(plan: Plan, calls: Calls<C>) {
    this.#plan = plan;
    this.#calls = calls;
  }

  /** Every channel has been opened as often as planned, and the last one was answered or is dead. */
  get isFinished(): boolean {
    return this.#ended === this.#plan.channels;
  }

  start(): void {
    if (!this.#plan.asks && !this.#plan.negotiated) return;
    for (let slot = 0; slot < this.#plan.channels; slot++) this.#open(slot, 0);
  }

  opened(channel: C): void {
    if (this.#plan.asks) this.#ask(channel);
  }

  message(channel: C, text: string): void {
    const { label } = channel;
    if (text !== label) {
      this.#misdelivered.push(`${text} by ${label}`);
    } else if (this.#plan.asks) {
      if (this.#states.get(label) === "asking") this.#hasAnswer(channel);
    } else {
      this.#calls.send(channel, label);
      if (this.#answered.has(label)) return;
      this.#answered.add(label);
      if (this.#plan.closes && !this.#isLast(label)) this.#calls.close(channel);
    }
  }

  closed({ label }: C): void {
    const { slot, time } = placeOf(label);
    const state = this.#states.get(label);
    if (state === "dead" || this.#isLast(label)) return;
    if (state === "asking" && this.#plan.asks) this.#dead.push(`${label}: closed without an answer`);
    this.#states.set(label, "closed");
    if (this.#plan.asks || this.#plan.negotiated) this.#open(slot, time + 1);
  }

  report(): ReopeningReport {
    const names = this.#plan.asks ? [...this.#states.keys()] : [];
    return {
      reopened: names.filter((name) => placeOf(name).time > 0).length,
      dead: [...this.#dead],
      misdelivered: [...this.#misdelivered],
    };
  }

  #open(slot: number, time: number): void {
    const { negotiated } = this.#plan;
    const label = `${slot}.${time}`;
    this.#states.set(label, "asking");
    const channel = this.#calls.open(label, negotiated ? FIRST_NEGOTIATED_ID + slot : undefined);
    if (!this.#plan.asks) return;
    // Where the channel takes it so early: right behind the OPEN.
    this.#ask(channel);
    setTimeout(() => this.#expectState(label, "alive"), this.#plan.patienceMs);
  }

  #ask(channel: C): void {
    if (this.#states.get(channel.label) !== "asking") return;
    const isTaken = this.#calls.send(channel, channel.label);
    if (isTaken && this.#plan.negotiated) setTimeout(() => this.#ask(channel), ASK_AGAIN_MS);
  }

  #hasAnswer(channel: C): void {
    const { label } = channel;
    this.#states.set(label, "alive");
    if (this.#isLast(label)) {
      this.#ended++;
      return;
    }
    setTimeout(() => this.#expectState(label, "closed"), this.#plan.patienceMs);
    if (this.#plan.closes) this.#calls.close(channel);
  }

  /** A channel that is not that far is dead. The next one is opened in its place, where that takes no id which is in use. */
  #expectState(label: string, expected: State): void {
    const state = this.#states.get(label);
    if (state === "dead" || state === "closed" || state === expected) return;
    this.#dead.push(`${label}: ${state === "alive" ? "not closed" : "not answered"}`);
    this.#states.set(label, "dead");
    const { slot, time } = placeOf(label);
    if (this.#isLast(label) || this.#plan.negotiated) this.#ended++;
    else this.#open(slot, time + 1);
  }

  #isLast(label: string): boolean {
    return placeOf(label).time === this.#plan.times;
  }
}

/** The end of a page. */
export function endInPage(peer: RTCPeerConnection, plan: Plan): ReopeningEnd<RTCDataChannel> {
  const watch = (channel: RTCDataChannel): RTCDataChannel => {
    channel.addEventListener("open", () => end.opened(channel));
    channel.addEventListener("message", ({ data }) => end.message(channel, data));
    channel.addEventListener("close", () => end.closed(channel));
    return channel;
  };
  const end = new ReopeningEnd<RTCDataChannel>(plan, {
    open: (label, id) => watch(peer.createDataChannel(label, id === undefined ? {} : { negotiated: true, id })),
    close: (channel) => channel.close(),
    send(channel, text) {
      if (channel.readyState !== "open") return false;
      channel.send(text);
      return true;
    },
  });
  peer.addEventListener("datachannel", ({ channel }) => watch(channel));
  return end;
}

/** The end of a server. Hand it the messages of all channels but the connection's first. */
export function endAtServer(connection: Connection, plan: Plan): ReopeningEnd<Channel> {
  const end = new ReopeningEnd<Channel>(plan, {
    open: (label, id) =>
      connection.createChannel(label, {
        ordered: true,
        maxRetransmits: null,
        ...(id === undefined ? {} : { negotiated: true, id }),
      }),
    close: (channel) => connection.closeChannel(channel),
    send: (channel, text) => connection.trySend(text, { channel }),
  });
  // Beside them is the one that came with the connection.
  const first = connection.channels[0];
  connection.on("channel", (channel) => end.opened(channel));
  connection.on("channelclose", (channel) => channel !== first && end.closed(channel));
  return end;
}

/** From a channel's name: which of those that are open at once, and for which time it is open. */
function placeOf(label: string): { slot: number; time: number } {
  const [slot, time] = label.split(".").map(Number);
  return { slot, time };
}
