import type { ChannelParameters } from "./dcep.ts";

/** The states of `RTCDataChannel.readyState`. */
export type ChannelState = "connecting" | "open" | "closing" | "closed";

/**
 * One data channel of a connection: a stream in each direction, with a name and its own reliability and order, in both
 * directions. The fields are those of `RTCDataChannel`.
 */
export class Channel implements ChannelParameters {
  /** The stream's number; free for another channel after `closed`. −1 where the channel was refused before it had one. */
  readonly id: number;
  readonly label: string;
  readonly protocol: string;
  readonly ordered: boolean;
  readonly maxRetransmits: number | null;
  readonly maxPacketLifeTime: number | null;
  readonly priority: number;
  /** Agreed outside the connection: neither side announced it. */
  readonly negotiated: boolean;
  /** @internal No message is given up, however long it takes. */
  readonly isReliable: boolean;
  /** @internal Kept by `Channels`. */
  state: ChannelState;
  /** @internal Our OPEN has not been answered: messages stay behind it. */
  awaitsAck = false;
  /** @internal The peer has closed its direction. How far ours is closed, the association knows. */
  incomingClosed = false;

  constructor(id: number, parameters: ChannelParameters, negotiated: boolean, state: ChannelState) {
    this.id = id;
    this.label = parameters.label;
    this.protocol = parameters.protocol;
    this.ordered = parameters.ordered;
    this.maxRetransmits = parameters.maxRetransmits;
    this.maxPacketLifeTime = parameters.maxPacketLifeTime;
    this.isReliable = parameters.maxRetransmits === null && parameters.maxPacketLifeTime === null;
    this.priority = parameters.priority;
    this.negotiated = negotiated;
    this.state = state;
  }
}
