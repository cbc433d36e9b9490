import type { Channel } from "../channel/channel.ts";
import type { ClientConnection } from "../core/client-connection.ts";
import type { Connection } from "../core/server-connection.ts";
import type { PeerTrace } from "../core/peer-trace.ts";
import type { ConnectionStats } from "../core/stats.ts";
import { alertName } from "../dtls/alert.ts";
import type { DtlsCloseReason } from "../dtls/connection.ts";
import type { CloseReason } from "../errors.ts";
import { formatAddress, isSameAddress, type SocketAddress } from "../wire/address.ts";
import type { DropCounters } from "../wire/drops.ts";
import { type Tsn, tsnAfter } from "../wire/serial.ts";
import { type ChunkSummary, summarizeChunks } from "./chunks.ts";
import { qlogEvent, qlogHeader, type TraceEnd, type TraceEventData, type TraceEventName } from "./events.ts";
import { ipPacket } from "./ip.ts";
import { TraceOutput } from "./output.ts";
import {
  type Direction,
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  LINKTYPE_RAW,
  LINKTYPE_SCTP,
  sectionHeader,
} from "./pcapng.ts";
import type { TraceSink } from "./sink.ts";

/** Interfaces of the capture, in order of their descriptions. */
const DATAGRAMS = 0;
const PACKETS = 1;

/** RFC 7983 §7. */
const STUN_LAST = 3;

export interface TracerOptions {
  readonly role: "client" | "server";
  readonly id: string;
  readonly peer: Connection | ClientConnection;
  /** Of the endpoint: what is dropped while a datagram of this peer is handled is this peer's. */
  readonly drops: DropCounters;
  /** Where the socket is bound. */
  readonly local: SocketAddress;
  readonly sink: TraceSink;
  readonly maxBytes: number;
  /** Keeps a call until the core has returned. */
  later(deliver: () => void): void;
  /** Wall clock, µs since 1970. Default: the system's. */
  readonly timeUs?: () => number;
}

/** Writes down what happens on one connection, from its construction until the connection ends or {@link stop} is called. */
export class Tracer implements PeerTrace {
  readonly #peer: Connection | ClientConnection;
  readonly #drops: DropCounters;
  readonly #local: SocketAddress;
  readonly #output: TraceOutput;
  readonly #timeUs: () => number;
  #isEnded = false;
  /** As they were when they were told last: what differs is an event. */
  #state: ConnectionStats["state"];
  #remote: SocketAddress;
  #isNegotiated = false;
  #metrics: Readonly<Record<string, unknown>> = {};
  #dropped: Readonly<Partial<Record<string, number>>>;
  /** The latest TSN that was sent: what is not later has been sent before. */
  #lastSent: Tsn | undefined;

  constructor(options: TracerOptions) {
    const { peer, drops, local, sink, maxBytes, role, id, timeUs = systemTimeUs } = options;
    this.#peer = peer;
    this.#drops = drops;
    this.#local = local;
    this.#timeUs = timeUs;
    this.#state = peer.state;
    this.#remote = peer.remote;
    this.#dropped = drops.snapshot();
    this.#output = new TraceOutput(sink, maxBytes, options, () => this.stop());
    this.#begin(role, id);
    peer.trace?.stop();
    peer.startTrace(this);
  }

  /** Ends the trace; the connection goes on. */
  stop(): void {
    this.#end("stopped");
  }

  datagramReceived(from: SocketAddress, datagram: Uint8Array): void {
    this.#dropped = this.#drops.snapshot();
    this.#datagram("inbound", from, datagram);
  }

