import type { BrowserProfile } from "./profile.ts";
import { viewOf } from "./sctp-packet.ts";
import type { SctpSocket } from "./sctp-socket.ts";

/** Payload protocol identifiers of RFC 8831 §8. */
export const Ppid = { dcep: 50, text: 51, binary: 53, emptyText: 56, emptyBinary: 57 } as const;

/** DCEP messages and channel types (RFC 8832 §5.1, §8.2.2). */
const OPEN = 3;
const ACK = 2;
const UNORDERED = 0x80;
const LIMITED_RETRANSMITS = 1;
const LIMITED_LIFETIME = 2;

export interface ChannelOptions {
  /** Default true, as in `createDataChannel`. */
  ordered?: boolean;
  maxRetransmits?: number;
  maxPacketLifeTime?: number;
  /** Agreed elsewhere: no DCEP, and this stream id. */
  negotiated?: number;
}

/** One `RTCDataChannel`. */
export interface PeerChannel {
  /** −1 until the association is up. */
  id: number;
  readonly label: string;
  readonly options: ChannelOptions;
  state: "connecting" | "open" | "closing" | "closed";
  /** DCEP ACK received, or none needed: from now on data goes as the channel says, before that ordered. */
  acknowledged: boolean;
  openedAt: number;
}

export interface DataChannelEvents {
  opened(now: number, channel: PeerChannel): void;
  message(now: number, channel: PeerChannel, data: string | Uint8Array): void;
  closed(now: number, channel: PeerChannel): void;
}

/** Data channels over an association, by DCEP (RFC 8832) as browsers speak it. */
export class DataChannels {
  readonly channels: PeerChannel[] = [];
  /** Messages on streams without a channel, which browsers throw away. */
  strayMessages = 0;

  readonly #profile: BrowserProfile;
  readonly #sctp: SctpSocket;
  readonly #events: DataChannelEvents;
  #up = false;

  constructor(profile: BrowserProfile, sctp: SctpSocket, events: DataChannelEvents) {
    this.#profile = profile;
    this.#sctp = sctp;
    this.#events = events;
  }

  create(now: number, label: string, options: ChannelOptions = {}): PeerChannel {
    const channel = newChannel(-1, label, options);
    this.channels.push(channel);
    if (this.#up) this.#open(now, channel);
    return channel;
  }

  send(now: number, channel: PeerChannel, message: string | Uint8Array): void {
    if (channel.state !== "open") throw new Error(`send on a channel that is ${channel.state}`);
    const isText = typeof message === "string";
    const bytes = isText ? new TextEncoder().encode(message) : message;
    const ppid = isText ? Ppid.text : Ppid.binary;
    const emptyPpid = isText ? Ppid.emptyText : Ppid.emptyBinary;
    // RFC 8831 §6.6: SCTP has no empty messages, so one byte stands for none.
    if (bytes.length === 0) this.#transmit(now, channel, emptyPpid, new Uint8Array(1));
    else this.#transmit(now, channel, ppid, bytes.slice());
  }

  close(now: number, channel: PeerChannel): void {
    if (channel.state === "closed" || channel.state === "closing") return;
    channel.state = "closing";
    this.#sctp.resetStreams(now, [channel.id]);
  }

  handleEstablished(now: number): void {
    this.#up = true;
    const waiting = this.channels.filter(({ id }) => id === -1);
    // Firefox numbers its streams out of the order in which the channels were made (measured).
    if (this.#profile.name === "firefox") waiting.reverse();
    for (const channel of waiting) this.#assignId(channel);
    for (const channel of this.channels) this.#open(now, channel);
  }

  handleMessage(now: number, streamId: number, ppid: number, data: Uint8Array): void {
    if (ppid === Ppid.dcep) {
      this.#handleControl(now, streamId, data);
      return;
    }
    const channel = this.#byId(streamId);
    if (channel === undefined) {
      this.strayMessages++;
      return;
    }
    if (ppid === Ppid.text) this.#events.message(now, channel, new TextDecoder().decode(data));
    else if (ppid === Ppid.binary) this.#events.message(now, channel, data);
    else if (ppid === Ppid.emptyText) this.#events.message(now, channel, "");
    else if (ppid === Ppid.emptyBinary) this.#events.message(now, channel, new Uint8Array(0));
  }

  /** RFC 8831 §6.7: the answer to the peer's reset is our own. */
  handleIncomingReset(now: number, streamIds: readonly number[]): void {
    for (const channel of [...this.channels]) {
      if (streamIds.length > 0 && !streamIds.includes(channel.id)) continue;
      if (channel.state !== "closing") this.#sctp.resetStreams(now, [channel.id]);
      this.#finish(now, channel);
    }
  }

  handleClosed(now: number): void {
    for (const channel of [...this.channels]) this.#finish(now, channel);
  }

  #open(now: number, channel: PeerChannel): void {
    if (channel.id === -1) this.#assignId(channel);
    if (channel.options.negotiated === undefined) {
      this.#transmit(now, channel, Ppid.dcep, encodeOpen(channel, this.#profile.name === "chromium" ? 256 : 0), true);
    } else {
      channel.acknowledged = true;
    }
    if (channel.acknowledged || !this.#profile.openNeedsAck) this.#markOpen(now, channel);
  }

  #markOpen(now: number, channel: PeerChannel): void {
    if (channel.state !== "connecting") return;
    channel.state = "open";
    channel.openedAt = now;
    this.#events.opened(now, channel);
  }

  #handleControl(now: number, streamId: number, data: Uint8Array): void {
    const known = this.#byId(streamId);
    if (data[0] === ACK && known !== undefined) {
      known.acknowledged = true;
      this.#markOpen(now, known);
    }
    if (data[0] !== OPEN || known !== undefined) return;
    const opened = decodeOpen(streamId, data);
    if (opened === undefined) return;
    this.channels.push(opened);
    this.#transmit(now, opened, Ppid.dcep, Uint8Array.of(ACK));
    this.#markOpen(now, opened);
  }

