import type { Random } from "../random.ts";
import type { SctpProfile } from "./profile.ts";
import {
  type DataChunk,
  decodeData,
  decodeForwardTsn,
  decodeInit,
  decodeSack,
  encodeData,
  encodeForwardTsn,
  encodeIData,
  encodeIForwardTsn,
  encodeInit,
  encodeSack,
  type Init,
} from "./sctp-chunks.ts";
import {
  ChunkType,
  COMMON_HEADER_BYTES,
  decodePacket,
  encodePacket,
  padded,
  type RawChunk,
  viewOf,
} from "./sctp-packet.ts";
import type { OutgoingMessage } from "./sctp-queue.ts";
import { SctpReceiver } from "./sctp-receiver.ts";
import { SctpReset } from "./sctp-reset.ts";
import { SctpSender } from "./sctp-sender.ts";
import { BackoffTimer, RetransmissionTimeout } from "./sctp-timing.ts";

/** The largest packet browsers send (measured): 1160 bytes of user data in one DATA chunk. */
const PACKET_BYTES = 1188;
const T1_MS = 1000;
const MAX_BURST_PACKETS = 4;
const MAX_INIT_RETRANSMITS = 8;
const MAX_RETRANSMITS = 10;
const MAX_FORWARD_TSN_DELAY_MS = 200;

/** Parameters of RFC 9260 §3.3.3.1, RFC 3758 §3.1 and RFC 5061 §4.2.7. */
const STATE_COOKIE = 7;
const FORWARD_TSN_SUPPORTED = 0xc000;
const SUPPORTED_EXTENSIONS = 0x8008;

const COOKIE_BYTES = 48;

export interface SctpSocketEvents {
  sendPacket(packet: Uint8Array): void;
  established(now: number): void;
  message(now: number, streamId: number, ppid: number, data: Uint8Array): void;
  incomingStreamsReset(now: number, streamIds: readonly number[]): void;
  outgoingStreamsReset(now: number, streamIds: readonly number[]): void;
  closed(now: number, reason: "aborted" | "lost" | "shut down"): void;
}

/** What exists only while an association does. */
interface Association {
  /** RFC 8260 §2.2.1: both sides list I-DATA, which then carries every message. */
  readonly interleaves: boolean;
  readonly peerTag: number;
  readonly peerInitialTsn: number;
  readonly sender: SctpSender;
  readonly receiver: SctpReceiver;
  readonly reset: SctpReset;
}

export type SctpState = "closed" | "cookie-wait" | "cookie-echoed" | "established";

/**
 * One end of an SCTP association over a secure transport (RFC 9260, 3758, 6525, 8261) that behaves as browsers were
 * measured to. It shares no code with the product.
 */
export class SctpSocket {
  state: SctpState = "closed";
  readonly rto = new RetransmissionTimeout();
  /** Packets that were dropped unread: checksum, tag, form. */
  droppedPackets = 0;

  readonly #profile: SctpProfile;
  readonly #random: Random;
  readonly #events: SctpSocketEvents;
  readonly #tag: number;
  readonly #initialTsn: number;
  readonly #t1 = new BackoffTimer();
  #cookie: Uint8Array | undefined;
  #association: Association | undefined;
  #forwardTsnNotBefore = 0;
  #heartbeatAt = Number.POSITIVE_INFINITY;
  #errors = 0;
  #now = 0;

  constructor(profile: SctpProfile, random: Random, events: SctpSocketEvents) {
    this.#profile = profile;
    this.#random = random;
    this.#events = events;
    this.#tag = Math.max(1, random.uint32());
    this.#initialTsn = random.uint32();
  }

  /** For assertions: congestion window in bytes, 0 without an association. */
  get congestionWindow(): number {
    return this.#association?.sender.congestionWindow ?? 0;
  }

  /** Bytes handed to {@link send} that did not leave yet. */
  get bufferedBytes(): number {
    return this.#association?.sender.queue.bytes ?? 0;
  }

  get duplicateChunks(): number {
    return this.#association?.receiver.duplicateChunks ?? 0;
  }

