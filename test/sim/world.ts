import { Certificate } from "../../src/dtls/certificate.ts";
import type { HeldSession } from "../../src/core/server-endpoint.ts";
import type { DtlsVersion } from "../../src/dtls/connection.ts";
import type { AssociationLimits, EndpointLimits } from "../../src/limits.ts";
import { Datapath } from "../../src/wasm/datapath.ts";
import type { SocketAddress } from "../../src/wire/address.ts";
import { BrowserPeer } from "./browser-peer/browser-peer.ts";
import type { ChannelOptions, PeerChannel } from "./browser-peer/data-channels.ts";
import { dtlsTransport } from "./browser-peer/dtls-transport.ts";
import { type BrowserProfile, CHROMIUM } from "./browser-peer/profile.ts";
import type { LinkConditions } from "./link.ts";
import { type Host, Network } from "./network.ts";
import { ServerNode } from "./server-node.ts";

/** Unreliable and unordered, as the product is for. */
export const UNRELIABLE: ChannelOptions = { ordered: false, maxRetransmits: 0 };

export const SERVER_ADDRESS: SocketAddress = { address: "192.0.2.1", port: 42424 };

// Made once: keys cost more than all the rest of a set-up, and no outcome depends on them.
let serverCertificate: Certificate | undefined;
let browserCertificate: Certificate | undefined;
let anotherCertificate: Certificate | undefined;

export interface BrowserOptions {
  profile?: BrowserProfile;
  line?: Partial<LinkConditions> & { rttMs?: number };
  /** Default: an address of its own. */
  address?: SocketAddress;
  /** Whose certificate it has. Default: that of all browsers. */
  certificate?: "another";
}

/** A browser with its place in the network. */
export interface Browser {
  readonly peer: BrowserPeer;
  readonly host: Host;
  /** What the server agreed on with it. */
  readonly session: HeldSession;
}

/** One server and any number of browsers around a simulated network. */
export class World {
  readonly network: Network;
  readonly server: ServerNode;
  /** Of all browsers here: two key slots for each. */
  readonly #datapath = new Datapath({ keySlots: 64, txSlots: 4 });
  #browsers = 0;

  constructor(
    seed: string,
    limits: Partial<EndpointLimits & AssociationLimits> = {},
    dtlsVersions?: readonly DtlsVersion[],
  ) {
    serverCertificate ??= Certificate.generate();
    this.network = new Network(seed);
    this.server = new ServerNode(this.network, SERVER_ADDRESS, serverCertificate, limits, dtlsVersions);
  }

  /** A browser whose offer was answered, and whose checks begin now. */
  addBrowser({ profile = CHROMIUM, line = {}, address, certificate: whose }: BrowserOptions = {}): Browser {
    browserCertificate ??= Certificate.generate();
    if (whose === "another") anotherCertificate ??= Certificate.generate();
    const certificate = whose === "another" ? anotherCertificate! : browserCertificate;
    const index = this.#browsers++;
    const random = this.network.random.fork(`browser ${index}`);
    const transport = dtlsTransport({
      profile,
      random: random.fork("dtls"),
      certificate,
      datapath: this.#datapath,
      serverFingerprint: this.server.endpoint.options.certificate.fingerprintBytes,
    });
    const peer = new BrowserPeer({
      profile,
      random,
      transport,
      send: (datagram) => this.network.send(host, SERVER_ADDRESS, datagram),
    });
    const host = this.network.attach(peer, address ?? { address: `198.51.100.${index + 1}`, port: 50_000 + index });
    host.setLine(line);
    const session = this.server.endpoint.createSession(this.network.now, {
      ufrag: peer.ice.local.ufrag,
      fingerprint: certificate.fingerprintBytes,
      sctpPort: 5000,
      maxMessageBytes: 262_144,
    });
    if (session === undefined) throw new Error("the server refused the session");
    this.network.at(this.network.now, host, (now) => {
      peer.start(now, { ufrag: session.localUfrag, pwd: session.localPwd });
    });
    return { peer, host, session };
  }

  /** A browser with one open channel; throws where it does not open within `limitMs`. */
  openBrowser(
    options: BrowserOptions & { channel?: ChannelOptions; limitMs?: number } = {},
  ): Browser & { channel: PeerChannel } {
    const { channel: channelOptions = UNRELIABLE, limitMs = 30_000 } = options;
    const browser = this.addBrowser(options);
    const channel = browser.peer.createChannel(this.network.now, "data", channelOptions);
    const start = this.network.now;
    const known = this.server.opened.length;
    const bothOpen = () => channel.state === "open" && channel.acknowledged && this.server.opened.length > known;
    if (!this.network.runUntil(start + limitMs, bothOpen)) {
      throw new Error(`not open after ${limitMs} ms: page ${channel.state}, ${this.#describe()}`);
    }
    return { ...browser, channel };
  }

  #describe(): string {
    const states = [...this.server.endpoint.connections()].map(({ state }) => state);
    const drops = JSON.stringify(this.server.endpoint.drops.snapshot());
    return `server ${states.join(", ") || "without connections"}, drops ${drops}`;
  }
}
