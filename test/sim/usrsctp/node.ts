import type { OutgoingMessage } from "../../../src/sctp/association.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";
import type { SctpNode } from "../sctp-node.ts";
import type { Random } from "../random.ts";
import { PeerProcess } from "./process.ts";

/** Firefox fixes its path MTU near this; its SCTP packets reach the DTLS layer with as many bytes. */
export const FIREFOX_PATH_MTU_BYTES = 1191;
/** usrsctp looks at its timers this often, as its own thread does, ms. */
const TICK_MS = 10;

export interface UsrsctpOptions {
  role: "client" | "server";
  pathMtuBytes?: number;
  interleaving?: boolean;
  /** Whether {@link UsrsctpNode.setReading} works. Default false: messages are called back, as Firefox has it. */
  pulls?: boolean;
}

/** usrsctp, configured as Firefox configures it, as a node of the network; its packets are bare datagrams. */
export class UsrsctpNode implements SctpNode {
  onMessage: (streamId: number, ppid: number, data: Uint8Array) => void = () => {};
  onTurn: (now: number) => void = () => {};
  isEstablished = false;
  closedBecause: string | undefined;
  /** What usrsctp reported: `up`, `lost`, `down`, `reset in 5`, `reset out 5`. */
  readonly events: string[] = [];
  #now = 0;
  readonly #process: PeerProcess;

  constructor(random: Random, send: (packet: Uint8Array) => void, options: UsrsctpOptions) {
    const { role, pathMtuBytes = FIREFOX_PATH_MTU_BYTES, interleaving = false, pulls = false } = options;
    this.#process = new PeerProcess(
      { role, seed: random.uint32(), pathMtuBytes, interleaving, pulls },
      {
        packet: send,
        message: (streamId, ppid, data) => this.onMessage(streamId, ppid, data),
        event: (event) => this.#takeEvent(event),
      },
    );
  }

  get nextDeadline(): number {
    return (Math.floor(this.#now / TICK_MS) + 1) * TICK_MS;
  }

  handleDatagram(now: number, _source: SocketAddress, datagram: Uint8Array): void {
    this.#request(now, "p", datagram);
  }

  handleTimeout(now: number): void {
    this.#request(now, "t");
  }

  flush(now: number): void {
    this.onTurn(now);
  }

  connect(now: number): void {
    const error = this.#request(now, "c");
    if (error !== 0) throw new Error(`usrsctp_connect: errno ${error}`);
  }

  offer(now: number, message: OutgoingMessage): boolean {
    const { streamId, ppid, data, ordered = false, maxRetransmits = -1, lifetimeMs = -1 } = message;
    const head = Buffer.alloc(15);
    head.writeUInt16LE(streamId, 0);
    head.writeUInt32LE(ppid, 2);
    head.writeUInt8(ordered ? 1 : 0, 6);
    head.writeInt32LE(maxRetransmits, 7);
    head.writeInt32LE(lifetimeMs, 11);
    return this.#request(now, "s", head, data) === 0;
  }

  resetStream(now: number, streamId: number): boolean {
    return this.#request(now, "r", Uint8Array.of(streamId & 0xff, streamId >>> 8)) === 0;
  }

  /** Its application stops reading, or goes on; what it has not read narrows its window. */
  setReading(now: number, reads: boolean): void {
    this.#request(now, "h", Uint8Array.of(reads ? 1 : 0));
  }

  shutdown(now: number): void {
    this.#request(now, "d");
  }

  close(): void {
    this.#process.close();
  }

  #request(now: number, operation: string, ...fields: Uint8Array[]): number {
    this.#now = now;
    return this.#process.request(now, operation, ...fields);
  }

  #takeEvent(event: string): void {
    this.events.push(event);
    if (event === "up") this.isEstablished = true;
    else if (event === "lost" || event === "down") this.closedBecause = event;
  }
}