  get nextDeadline(): number {
    const association = this.#association;
    const next = Math.min(this.#t1.deadline, this.#heartbeatAt);
    if (association === undefined) return next;
    const { sender, receiver, reset } = association;
    return Math.min(next, sender.t3.deadline, receiver.sackDeadline, reset.deadline);
  }

  connect(now: number): void {
    if (this.state !== "closed") return;
    this.state = "cookie-wait";
    this.#t1.start(now, T1_MS);
    this.#sendInit();
  }

  send(now: number, message: OutgoingMessage): void {
    if (this.#association === undefined) return;
    this.#association.sender.queue.push(message);
    this.#sendBuffered(now);
  }

  resetStreams(now: number, streamIds: readonly number[]): void {
    this.#association?.reset.add(streamIds);
    this.#sendBuffered(now);
  }

  /** RFC 9260 §9.1, with the cause "User-Initiated Abort" (12) that browsers give. */
  abort(now: number): void {
    const cause = Uint8Array.of(0, 12, 0, 4);
    if (this.#association !== undefined) this.#transmit([{ type: ChunkType.abort, flags: 0, value: cause }]);
    this.#close(now, "aborted");
  }

  handleTimeout(now: number): void {
    this.#now = now;
    if (this.#t1.expire(now, T1_MS)) this.#handleT1(now);
    const association = this.#association;
    if (association !== undefined) {
      const { sender, receiver, reset } = association;
      receiver.handleTimeout(now);
      if (sender.t3.expire(now, this.rto.valueMs)) this.#handleT3(now, sender);
      if (reset.deadline <= now) this.#send(reset.repeat(now, this.rto.valueMs));
      this.#sendSack();
    }
    if (this.#heartbeatAt <= now) this.#sendHeartbeat(now);
  }

  handlePacket(now: number, bytes: Uint8Array): void {
    this.#now = now;
    const packet = decodePacket(bytes);
    if (packet === undefined || !this.#acceptsTag(packet.tag, packet.chunks)) {
      this.droppedPackets++;
      return;
    }
    for (const chunk of packet.chunks) this.#handleChunk(now, chunk);
    this.#association?.receiver.endPacket(now);
    this.#sendSack();
  }

  /** RFC 9260 §8.5: our own tag, but 0 for an INIT, which then is alone in its packet. */
  #acceptsTag(tag: number, chunks: readonly RawChunk[]): boolean {
    if (chunks[0].type === ChunkType.init) return tag === 0 && chunks.length === 1;
    return tag === this.#tag;
  }

  #handleChunk(now: number, chunk: RawChunk): void {
    const { type } = chunk;
    if (type === ChunkType.data || type === ChunkType.iData) this.#handleData(now, chunk);
    else if (type === ChunkType.sack) this.#handleSack(now, chunk);
    else if (type === ChunkType.forwardTsn || type === ChunkType.iForwardTsn) this.#handleForwardTsn(now, chunk);
    else if (type === ChunkType.init) this.#handleInit(chunk);
    else if (type === ChunkType.initAck) this.#handleInitAck(now, chunk);
    else if (type === ChunkType.cookieEcho) this.#handleCookieEcho(now, chunk);
    else if (type === ChunkType.cookieAck) this.#handleCookieAck(now);
    else if (type === ChunkType.reConfig) this.#handleReConfig(now, chunk);
    else if (type === ChunkType.heartbeat) this.#send({ ...chunk, type: ChunkType.heartbeatAck });
    else if (type === ChunkType.heartbeatAck) this.#errors = 0;
    else if (type === ChunkType.abort) this.#close(now, "aborted");
    else if (type === ChunkType.shutdown) this.#close(now, "shut down");
  }

  // --- Set-up (RFC 9260 §5) ---

  #sendInit(): void {
    this.#transmit([encodeInit(ChunkType.init, this.#ownInit([]))], 0);
  }

  #ownInit(parameters: Init["parameters"]): Init {
    return {
      tag: this.#tag,
      windowBytes: this.#profile.windowBytes,
      outboundStreams: 0xffff,
      inboundStreams: 0xffff,
      initialTsn: this.#initialTsn,
      parameters: [
        ...parameters,
        { type: FORWARD_TSN_SUPPORTED, value: new Uint8Array(0) },
        { type: SUPPORTED_EXTENSIONS, value: Uint8Array.from(this.#profile.extensions) },
      ],
    };
  }

  /** §5.2.1: an INIT that crosses our own is answered with our tag and TSN, and changes nothing. */
  #handleInit(chunk: RawChunk): void {
    const init = decodeInit(chunk);
    if (init === undefined) return;
    const cookie = this.#random.bytes(COOKIE_BYTES);
    const view = viewOf(cookie);
    view.setUint32(0, init.tag);
    view.setUint32(4, init.initialTsn);
    view.setUint32(8, init.windowBytes);
    cookie[12] = this.#interleavesWith(init) ? 1 : 0;
    const answer = this.#ownInit([{ type: STATE_COOKIE, value: cookie }]);
    this.#transmit([encodeInit(ChunkType.initAck, answer)], init.tag);
  }

  #handleInitAck(now: number, chunk: RawChunk): void {
    if (this.state !== "cookie-wait") return;
    const init = decodeInit(chunk);
    const cookie = init?.parameters.find(({ type }) => type === STATE_COOKIE);
    if (init === undefined || cookie === undefined) return;
    this.#associate(init.tag, init.initialTsn, init.windowBytes, this.#interleavesWith(init));
    this.#cookie = cookie.value;
    this.state = "cookie-echoed";
    this.#t1.start(now, T1_MS);
    this.#sendBuffered(now);
  }

  /** §5.2.4, the cases that can happen here: nothing yet (or crossing INITs), and a repeated COOKIE-ECHO. */
  #handleCookieEcho(now: number, chunk: RawChunk): void {
    if (chunk.value.length !== COOKIE_BYTES) return;
    const view = viewOf(chunk.value);
    const peerTag = view.getUint32(0);
    const known = this.#association?.peerTag === peerTag;
    if (this.state === "established" && !known) return;
    if (!known) this.#associate(peerTag, view.getUint32(4), view.getUint32(8), chunk.value[12] === 1);
    this.#cookie = undefined;
    this.#send({ type: ChunkType.cookieAck, flags: 0, value: new Uint8Array(0) });
    this.#establish(now);
  }

