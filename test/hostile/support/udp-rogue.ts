import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { readAnswer, writeOffer } from "../../../src/client/native/description.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";
import { BrowserPeer } from "../../sim/browser-peer/browser-peer.ts";
import type { PeerChannel } from "../../sim/browser-peer/data-channels.ts";
import { dtlsTransport } from "../../sim/browser-peer/dtls-transport.ts";
import { CHROMIUM } from "../../sim/browser-peer/profile.ts";
import { decodePacket, encodePacket, type SctpPacket } from "../../sim/browser-peer/sctp-packet.ts";
import { Random } from "../../sim/random.ts";
import { EventLog } from "../../support/wait.ts";
import { edited } from "./edited-transport.ts";

/** A peer that gets no answer repeats itself less and less often. By then it has said what it has to say. */
const PATIENCE_MS = 5_000;
const MAX_PACKET_BYTES = 1_150;
/** An opening takes some fifteen, repetitions included. */
const MOST_DATAGRAMS = 32;
const certificate = Certificate.generate();
const datapath = new Datapath({ keySlots: 1_024 });
const random = new Random("udp rogue");
let count = 0;

export interface UdpRogueOptions {
  /** Hands an offer to the server; resolves with the body of its answer. */
  signal(offer: string): Promise<string>;
  editOffer?: ((sdp: string) => string) | undefined;
  /** What becomes of each SCTP packet before it is encrypted. */
  editPacket?: ((packet: SctpPacket) => SctpPacket[]) | undefined;
  /** What becomes of each datagram. */
  editDatagram?: ((datagram: Uint8Array) => Uint8Array[]) | undefined;
}

/** A browser that does not stick to the rules, over a real UDP socket: the simulator's, with one channel and edited words. */
export class UdpRogue {
  readonly peer: BrowserPeer;
  readonly channel: PeerChannel;
  /** What happened, in order: `datagram` and `INIT` (sent), `open`, `message`, `closed`. */
  readonly events = new EventLog<string>();
  readonly #socket: Socket;
  /** Of the server's certificate; filled in when its answer has come. */
  readonly #fingerprint = new Uint8Array(32);
  #server!: SocketAddress;
  #timer: NodeJS.Timeout | undefined;

  /** Signals and begins; the rest happens by itself. */
  static async join(options: UdpRogueOptions): Promise<UdpRogue> {
    // Addresses are numeric. Without an answer at once what is sent last would not leave before the close.
    const lookup: SocketOptions["lookup"] = (host, _options, callback) => callback(null, host, 4);
    const socket = createSocket({ type: "udp4", lookup });
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const rogue = new UdpRogue(socket, options);
    try {
      await rogue.#start(options);
    } catch (error) {
      rogue.close();
      throw error;
    }
    return rogue;
  }

  private constructor(socket: Socket, { editPacket = (packet) => [packet], editDatagram }: UdpRogueOptions) {
    this.#socket = socket;
    const own = random.fork(String(count++));
    const plain = dtlsTransport({
      profile: CHROMIUM,
      random: own.fork("dtls"),
      certificate,
      datapath,
      serverFingerprint: this.#fingerprint,
    });
    this.peer = new BrowserPeer({
      profile: CHROMIUM,
      random: own,
      transport: edited(plain, (bytes) => this.#edited(bytes, editPacket)),
      send: (datagram) => {
        this.events.push("datagram");
        for (const result of editDatagram?.(datagram) ?? [datagram]) this.inject(result);
      },
    });
    this.peer.events = {
      opened: () => this.events.push("open"),
      message: () => this.events.push("message"),
      closed: () => this.events.push("closed"),
    };
    this.channel = this.peer.createChannel(0, "data", { ordered: false, maxRetransmits: 0 });
  }

  async #start({ signal, editOffer = (sdp) => sdp }: UdpRogueOptions): Promise<void> {
    const { fingerprintBytes: fingerprint } = certificate;
    const offer = writeOffer({ credentials: this.peer.ice.local, fingerprint, maxMessageBytes: 65_536 }, "1");
    const server = readAnswer(await signal(editOffer(offer)));
    if (typeof server === "string") throw new Error(server);
    this.#fingerprint.set(server.fingerprint);
    this.#server = server.candidates[0];
    this.#socket.on("error", () => {});
    this.#socket.on("message", (datagram, source) => {
      this.peer.handleDatagram(performance.now(), source, datagram);
      this.#arm();
    });
    this.peer.start(performance.now(), server);
    this.#arm();
  }

  /** Until it has said what it has to say: the channel is open (to it), it was turned away, or it only repeats itself. */
  async settled(): Promise<void> {
    const { entries } = this.events;
    const countOf = (wanted: string) => entries.filter((entry) => entry === wanted).length;
    const isEnd = () =>
      countOf("open") + countOf("closed") > 0 || countOf("INIT") > 2 || countOf("datagram") > MOST_DATAGRAMS;
    await this.events.waitFor(PATIENCE_MS, "the end of the handshake", isEnd).catch(() => {});
  }

  /** Sends a message on its channel, if there is one. */
  send(message: Uint8Array | string): void {
    if (this.channel.state === "open") this.peer.send(performance.now(), this.channel, message);
    this.#arm();
  }

  /** Sends a datagram as it is. */
  inject(datagram: Uint8Array): void {
    const { port, address } = this.#server;
    if (datagram.length > 0) this.#socket.send(datagram, port, address, () => {});
  }

  close(): void {
    clearTimeout(this.#timer);
    this.peer.close(performance.now());
    this.#socket.close();
  }

  #edited(bytes: Uint8Array, edit: (packet: SctpPacket) => SctpPacket[]): Uint8Array[] {
    const packet = decodePacket(bytes);
    if (packet === undefined) return [bytes];
    if (packet.chunks[0].type === 1) this.events.push("INIT");
    return edit(packet)
      .map(({ tag, chunks }) => encodePacket(tag, chunks))
      .filter(({ length }) => length <= MAX_PACKET_BYTES);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const due = this.peer.nextDeadline;
    if (due === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        this.peer.handleTimeout(performance.now());
        this.#arm();
      },
      Math.max(0, Math.ceil(due - performance.now())),
    );
  }
}