  #transmit(now: number, channel: PeerChannel, ppid: number, data: Uint8Array, asOpen = false): void {
    const { ordered = true, maxRetransmits, maxPacketLifeTime } = channel.options;
    const reliable = ppid === Ppid.dcep;
    this.#sctp.send(now, {
      streamId: channel.id,
      ppid,
      data,
      unordered: !asOpen && channel.acknowledged && !ordered,
      maxRetransmits: reliable ? Number.POSITIVE_INFINITY : (maxRetransmits ?? Number.POSITIVE_INFINITY),
      expiresAt: reliable || maxPacketLifeTime === undefined ? Number.POSITIVE_INFINITY : now + maxPacketLifeTime,
    });
  }

  /** RFC 8832 §6: the DTLS client, which browsers are here, has the even streams. */
  #assignId(channel: PeerChannel): void {
    let id = channel.options.negotiated ?? 0;
    while (channel.options.negotiated === undefined && this.#byId(id) !== undefined) id += 2;
    channel.id = id;
  }

  #byId(streamId: number): PeerChannel | undefined {
    return this.channels.find(({ id }) => id === streamId);
  }

  #finish(now: number, channel: PeerChannel): void {
    channel.state = "closed";
    this.channels.splice(this.channels.indexOf(channel), 1);
    this.#events.closed(now, channel);
  }
}

function newChannel(id: number, label: string, options: ChannelOptions): PeerChannel {
  return { id, label, options, state: "connecting", acknowledged: false, openedAt: Number.NaN };
}

function encodeOpen({ label, options }: PeerChannel, priority: number): Uint8Array {
  const { ordered = true, maxRetransmits, maxPacketLifeTime } = options;
  const name = new TextEncoder().encode(label);
  const bytes = new Uint8Array(12 + name.length);
  const view = viewOf(bytes);
  const limit =
    maxRetransmits !== undefined ? LIMITED_RETRANSMITS : maxPacketLifeTime !== undefined ? LIMITED_LIFETIME : 0;
  bytes[0] = OPEN;
  bytes[1] = limit | (ordered ? 0 : UNORDERED);
  view.setUint16(2, priority);
  view.setUint32(4, maxRetransmits ?? maxPacketLifeTime ?? 0);
  view.setUint16(8, name.length);
  bytes.set(name, 12);
  return bytes;
}

function decodeOpen(streamId: number, bytes: Uint8Array): PeerChannel | undefined {
  if (bytes.length < 12) return undefined;
  const view = viewOf(bytes);
  const limit = bytes[1] & 0x7f;
  const value = view.getUint32(4);
  const options: ChannelOptions = {
    ordered: (bytes[1] & UNORDERED) === 0,
    ...(limit === LIMITED_RETRANSMITS ? { maxRetransmits: value } : {}),
    ...(limit === LIMITED_LIFETIME ? { maxPacketLifeTime: value } : {}),
  };
  const label = new TextDecoder().decode(bytes.subarray(12, 12 + view.getUint16(8)));
  return { ...newChannel(streamId, label, options), acknowledged: true };
}