  #handleCookieAck(now: number): void {
    if (this.state !== "cookie-echoed") return;
    this.#cookie = undefined;
    this.#establish(now);
  }

  /** Like dcSCTP, where both sides list I-DATA and I-FORWARD-TSN. */
  #interleavesWith({ parameters }: Init): boolean {
    const theirs = parameters.find(({ type }) => type === SUPPORTED_EXTENSIONS)?.value ?? new Uint8Array(0);
    const needed = [ChunkType.iData, ChunkType.iForwardTsn];
    return needed.every((type) => theirs.includes(type) && this.#profile.extensions.includes(type));
  }

  #associate(peerTag: number, peerInitialTsn: number, peerWindow: number, interleaves: boolean): void {
    const { delayedSackMs, windowBytes, announcedShare } = this.#profile;
    const receiver = new SctpReceiver(
      peerInitialTsn,
      { delayMs: delayedSackMs, windowBytes: windowBytes * announcedShare, interleaved: interleaves },
      (streamId, ppid, data) => this.#events.message(this.#now, streamId, ppid, data),
    );
    const sender = new SctpSender(this.#initialTsn, peerWindow, this.rto, interleaves);
    const reset = new SctpReset(this.#initialTsn, peerInitialTsn, {
      hasReached: (tsn) => receiver.hasReached(tsn),
      incoming: (streamIds) => {
        receiver.restartSequences(streamIds);
        this.#events.incomingStreamsReset(this.#now, streamIds);
      },
      performed: (streamIds) => {
        for (const id of streamIds) sender.queue.restartSequence(id);
        this.#events.outgoingStreamsReset(this.#now, streamIds);
      },
    });
    this.#association = { interleaves, peerTag, peerInitialTsn, sender, receiver, reset };
  }

  #establish(now: number): void {
    if (this.state === "established") return;
    this.state = "established";
    this.#t1.stop();
    this.#restartHeartbeat(now);
    this.#events.established(now);
  }

  #handleT1(now: number): void {
    if (this.#t1.expirations > MAX_INIT_RETRANSMITS) this.#close(now, "lost");
    else if (this.state === "cookie-wait") this.#sendInit();
    else this.#sendBuffered(now);
  }

  // --- Data ---

  #handleData(now: number, chunk: RawChunk): void {
    if (!this.#isAgreed(now, chunk.type === ChunkType.iData)) return;
    const data = decodeData(chunk);
    if (data !== undefined) this.#association?.receiver.handleData(data);
  }

  #handleSack(now: number, chunk: RawChunk): void {
    const sack = decodeSack(chunk);
    const sender = this.#association?.sender;
    if (sack === undefined || sender === undefined) return;
    const progress = sender.handleSack(now, sack);
    if (progress === undefined) return;
    if (progress) this.#errors = 0;
    const repeated = sender.takeFastRetransmit(now, PACKET_BYTES - COMMON_HEADER_BYTES);
    if (repeated.length > 0) this.#transmit(repeated.map((data) => this.#encode(data)));
    this.#sendBuffered(now);
  }

  #handleForwardTsn(now: number, chunk: RawChunk): void {
    if (!this.#isAgreed(now, chunk.type === ChunkType.iForwardTsn)) return;
    const forward = decodeForwardTsn(chunk);
    if (forward !== undefined) this.#association?.receiver.handleForwardTsn(forward);
  }

  /** RFC 8260 §2.2.3: a chunk of the kind that was not agreed on ends the association. */
  #isAgreed(now: number, isInterleaved: boolean): boolean {
    if (this.#association === undefined || this.#association.interleaves === isInterleaved) return true;
    this.abort(now);
    return false;
  }

  #encode(data: DataChunk): RawChunk {
    return this.#association?.interleaves ? encodeIData(data) : encodeData(data);
  }

  #handleReConfig(now: number, chunk: RawChunk): void {
    for (const response of this.#association?.reset.handleReConfig(chunk) ?? []) this.#send(response);
    this.#sendBuffered(now);
  }

  #handleT3(now: number, sender: SctpSender): void {
    if (++this.#errors > MAX_RETRANSMITS) {
      this.#close(now, "lost");
      return;
    }
    sender.handleT3();
    this.#sendBuffered(now);
  }

  /** Packets as the congestion window allows, at most a burst; control chunks ride in the first. */
  #sendBuffered(now: number): void {
    const association = this.#association;
    if (association === undefined) return;
    const { sender, receiver, reset } = association;
    for (let packet = 0; packet < MAX_BURST_PACKETS; packet++) {
      const chunks: RawChunk[] = [];
      if (packet === 0) {
        if (this.#cookie !== undefined) chunks.push({ type: ChunkType.cookieEcho, flags: 0, value: this.#cookie });
        if (receiver.sackDue(true)) chunks.push(encodeSack(receiver.takeSack()));
        const forward = this.#forwardTsn(now, sender);
        if (forward !== undefined) chunks.push(forward);
        const request = reset.nextRequest(now, this.rto.valueMs, sender.lastAssignedTsn >>> 0, (id) =>
          sender.queue.isEmpty(id),
        );
        if (request !== undefined) chunks.push(request);
      }
      const data = sender.take(now, PACKET_BYTES - packetBytes(chunks));
      if (data.length > 0) this.#restartHeartbeat(now);
      for (const chunk of data) chunks.push(this.#encode(chunk));
      if (chunks.length === 0) return;
      this.#transmit(chunks);
      // RFC 9260 §5.1: until the COOKIE-ACK no other packet leaves.
      if (this.#cookie !== undefined) return;
    }
  }

  /** RFC 3758 §3.5 C: not repeated within a round trip (at most 200 ms). */
  #forwardTsn(now: number, sender: SctpSender): RawChunk | undefined {
    if (now < this.#forwardTsnNotBefore) return undefined;
    const forward = sender.forwardTsn(now);
    if (forward === undefined) return undefined;
    this.#forwardTsnNotBefore = now + Math.min(MAX_FORWARD_TSN_DELAY_MS, this.rto.smoothedMs);
    return this.#association?.interleaves ? encodeIForwardTsn(forward) : encodeForwardTsn(forward);
  }

  #sendSack(): void {
    const receiver = this.#association?.receiver;
    if (receiver?.sackDue(false)) this.#transmit([encodeSack(receiver.takeSack())]);
  }

  #sendHeartbeat(now: number): void {
    // RFC 9260 §3.3.5: information of the sender's own choice, 12 bytes with its header in both browsers.
    const value = new Uint8Array(12);
    viewOf(value).setUint16(0, 1);
    viewOf(value).setUint16(2, 12);
    viewOf(value).setFloat64(4, now);
    this.#send({ type: ChunkType.heartbeat, flags: 0, value });
    this.#restartHeartbeat(now);
  }

  #restartHeartbeat(now: number): void {
    this.#heartbeatAt = now + this.#profile.heartbeatMs + this.rto.valueMs;
  }

  #send(chunk: RawChunk | undefined): void {
    if (chunk !== undefined) this.#transmit([chunk]);
  }

  #transmit(chunks: readonly RawChunk[], tag = this.#association?.peerTag ?? 0): void {
    this.#events.sendPacket(encodePacket(tag, chunks));
  }

  #close(now: number, reason: "aborted" | "lost" | "shut down"): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#association = undefined;
    this.#cookie = undefined;
    this.#t1.stop();
    this.#heartbeatAt = Number.POSITIVE_INFINITY;
    this.#events.closed(now, reason);
  }
}

function packetBytes(chunks: readonly RawChunk[]): number {
  let bytes = COMMON_HEADER_BYTES;
  for (const { value } of chunks) bytes += padded(4 + value.length);
  return bytes;
}
