/** A page's world in small: RTCPeerConnection, pagehide and a signalling server that the test moves by hand. */
import { vi } from "vitest";

export class FakeChannel {
  readonly label: string;
  readonly init: RTCDataChannelInit;
  readyState = "connecting";
  bufferedAmount = 0;
  binaryType = "";
  readonly sent: unknown[] = [];
  onopen = () => {};
  onclose = () => {};
  onmessage: (event: { data: unknown }) => void = () => {};

  constructor(label: string, init: RTCDataChannelInit) {
    this.label = label;
    this.init = init;
  }

  send(data: unknown): void {
    this.sent.push(data);
  }
}

export class FakePeer {
  static readonly all: FakePeer[] = [];
  static get last(): FakePeer {
    return FakePeer.all[FakePeer.all.length - 1];
  }

  readonly sctp = { maxMessageSize: 1200 };
  connectionState = "new";
  iceConnectionState = "new";
  onconnectionstatechange = () => {};
  oniceconnectionstatechange = () => {};
  remoteDescription: unknown = null;
  localDescription: unknown = null;
  readonly candidates: unknown[] = [];
  readonly offers: (RTCOfferOptions | undefined)[] = [];
  /** Answers that were applied. */
  answers = 0;
  channel!: FakeChannel;
  closed = false;
  /** What the statistics say of its candidate pairs. */
  pairs: { bytesSent?: number; bytesReceived?: number }[] = [];
  /** How often somebody looked at them, and how long that takes. */
  looks = 0;
  statsTakeMs = 0;

  constructor() {
    FakePeer.all.push(this);
  }

  createDataChannel(label: string, init: RTCDataChannelInit): FakeChannel {
    if (init.maxRetransmits !== undefined && init.maxPacketLifeTime !== undefined) throw new TypeError("both limits");
    this.channel = new FakeChannel(label, init);
    return this.channel;
  }

  async createOffer(options?: RTCOfferOptions) {
    this.offers.push(options);
    return { type: "offer", sdp: "v=0 offer" };
  }

  async setLocalDescription(description: unknown) {
    this.localDescription = description;
  }

  async setRemoteDescription(description: { type?: string }) {
    if (description.type !== "answer") throw new TypeError("not an answer");
    this.remoteDescription = description;
    this.answers++;
  }

  async getStats() {
    this.looks++;
    if (this.statsTakeMs > 0) await new Promise((resolve) => setTimeout(resolve, this.statsTakeMs));
    const pairs = this.pairs.map((pair, i) => [`pair${i}`, { ...pair, type: "candidate-pair" }] as const);
    return new Map<string, object>([...pairs, ["transport", { type: "transport", bytesSent: 1, bytesReceived: 1 }]]);
  }

  async addIceCandidate(candidate: unknown) {
    this.candidates.push(candidate);
  }

  close(): void {
    this.closed = true;
  }

  // ——— what the test does ———

  become(connectionState: string, iceConnectionState = this.iceConnectionState): void {
    this.connectionState = connectionState;
    this.iceConnectionState = iceConnectionState;
    this.oniceconnectionstatechange();
    this.onconnectionstatechange();
  }

  open(): void {
    this.become("connected", "connected");
    this.channel.readyState = "open";
    this.channel.onopen();
  }
}

export const ANSWER = {
  answer: { type: "answer", sdp: "v=0\r\na=ice-ufrag:s3rver\r\n" },
  id: "Abc-012_xyz9",
  candidate: { candidate: "candidate:1 1 udp 1 192.0.2.1 42424 typ host", sdpMLineIndex: 0, sdpMid: "0" },
};

export const answering = () => vi.fn(async (_url: string, _init: RequestInit) => Response.json(ANSWER));

/** Listeners of the page's own events. */
export const page = new EventTarget();

export function enterPage(): void {
  FakePeer.all.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal("RTCPeerConnection", FakePeer);
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
}

export function leavePage(): void {
  vi.unstubAllGlobals();
  vi.useRealTimers();
}

/** Lets all promises settle; no time passes. */
export const settle = () => vi.advanceTimersByTimeAsync(0);
