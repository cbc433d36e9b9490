import type { Channel } from "../../src/channel/channel.ts";
import { Channels } from "../../src/channel/channels.ts";
import { type AssociationLimits, DEFAULT_ASSOCIATION_LIMITS } from "../../src/limits.ts";
import { Association, type AssociationCloseReason } from "../../src/sctp/association.ts";
import { Datapath } from "../../src/wasm/datapath.ts";
import type { SocketAddress } from "../../src/wire/address.ts";
import { DropCounters } from "../../src/wire/drops.ts";
import type { SimNode } from "./network.ts";
import type { Random } from "./random.ts";

/** What fits a 1,200-byte datagram behind DTLS. */
const PACKET_BYTES = 1160;

let sharedDatapath: Datapath | undefined;

/** Data channels over a bare association as a node of the network. */
export class ChannelsNode implements SimNode {
  readonly channels: Channels;
  readonly association: Association;
  readonly drops = new DropCounters();
  onOpen: (channel: Channel) => void = () => {};
  onMessage: (channel: Channel, data: Uint8Array | string) => void = () => {};
  onClose: (channel: Channel) => void = () => {};
  isEstablished = false;
  closedBecause: AssociationCloseReason | undefined;

  constructor(
    random: Random,
    role: "client" | "server",
    send: (packet: Uint8Array) => void,
    limits: AssociationLimits = DEFAULT_ASSOCIATION_LIMITS,
  ) {
    sharedDatapath ??= new Datapath({ keySlots: 1 });
    const datapath = sharedDatapath;
    const transport = {
      maxPacketBytes: PACKET_BYTES,
      begin: () => datapath.nextTx(),
      commit: (_now: number, offset: number, length: number) => send(datapath.memory.subarray(offset, offset + length)),
    };
    this.channels = new Channels(
      { role, limits, drops: this.drops },
      {
        associationEstablished: () => {
          this.isEstablished = true;
        },
        associationClosed: (reason) => {
          this.closedBecause = reason;
        },
        channelOpened: (channel) => this.onOpen(channel),
        channelMessage: (channel, data) => this.onMessage(channel, data),
        channelClosed: (channel) => this.onClose(channel),
      },
    );
    const options = { random: random.bytes, drops: this.drops, limits };
    this.association = new Association(options, datapath, transport, this.channels);
    this.channels.attach(this.association);
  }

  get nextDeadline(): number {
    return this.association.nextDeadline;
  }

  handleDatagram(now: number, _source: SocketAddress, datagram: Uint8Array): void {
    this.association.handlePacket(now, datagram);
  }

  handleTimeout(now: number): void {
    this.association.handleTimeout(now);
  }

  flush(now: number): void {
    this.association.flush(now);
  }
}