  handled(): void {
    for (const [reason, count = 0] of Object.entries(this.#drops.snapshot())) {
      const more = count - (this.#dropped[reason] ?? 0);
      if (more > 0) this.#event("connection:dropped", { reason, count: more });
    }
    this.#observe();
  }

  datagramSent(to: SocketAddress, datagram: Uint8Array): void {
    this.#datagram("outbound", to, datagram);
  }

  packetReceived(packet: Uint8Array): void {
    this.#packet("inbound", packet);
    this.#event("sctp:packet_received", () => ({ length: packet.length, chunks: summarizeChunks(packet) }));
  }

  packetSent(packet: Uint8Array): void {
    this.#observe();
    this.#packet("outbound", packet);
    this.#event("sctp:packet_sent", () => ({ length: packet.length, chunks: this.#summarizeSent(packet) }));
  }

  secret(line: string): void {
    if (!this.#isEnded && this.#output.wantsPackets) this.#output.leadingBlock(decryptionSecrets(line));
  }

  timersExpired(timers: readonly string[]): void {
    if (timers.length > 0) this.#event("recovery:timer_expired", { timers });
  }

  dtlsClosed({ cause, alert }: DtlsCloseReason): void {
    this.#event("dtls:closed", { cause, ...(alert !== undefined && { alert: alertName(alert) }) });
  }

  channelOpened(channel: Channel): void {
    const { id, label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated } = channel;
    this.#observe();
    this.#event("channel:opened", {
      id,
      label,
      protocol,
      ordered,
      max_retransmits: maxRetransmits,
      max_packet_life_time: maxPacketLifeTime,
      negotiated,
    });
  }

  channelClosed({ id, label }: Channel): void {
    this.#event("channel:closed", { id, label });
  }

  ended(reason: CloseReason): void {
    this.#observe();
    this.#event("connection:closed", { reason });
    this.#end("closed");
  }

  #begin(role: "client" | "server", id: string): void {
    if (this.#output.wantsPackets) {
      this.#output.leadingBlock(sectionHeader(`Connection ${id} (${role}): contents in the clear, and keys`));
      this.#output.leadingBlock(interfaceDescription(LINKTYPE_RAW, "UDP datagrams"));
      this.#output.leadingBlock(interfaceDescription(LINKTYPE_SCTP, "SCTP packets, decrypted"));
    }
    if (this.#output.wantsEvents) this.#output.line(qlogHeader(role, id));
    const { state, remote } = this.#peer;
    this.#event("connection:started", { state, local: formatAddress(this.#local), remote: formatAddress(remote) });
    this.#observe();
  }

  #datagram(direction: Direction, remote: SocketAddress, datagram: Uint8Array): void {
    if (this.#isEnded) return;
    const isInbound = direction === "inbound";
    if (this.#output.wantsPackets) {
      const [from, to] = isInbound ? [remote, this.#local] : [this.#local, remote];
      this.#capture(DATAGRAMS, direction, ipPacket(from, to, datagram));
    }
    const protocol = datagram[0] <= STUN_LAST ? "stun" : "dtls";
    const [at, { length }] = [formatAddress(remote), datagram];
    if (isInbound) this.#event("udp:datagram_received", { from: at, protocol, length });
    else this.#event("udp:datagram_sent", { to: at, protocol, length });
  }

  #packet(direction: Direction, packet: Uint8Array): void {
    if (!this.#isEnded && this.#output.wantsPackets) this.#capture(PACKETS, direction, packet);
  }

  #capture(interfaceId: number, direction: Direction, data: Uint8Array): void {
    this.#output.block(enhancedPacket({ interfaceId, timeUs: this.#timeUs(), direction, data }));
    if (!this.#output.hasRoom) this.#end("limit");
  }

  #event<Name extends TraceEventName>(name: Name, data: TraceEventData<Name> | (() => TraceEventData<Name>)): void {
    if (this.#isEnded || !this.#output.wantsEvents) return;
    this.#output.line(qlogEvent(this.#timeUs(), name, typeof data === "function" ? data() : data));
    if (!this.#output.hasRoom) this.#end("limit");
  }

  /** Tells what has changed since it was told last. */
  #observe(): void {
    if (this.#isEnded || !this.#output.wantsEvents) return;
    const { remote } = this.#peer;
    const stats = this.#peer.stats(0);
    if (!isSameAddress(remote, this.#remote)) {
      this.#event("connection:path_changed", { old: formatAddress(this.#remote), new: formatAddress(remote) });
      this.#remote = remote;
    }
    this.#observeDtls(stats);
    this.#observeState(stats);
    if (stats.sctp !== undefined) this.#observeMetrics(stats.sctp);
  }

  #observeDtls({ dtls: { version, cipherSuite, group, groupName } }: ConnectionStats): void {
    if (this.#isNegotiated || version === undefined || group === undefined) return;
    this.#isNegotiated = true;
    const suite = cipherSuite === undefined ? undefined : `0x${cipherSuite.toString(16).padStart(4, "0")}`;
    this.#event("dtls:negotiated", { version, cipher_suite: suite, group: groupName ?? String(group) });
  }

  #observeState({ state }: ConnectionStats): void {
    if (state === this.#state) return;
    const isNew = this.#state === "handshaking" && state !== "closed";
    this.#event("connection:state_changed", { old: this.#state, new: state });
    this.#state = state;
    if (isNew) this.#event("sctp:association_established", { max_message_size: this.#peer.maxMessageBytes });
  }

  #observeMetrics(sctp: NonNullable<ConnectionStats["sctp"]>): void {
    const metrics: Record<string, unknown> = {
      smoothed_rtt: sctp.roundTripMs,
      congestion_window: sctp.congestionWindowBytes,
      bytes_in_flight: sctp.flightBytes,
      bytes_queued: sctp.queuedBytes,
      retransmissions: sctp.retransmissions,
      abandoned_messages: sctp.abandonedMessages,
      dropped_messages: sctp.droppedMessages,
    };
    const changed = Object.entries(metrics).filter(([name, value]) => value !== this.#metrics[name]);
    this.#metrics = metrics;
    if (changed.length > 0) this.#event("sctp:metrics_updated", Object.fromEntries(changed));
  }

  #summarizeSent(packet: Uint8Array): ChunkSummary[] {
    return summarizeChunks(packet, (sent) => {
      const isAgain = this.#lastSent !== undefined && !tsnAfter(sent, this.#lastSent);
      if (!isAgain) this.#lastSent = sent;
      return isAgain;
    });
  }

  #end(reason: TraceEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (this.#output.wantsEvents) this.#output.line(qlogEvent(this.#timeUs(), "trace:ended", { reason }));
    this.#output.end();
    this.#peer.startTrace(undefined);
  }
}

/** A step of the system's clock does not show: it is read once for a process. */
function systemTimeUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000);
}
