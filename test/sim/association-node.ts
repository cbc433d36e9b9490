import {
  Association,
  type AssociationCloseReason,
  type AssociationOptions,
  type OutgoingMessage,
  type PacketTransport,
  type SendResult,
} from "../../src/sctp/association.ts";
import { Datapath } from "../../src/wasm/datapath.ts";
import type { SocketAddress } from "../../src/wire/address.ts";
import { DropCounters } from "../../src/wire/drops.ts";
import type { Random } from "./random.ts";
import type { SctpNode } from "./sctp-node.ts";

/** The packets a browser sends at most, and about what fits a 1,200-byte datagram behind DTLS. */
const PACKET_BYTES = 1160;

let sharedDatapath: Datapath | undefined;

/** The product's association as a node of the network, its packets bare datagrams. */
export class AssociationNode implements SctpNode {
  readonly association: Association;
  readonly drops = new DropCounters();
  onMessage: (streamId: number, ppid: number, data: Uint8Array) => void = () => {};
  onTurn: (now: number) => void = () => {};
  isEstablished = false;
  closedBecause: AssociationCloseReason | undefined;

  constructor(random: Random, send: (packet: Uint8Array) => void, options: Partial<AssociationOptions> = {}) {
    sharedDatapath ??= new Datapath({ keySlots: 1 });
    const datapath = sharedDatapath;
    const transport: PacketTransport = {
      maxPacketBytes: PACKET_BYTES,
      begin: () => datapath.nextTx(),
      commit: (_now, offset, length) => {
        send(datapath.memory.subarray(offset, offset + length));
        return true;
      },
    };
    this.association = new Association({ random: random.bytes, drops: this.drops, ...options }, datapath, transport, {
      established: () => {
        this.isEstablished = true;
      },
      message: (streamId, ppid, data) => this.onMessage(streamId, ppid, data),
      incomingStreamsReset: () => {},
      outgoingStreamsReset: () => {},
      closed: (reason) => {
        this.closedBecause = reason;
      },
    });
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
    this.onTurn(now);
    this.association.flush(now);
  }

  connect(now: number): void {
    this.association.connect(now);
  }

  /** To be called from an action of this node's host, so that the flush follows. */
  send(now: number, message: OutgoingMessage): SendResult {
    return this.association.send(now, message);
  }

  offer(now: number, message: OutgoingMessage): boolean {
    const result = this.send(now, message);
    return result === "sent" || result === "queued";
  }

  close(): void {}
}
