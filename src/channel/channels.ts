import { checkNames, type Names } from "../application/names.ts";
import type { AssociationLimits } from "../limits.ts";
import type { Association, AssociationCloseReason, AssociationEvents, SendResult } from "../sctp/association.ts";
import { DEFAULT_PRIORITY, type OutgoingMessage } from "../sctp/outgoing-message.ts";
import type { DropCounters } from "../wire/drops.ts";
import { type MemoryAccount, unlimitedAccount } from "../wire/memory-ledger.ts";
import type { Prefetchable } from "../wire/prefetch.ts";
import { SmallMap } from "../wire/small-map.ts";
import { Channel } from "./channel.ts";
import {
  type ChannelParameters,
  decodeDoubtfulText,
  decodeText,
  encodeText,
  MAX_NAME_BYTES,
  PPID_BINARY,
  PPID_BINARY_EMPTY,
  PPID_DCEP,
  PPID_STRING,
  PPID_STRING_EMPTY,
  parseDcep,
  writeAck,
  writeOpen,
} from "./dcep.ts";

/** How to open a channel; the names and meanings of `RTCDataChannelInit`. */
export interface ChannelOptions {
  /** Default false: messages are delivered as they arrive. */
  ordered?: boolean;
  /** Default 0 where `maxPacketLifeTime` is not given: fire and forget. `null`: reliable. */
  maxRetransmits?: number | null;
  /** ms. Default `null`. Not together with `maxRetransmits`. */
  maxPacketLifeTime?: number | null;
  /** Subprotocol, at most 1,024 bytes of UTF-8. Default empty. */
  protocol?: string;
  /** Both sides open the channel with the same `id`, and nothing is announced. Default false. */
  negotiated?: boolean;
  /** Stream number. Default: one of our parity that was never used, or else the one that has been free for the longest time. */
  id?: number;
  /**
   * Share of the capacity beside other channels of the connection, when more is to be sent than leaves at once: with 1024 and 256 one
   * channel gets four times the bytes of the other. Counts for what this side sends; the other side is told. 0 to 65,535; below 128 is
   * like 128, above 1024 like 1024, the range of RFC 8831 §6.4. Default 256.
   */
  priority?: number;
}

export interface ChannelsOptions {
  /** Our DTLS role: the client opens channels with even numbers, the server with odd ones (RFC 8832 §6). */
  role: "client" | "server";
  limits: AssociationLimits;
  drops: DropCounters;
  /** Where channels are accounted for. Default: no budget. */
  memory?: MemoryAccount;
  /** Channels at once. Default: `limits.maxStreams`. */
  maxChannels?: number;
}

/** What comes out. Called synchronously from within the association. */
export interface ChannelEvents {
  /** SCTP is up. */
  associationEstablished(): void;
  associationClosed(reason: AssociationCloseReason): void;
  channelOpened(channel: Channel): void;
  /** Text as a string, all else as bytes (an own copy). */
  channelMessage(channel: Channel, data: Uint8Array | string): void;
  channelClosed(channel: Channel): void;
}

const CHANNEL_OPTIONS: Names<ChannelOptions> = {
  ordered: true,
  maxRetransmits: true,
  maxPacketLifeTime: true,
  protocol: true,
  negotiated: true,
  id: true,
  priority: true,
};
/** A channel takes so much beside its names (measured): the object, its place in the tables, the headers of its strings. */
const CHANNEL_BYTES = 250;
/** §6.5 of RFC 8831 leaves 65,535 out. */
const MAX_STREAM_ID = 65_534;
/** `id` of a channel that never had a stream. */
const NO_STREAM = -1;

/**
 * The data channels of one association (RFC 8831, RFC 8832): opening by either side, messages, closing by stream reset.
 *
 * @example
 * const channels = new Channels({ role: "server", limits, drops }, events);
 * const association = new Association(options, datapath, transport, channels);
 * channels.attach(association);
 * channels.send(now, channel, "hello");
 */
