import type { OutgoingMessage } from "../../src/sctp/association.ts";
import type { SimNode } from "./network.ts";

/** One end of an SCTP association, whoever wrote it. Its packets are bare datagrams. */
export interface SctpNode extends SimNode {
  readonly isEstablished: boolean;
  /** Why the association ended; `undefined` while it has not. */
  readonly closedBecause: string | undefined;
  onMessage: (streamId: number, ppid: number, data: Uint8Array) => void;
  /** Called after everything that happened at one instant: an application that sends as soon as there is room. */
  onTurn: (now: number) => void;
  connect(now: number): void;
  /** Sends a message where there is room. To be called from an action of this node's host: the flush follows it. */
  offer(now: number, message: OutgoingMessage): boolean;
  close(): void;
}
