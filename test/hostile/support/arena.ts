import assert from "node:assert/strict";
import type { Connection } from "../../../src/core/server-connection.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { isStun } from "../../../src/ice/stun.ts";
import type { AssociationLimits, EndpointLimits } from "../../../src/limits.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";
import { BrowserPeer } from "../../sim/browser-peer/browser-peer.ts";
import type { PeerChannel } from "../../sim/browser-peer/data-channels.ts";
import { dtlsTransport } from "../../sim/browser-peer/dtls-transport.ts";
import { CHROMIUM, FIREFOX } from "../../sim/browser-peer/profile.ts";
import type { Host } from "../../sim/network.ts";
import { type Browser, SERVER_ADDRESS, World } from "../../sim/world.ts";
import { edited } from "./edited-transport.ts";

const FLOW_INTERVAL_MS = 16;
const MAX_RECORDED = 300;
const rogueCertificate = Certificate.generate();
const rogueDatapath = new Datapath({ keySlots: 64 });

export interface RogueOptions {
  /** What becomes of each datagram it sends. */
  editDatagram?: (datagram: Uint8Array) => Uint8Array[];
  /** What becomes of each SCTP packet, before it is encrypted. */
  editPacket?: (packet: Uint8Array) => Uint8Array[];
  address?: SocketAddress;
}

/**
 * A server's endpoint in a simulated network, with an honest page whose messages are echoed all the time. Whatever is done
 * to the server besides, that flow must not lose a message.
 */
export class Arena {
  readonly world: World;
  readonly bystander: Browser & { channel: PeerChannel };
  readonly bystanderAddress: SocketAddress;
  /** What the honest page has sent: the last few hundred records. */
  readonly records: Uint8Array[] = [];
  /** And its connectivity checks. */
  readonly checks: Uint8Array[] = [];
  #sent = 0;
  #echoed = 0;
  #rogues = 0;

  constructor(seed: string, limits: Partial<EndpointLimits & AssociationLimits> = {}) {
    this.world = new World(seed, limits);
    const { network, server } = this.world;
    network.onDelivery = (from, _to, datagram) => {
      const { port, address } = this.bystander?.host.address ?? from;
      if (from.port !== port || from.address !== address) return;
      const kept = isStun(datagram[0]) ? this.checks : this.records;
      kept.push(datagram.slice());
      if (kept.length > MAX_RECORDED) kept.shift();
    };
    server.onMessage = (connection, channel, data) => {
      connection.send(network.now, data, channel);
    };
    this.bystander = this.world.openBrowser();
    this.bystanderAddress = this.bystander.host.address;
    this.bystander.peer.events.message = (_now, _channel, data) => {
      assert.equal(data, `message ${this.#echoed++}`);
    };
  }

  get now(): number {
    return this.world.network.now;
  }

  get server() {
    return this.world.server;
  }

  /** The connection of the honest page. */
  get honest(): Connection {
    return this.server.opened[0];
  }

  /** A datagram that pretends to come from anywhere. */
  inject(source: SocketAddress, datagram: Uint8Array): void {
    this.server.handleDatagram(this.now, source, datagram);
  }

  /** What the server sends while `action` runs, to anybody but the honest page. */
  sentDuring(action: () => void): { count: number; bytes: number } {
    const { network } = this.world;
    const sent = { count: 0, bytes: 0 };
    const send = network.send;
    network.send = (from, destination, datagram) => {
      const { port, address } = this.bystanderAddress;
      if (from === this.server.host && (destination.port !== port || destination.address !== address)) {
        sent.count++;
        sent.bytes += datagram.length;
      }
      send.call(network, from, destination, datagram);
    };
    try {
      action();
    } finally {
      network.send = send;
    }
    return sent;
  }

  /** Lets time pass while the honest page talks; then every message of it must have come back, in order. */
  run(ms: number): void {
    const { network } = this.world;
    const { peer, host, channel } = this.bystander;
    const count = Math.max(1, Math.floor(ms / FLOW_INTERVAL_MS));
    network.every(this.now, FLOW_INTERVAL_MS, count, host, (_index, now) => {
      peer.send(now, channel, `message ${this.#sent++}`);
    });
    network.runUntil(this.now + ms + FLOW_INTERVAL_MS);
    assert.equal(this.#echoed, this.#sent, "the honest page lost messages");
    assert.equal(this.honest.state, "open");
  }

  /** A peer with a session of its own that does not stick to the rules. */
  addRogue({ editDatagram, editPacket, address }: RogueOptions): { peer: BrowserPeer; host: Host } {
    const { network, server } = this.world;
    const index = this.#rogues++;
    const random = network.random.fork(`rogue ${index}`);
    const profile = index % 2 === 0 ? CHROMIUM : FIREFOX;
    const plain = dtlsTransport({
      profile,
      random: random.fork("dtls"),
      certificate: rogueCertificate,
      datapath: rogueDatapath,
      serverFingerprint: server.endpoint.options.certificate.fingerprintBytes,
    });
    const peer = new BrowserPeer({
      profile,
      random,
      transport: editPacket === undefined ? plain : edited(plain, editPacket),
      send: (datagram) => {
        for (const result of editDatagram?.(datagram) ?? [datagram]) {
          if (result.length > 0) network.send(host, SERVER_ADDRESS, result);
        }
      },
    });
    const host = network.attach(peer, address ?? { address: "203.0.113.66", port: 1_024 + (index % 60_000) });
    const session = server.endpoint.createSession(network.now, {
      ufrag: peer.ice.local.ufrag,
      fingerprint: rogueCertificate.fingerprintBytes,
      sctpPort: 5000,
      maxMessageBytes: 262_144,
    });
    assert(session !== undefined, "the server refused the session");
    network.at(network.now, host, (now) => peer.start(now, { ufrag: session.localUfrag, pwd: session.localPwd }));
    return { peer, host };
  }

  /** The rogue disappears, its connection times out, and nothing of it may be left. */
  removeRogue({ peer, host }: { peer: BrowserPeer; host: Host }): void {
    peer.close(this.now);
    this.world.network.detach(host);
  }

  /** Waits until all connections but the honest one are gone, and checks that they left nothing. */
  settle(): void {
    this.run(45_000);
    const { endpoint } = this.server;
    assert.equal(endpoint.connectionCount, 1);
    assert.equal(endpoint.pendingSessionCount, 0);
    assert.equal(endpoint.handshakeCount, 0);
    // The honest page's, in DTLS 1.3 for some minutes with the handshake's beside them.
    const held = endpoint.datapath.keySlots - endpoint.datapath.freeKeySlots;
    assert.ok(held === 2 || held === 3, `keys of dead connections are held: ${held}`);
    this.server.closed.length = 0;
    this.server.opened.length = 1;
  }
}