export class Channels implements AssociationEvents, Prefetchable {
  readonly #options: ChannelsOptions;
  readonly #events: ChannelEvents;
  readonly #channels = new SmallMap<number, Channel>();
  #association: Association | undefined;
  #first: Channel | undefined;
  /** Of the labels and protocols of all channels. */
  #nameCharacters = 0;
  readonly #memory: MemoryAccount;
  /** From this stream of our parity on, none was taken for a channel of ours. */
  #unused: number;
  /** Streams before it that were given back, the first one first; made for the first of them. */
  #returned: Set<number> | undefined;
  /** Channels on which the peer may still send. */
  #incomingOpen = 0;
  /** Channels on which nothing of the peer's is ever sent again. */
  #unrepeated = 0;
  /** A text of the peer's was none. */
  #sawInvalidText = false;

  constructor(options: ChannelsOptions, events: ChannelEvents) {
    this.#options = options;
    this.#memory = options.memory ?? unlimitedAccount();
    this.#events = events;
    this.#unused = options.role === "client" ? 0 : 1;
  }

  /** See `Prefetchable`. */
  prefetch(): number {
    return this.#nameCharacters + this.#channels.size + (this.#first === undefined ? 0 : this.#first.id);
  }

  /** The association whose events these are. Call before anything happens on it. */
  attach(association: Association): void {
    this.#association = association;
  }

  /** The open channels, first opened first. */
  get open(): readonly Channel[] {
    return this.#channels.values().filter((channel) => channel.state === "open");
  }

  /** The channel that was opened first, of those that are open. */
  get first(): Channel | undefined {
    if (this.#first?.state !== "open") this.#first = this.open[0];
    return this.#first;
  }

  /**
   * Opens a channel. Messages may be sent on it at once.
   *
   * Where the peer stands in the way, the channel is `closed` from the start, which `channelClosed` tells too: the peer takes too
   * few streams, none is free, the `id` is in use (a peer may have taken it), or the association is ending.
   *
   * @throws TypeError, RangeError for options that contradict each other or are out of range, whatever the peer said
   */
  create(now: number, label: string, options: ChannelOptions = {}): Channel {
    const parameters = checkParameters(label, options, this.#options.limits);
    const negotiated = options.negotiated === true;
    const id = this.#freeId(options.id);
    if (id === undefined) {
      const refused = refusedChannel(this.#options.limits, label, options);
      this.#events.channelClosed(refused);
      return refused;
    }
    const established = this.#association?.state === "established";
    const channel = new Channel(id, parameters, negotiated, negotiated && established ? "open" : "connecting");
    channel.awaitsAck = !negotiated;
    this.#add(channel);
    if (!negotiated) {
      this.#sendDcep(now, id, writeOpen(parameters));
    } else if (established) {
      this.#events.channelOpened(channel);
    }
    return channel;
  }

  /**
   * Sends a message as its channel treats them.
   *
   * Until the peer has answered our OPEN, messages are ordered whatever the channel says, so that none overtakes it
   * (RFC 8832 §6).
   */
  send(now: number, channel: Channel, data: Uint8Array | string): SendResult {
    if (this.#association === undefined || channel.state === "closing" || !this.#owns(channel)) return "closed";
    outgoing.streamId = channel.id;
    outgoing.ordered = channel.ordered || channel.awaitsAck;
    outgoing.maxRetransmits = channel.maxRetransmits ?? Number.POSITIVE_INFINITY;
    outgoing.lifetimeMs = channel.maxPacketLifeTime ?? Number.POSITIVE_INFINITY;
    outgoing.priority = channel.priority;
    if (data.length === 0) {
      outgoing.ppid = typeof data === "string" ? PPID_STRING_EMPTY : PPID_BINARY_EMPTY;
      outgoing.data = ZERO;
    } else {
      outgoing.ppid = typeof data === "string" ? PPID_STRING : PPID_BINARY;
      outgoing.data = typeof data === "string" ? encodeText(data) : data;
    }
    return this.#association.send(now, outgoing);
  }

  /** Closes a channel: our direction now, the peer's when it answers (RFC 8831 §6.7). */
  close(now: number, channel: Channel): void {
    if (channel.state === "closing" || !this.#owns(channel)) return;
    channel.state = "closing";
    this.#association?.resetStreams(now, [channel.id]);
  }

  // ——— from the association ———

  established(): void {
    // Only now it is known how many streams the peer takes.
    const end = this.#outboundStreams();
    for (const channel of this.#channels.values()) if (channel.id >= end) this.#closed(channel);
    // The connection may have ended with its channel.
    if (this.#association?.state === "closed") return;
    this.#events.associationEstablished();
    for (const channel of this.#channels.values()) {
      if (channel.negotiated && channel.state === "connecting") this.#opened(channel);
    }
  }

  message(streamId: number, ppid: number, data: Uint8Array): void {
    if (ppid === PPID_DCEP) {
      this.#handleDcep(streamId, data);
      return;
    }
    const text = ppid === PPID_STRING || ppid === PPID_STRING_EMPTY;
    if (!text && ppid !== PPID_BINARY && ppid !== PPID_BINARY_EMPTY) {
      this.#options.drops.count("message-unknown-ppid");
      return;
    }
    const channel = this.#channels.get(streamId);
    if (channel === undefined) {
      this.#options.drops.count("message-unknown-channel");
      return;
    }
    if (channel.incomingClosed) {
      // It was sent on another channel, of which no OPEN has come: one that is negotiated.
      this.#makeWay(streamId);
      this.#options.drops.count("message-unknown-channel");
      return;
    }
    // RFC 8832 §6: any message on the channel says as much as the ACK.
    if (channel.awaitsAck) this.#acknowledged(channel);
    if (ppid === PPID_BINARY) this.#events.channelMessage(channel, data);
    else if (ppid === PPID_STRING) {
      const string = this.#sawInvalidText ? decodeDoubtfulText(data) : decodeText(data);
      if (string !== undefined) this.#events.channelMessage(channel, string);
      else this.#refuseText();
    } else this.#events.channelMessage(channel, text ? "" : new Uint8Array(0));
  }

  incomingStreamsReset(streamIds: readonly number[]): void {
    // A request costs 20 bytes, however many channels there are.
    if (this.#incomingOpen === 0) return;
    const ids = streamIds.length === 0 ? this.#channels.keys() : streamIds;
    const answer: number[] = [];
    for (const id of ids) {
      const channel = this.#channels.get(id);
      if (channel === undefined || channel.incomingClosed) continue;
      channel.incomingClosed = true;
      this.#incomingOpen--;
      if (channel.state === "closing") this.#finish(channel);
      else answer.push(id);
      if (channel.state !== "closed") channel.state = "closing";
    }
    // RFC 8831 §6.7: "if … the peer … resets its outgoing stream, the … endpoint SHOULD also reset the corresponding one".
    if (answer.length > 0) this.#association?.resetStreams(this.#now, answer);
  }

  outgoingStreamsReset(streamIds: readonly number[]): void {
    for (const id of streamIds) {
      const channel = this.#channels.get(id);
      if (channel === undefined) this.#freed(id);
      else if (channel.state === "closing") this.#finish(channel);
    }
  }

  closed(reason: AssociationCloseReason): void {
    for (const channel of this.#channels.values()) this.#closed(channel);
    this.#events.associationClosed(reason);
  }

  #handleDcep(streamId: number, data: Uint8Array): void {
    // The peer waits for the answer, or for our SACK of its ACK: not for a delayed one.
    this.#association?.acknowledgeNow();
    const channel = this.#channels.get(streamId);
    const isOver = channel === undefined || channel.incomingClosed;
    // What will not be taken, whatever else it says, is not read: that costs more than such a message should.
    if (!isOver && !channel.awaitsAck) {
      this.#options.drops.count("dcep-unexpected");
      return;
    }
    const message = parseDcep(data);
    if (message === undefined) {
      this.#options.drops.count("dcep-malformed");
      if (isOver && this.#makeWay(streamId)) this.#refuse(streamId);
    } else if (message.kind === "ack") {
      if (!isOver) this.#acknowledged(channel);
      else this.#options.drops.count("dcep-unexpected");
    } else if (isOver && this.#makeWay(streamId)) {
      this.#accept(streamId, message.channel);
    } else {
      this.#options.drops.count("dcep-unexpected");
      // Both sides have opened the same stream. Neither channel can be had, and neither must wait for ever.
      if (channel?.awaitsAck === true) this.close(this.#now, channel);
    }
  }

  /**
   * The peer uses a stream anew that is nobody's any more: a channel that was on it is closed by that, though the answer to
   * our reset may not have come.
   *
   * @returns false where the stream is not free: our reset of it has not left yet, and will close what the peer opens
   */
  #makeWay(streamId: number): boolean {
    const reset = this.#association?.confirmReset(streamId);
    if (reset === undefined) return false;
    this.outgoingStreamsReset(reset);
    return !this.#channels.has(streamId);
  }

  #refuseText(): void {
    this.#sawInvalidText = true;
    this.#options.drops.count("message-invalid-text");
  }

  #accept(streamId: number, parameters: ChannelParameters): void {
    const { drops, limits, maxChannels = limits.maxStreams } = this.#options;
    // RFC 8832 §6 gives each side a parity, so that both never open the same stream. aiortc and werift open their
    // channels before they know their DTLS role, and so on streams of ours. That harms nobody while the stream is free.
    const { label, protocol } = parameters;
    const isTooLong =
      Math.max(label.length, protocol.length) > MAX_NAME_BYTES ||
      this.#nameCharacters + label.length + protocol.length > limits.maxNameCharacters;
    const hasRoom = this.#channels.size < maxChannels && this.#memory.hasRoomFor(bytesOf(parameters));
    if (!hasRoom || isTooLong || streamId >= this.#outboundStreams()) {
      drops.count("channel-limit");
      this.#refuse(streamId);
      return;
    }
    const channel = new Channel(streamId, parameters, false, "connecting");
    this.#add(channel);
    this.#sendDcep(this.#now, streamId, writeAck());
    this.#opened(channel);
  }

  /** RFC 8832 §6: a channel that can not be had is closed, by a reset of our stream. */
  #refuse(streamId: number): void {
    if (streamId < this.#outboundStreams()) this.#association?.resetStreams(this.#now, [streamId]);
  }

  #acknowledged(channel: Channel): void {
    this.#tally(channel, -1);
    channel.awaitsAck = false;
    this.#tally(channel, 1);
    this.#describeMessages();
    if (channel.state === "connecting") this.#opened(channel);
  }

  #opened(channel: Channel): void {
    channel.state = "open";
    // The map's order is the order of opening.
    this.#channels.delete(channel.id);
    this.#channels.set(channel.id, channel);
    this.#events.channelOpened(channel);
  }

  /** A channel that is not closed, and not another connection's. */
  #owns(channel: Channel): boolean {
    return this.#channels.get(channel.id) === channel;
  }

  /** RFC 8831 §6.7: a channel that is closing is closed once both directions have been reset. */
  #finish(channel: Channel): void {
    if (channel.incomingClosed && this.#association?.isResetting(channel.id) !== true) this.#closed(channel);
  }

  #add(channel: Channel): void {
    this.#channels.set(channel.id, channel);
    this.#nameCharacters += channel.label.length + channel.protocol.length;
    this.#memory.add(bytesOf(channel));
    this.#incomingOpen++;
    this.#tally(channel, 1);
    this.#describeMessages();
  }

  #closed(channel: Channel): void {
    this.#channels.delete(channel.id);
    this.#nameCharacters -= channel.label.length + channel.protocol.length;
    this.#memory.give(bytesOf(channel));
    if (!channel.incomingClosed) this.#incomingOpen--;
    this.#freed(channel.id);
    this.#tally(channel, -1);
    channel.state = "closed";
    this.#describeMessages();
    this.#events.channelClosed(channel);
  }

  #freed(streamId: number): void {
    if (streamId >= this.#unused || streamId % 2 !== this.#unused % 2) return;
    this.#returned ??= new Set();
    this.#returned.delete(streamId);
    this.#returned.add(streamId);
  }

  /** No channel has it, and no reset of a former one is under way. */
  #isFree(streamId: number): boolean {
    return !this.#channels.has(streamId) && this.#association?.isResetting(streamId) !== true;
  }

  /** Counts a channel in (1) or out (−1), as it is now. */
  #tally({ ordered, maxRetransmits, awaitsAck }: Channel, change: number): void {
    if (!ordered && maxRetransmits === 0 && !awaitsAck) this.#unrepeated += change;
  }

  /** Tells the association whether anything of the peer's may come late and be missed. */
  #describeMessages(): void {
    if (this.#association === undefined) return;
    const { size } = this.#channels;
    this.#association.skipsOldGaps = size > 0 && this.#unrepeated === size;
  }

  #sendDcep(now: number, streamId: number, data: Uint8Array): void {
    // RFC 8832 §6: DCEP messages "MUST be sent using ordered delivery and reliable transmission".
    this.#association?.send(now, { streamId, ppid: PPID_DCEP, data, ordered: true, exempt: true });
  }

  /** The stream for a new channel; `undefined` where it cannot be had. */
  #freeId(wanted: number | undefined): number | undefined {
    const state = this.#association?.state;
    if (state === "shutting-down" || state === "closed") return undefined;
    const end = this.#outboundStreams();
    if (wanted !== undefined) return wanted < end && this.#isFree(wanted) ? wanted : undefined;
    for (; this.#unused < end; this.#unused += 2) {
      if (!this.#isFree(this.#unused)) continue;
      this.#unused += 2;
      return this.#unused - 2;
    }
    return this.#longestFree(end);
  }

  /**
   * As late as possible after its channel was closed: our answer to the peer's reset may be lost, and nothing tells us. Browsers
   * take no channel on a stream whose reset is not answered yet: Firefox ignores the OPEN, Chromium can never close it.
   */
  #longestFree(end: number): number | undefined {
    for (const id of this.#returned ?? []) {
      // What is in use comes again when it is free.
      this.#returned?.delete(id);
      if (id < end && this.#isFree(id)) return id;
    }
    return undefined;
  }

  /** The time of the call into the association that events come from. */
  get #now(): number {
    return this.#association?.now ?? 0;
  }

  #outboundStreams(): number {
    return Math.min(MAX_STREAM_ID + 1, this.#association?.outboundStreams ?? this.#options.limits.maxStreams);
  }
}

/** Names count as if each character had two bytes, as it has where one of them needs two. */
function bytesOf({ label, protocol }: ChannelParameters): number {
  return CHANNEL_BYTES + 2 * (label.length + protocol.length);
}

const ZERO = new Uint8Array(1);
/** Filled in for each message, whoever sends it: the association only reads it. */
const outgoing: OutgoingMessage = { streamId: 0, ppid: 0, data: ZERO };

/**
 * Says what is wrong with channels before there is a connection to open them on.
 *
 * @throws what {@link Channels.create} throws, and RangeError where two have the same `id`
 */
export function checkChannels(
  limits: AssociationLimits,
  channels: readonly (ChannelOptions & { readonly label: string })[],
): void {
  const ids = new Set<number>();
  for (const { label, ...options } of channels) {
    checkParameters(label, options, limits);
    if (options.id === undefined) continue;
    if (ids.has(options.id)) throw new RangeError(`id ${options.id} is in use`);
    ids.add(options.id);
  }
}

/**
 * A channel that cannot be had: closed from the start.
 *
 * @throws what {@link Channels.create} throws
 */
export function refusedChannel(limits: AssociationLimits, label: string, options: ChannelOptions = {}): Channel {
  const parameters = checkParameters(label, options, limits);
  return new Channel(options.id ?? NO_STREAM, parameters, options.negotiated === true, "closed");
}

function checkParameters(label: string, options: ChannelOptions, limits: AssociationLimits): ChannelParameters {
  checkNames("options", options, CHANNEL_OPTIONS, "an option of a channel");
  const { protocol = "", ordered = false, maxPacketLifeTime = null, priority = DEFAULT_PRIORITY } = options;
  const { maxRetransmits = maxPacketLifeTime === null ? 0 : null } = options;
  checkName("label", label);
  checkName("protocol", protocol);
  if (maxRetransmits !== null && maxPacketLifeTime !== null) {
    throw new TypeError("maxRetransmits and maxPacketLifeTime must not be given together");
  }
  checkInteger("maxRetransmits", maxRetransmits ?? 0, 0xffff_ffff);
  checkInteger("maxPacketLifeTime", maxPacketLifeTime ?? 0, 0xffff_ffff);
  checkInteger("priority", priority, 0xffff);
  if (options.negotiated === true && options.id === undefined) {
    throw new TypeError("id must be given for a negotiated channel");
  }
  checkInteger("id", options.id ?? 0, Math.min(MAX_STREAM_ID, limits.maxStreams - 1));
  return { label, protocol, ordered, maxRetransmits, maxPacketLifeTime, priority };
}

function checkName(name: string, value: string): void {
  if (typeof value !== "string") throw new TypeError(`${name} must be a string`);
  if (encodeText(value).length > MAX_NAME_BYTES) {
    throw new RangeError(`${name} must have at most ${MAX_NAME_BYTES} bytes of UTF-8`);
  }
}

function checkInteger(name: string, value: number, limit: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value <= limit)) {
    throw new RangeError(`${name} must be an integer from 0 to ${limit}, not ${value}`);
  }
}
