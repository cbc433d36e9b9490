import { beforeAll, describe, expect, it } from "vitest";
import { Certificate } from "../../src/dtls/certificate.ts";
import { DtlsConnection, type DtlsVersion } from "../../src/dtls/connection.ts";
import { Datapath } from "../../src/wasm/datapath.ts";
import { equalBytes } from "../../src/wire/bytes.ts";
import type { Fate, Link } from "./link.ts";
import { type Host, Network, type SimNode } from "./network.ts";

const CLIENT = { address: "198.51.100.1", port: 50_000 };
const SERVER = { address: "192.0.2.1", port: 42_424 };
const RTT_MS = 100;
const CLIENT_TIMEOUT_MS = 100;
const SERVER_TIMEOUT_MS = 200;

let certificates: { client: Certificate; server: Certificate };
let datapaths: { client: Datapath; server: Datapath };

beforeAll(() => {
  certificates = { client: Certificate.generate(), server: Certificate.generate() };
  datapaths = { client: new Datapath({ keySlots: 64 }), server: new Datapath({ keySlots: 64 }) };
});

/** One DTLS connection of the product as a node; sends one record of application data as soon as it is connected. */
class DtlsNode implements SimNode {
  readonly dtls: DtlsConnection;
  readonly received: string[] = [];
  connectedAt = Number.NaN;
  closedBecause = "";
  #now = 0;

  constructor(role: "client" | "server", send: (datagram: Uint8Array) => void, line: Line, seed: Network) {
    const { mtuBytes, version } = line;
    const peer = role === "client" ? "server" : "client";
    this.dtls = new DtlsConnection(
      {
        role,
        mtuBytes,
        versions: [version],
        certificate: certificates[role],
        datapath: datapaths[role],
        initialTimeoutMs: role === "client" ? CLIENT_TIMEOUT_MS : SERVER_TIMEOUT_MS,
        random: seed.random.fork(role).bytes,
        verifyPeerCertificate: (der) => equalBytes(der, certificates[peer].der),
      },
      {
        transmit: send,
        connected: () => {
          this.connectedAt = this.#now;
          this.dtls.send(this.#now, new TextEncoder().encode(`hello from the ${role}`));
        },
        applicationData: (data) => this.received.push(new TextDecoder().decode(data)),
        closed: ({ cause }) => {
          this.closedBecause = cause;
        },
      },
    );
  }

  get nextDeadline(): number {
    return this.dtls.nextDeadline;
  }

  handleDatagram(now: number, _source: unknown, datagram: Uint8Array): void {
    this.#now = now;
    this.dtls.handleDatagram(now, datagram);
  }

  handleTimeout(now: number): void {
    this.#now = now;
    this.dtls.handleTimeout(now);
  }
}

/** What both ends of a handshake agree on. */
interface Line {
  mtuBytes: number;
  version: DtlsVersion;
}

interface Handshake {
  client: DtlsNode;
  server: DtlsNode;
  host: Host;
  /** When both were connected, ms. */
  doneMs: number;
}

function handshake(seed: string, line: Line, prepare: (up: Link, down: Link) => void = () => {}): Handshake {
  const network = new Network(seed);
  const client: DtlsNode = new DtlsNode("client", (datagram) => network.send(host, SERVER, datagram), line, network);
  const server: DtlsNode = new DtlsNode("server", (datagram) => network.send(far, CLIENT, datagram), line, network);
  const host = network.attach(client, CLIENT);
  const far = network.attach(server, SERVER);
  host.setLine({ rttMs: RTT_MS, reorderMs: 60 });
  prepare(host.up, host.down);
  network.at(0, host, (now) => client.dtls.start(now));
  const bothConnected = () => client.dtls.state === "connected" && server.dtls.state === "connected";
  const connected = network.runUntil(20_000, bothConnected);
  const reasons = `client ${client.dtls.state} ${client.closedBecause}, server ${server.dtls.state} ${server.closedBecause}`;
  if (!connected) throw new Error(`not connected after 20 s: ${reasons} [seed "${seed}"]`);
  const doneMs = network.now;
  network.runUntil(doneMs + 5000);
  // Wipes the keys.
  for (const { dtls } of [client, server]) dtls.close(network.now);
  return { client, server, host, doneMs };
}

const LINES: Line[] = [
  { version: "1.3", mtuBytes: 1200 },
  { version: "1.3", mtuBytes: 300 },
  { version: "1.2", mtuBytes: 1200 },
  { version: "1.2", mtuBytes: 300 },
];

describe.each(LINES)("a handshake of DTLS $version in datagrams of $mtuBytes bytes", (line) => {
  const { mtuBytes, version } = line;
  const plain = () => handshake("plain", line);

  it("takes two round trips at most, and carries data both ways from its end on", () => {
    const { client, server, doneMs } = plain();
    expect(doneMs).toBeLessThanOrEqual(2 * RTT_MS);
    expect(client.received).toEqual(["hello from the server"]);
    expect(server.received).toEqual(["hello from the client"]);
  });

  it.each<[Fate, "up" | "down"]>([
    ["lose", "up"],
    ["lose", "down"],
    ["duplicate", "up"],
    ["duplicate", "down"],
    ["delay", "up"],
    ["delay", "down"],
  ])(
    "connects whichever one datagram meets '%s' on its way %s, without waiting longer than its timers",
    (fate, way) => {
      const { host, doneMs } = plain();
      for (let chosen = 0; chosen < host[way].counters.sent; chosen++) {
        const seed = `dtls ${version} ${mtuBytes} ${fate} ${way} ${chosen}`;
        const late = handshake(seed, line, (up, down) => {
          (way === "up" ? up : down).intercept = (index) => (index === chosen ? fate : "pass");
        });
        // One loss costs one timeout of whoever waits (the server's, and half a round trip for its copy, at worst).
        const allowedMs = fate === "duplicate" ? 0 : fate === "delay" ? 60 : SERVER_TIMEOUT_MS + RTT_MS / 2;
        expect(late.doneMs - doneMs, seed).toBeLessThanOrEqual(allowedMs);
      }
    },
  );

  it("connects over a line that does everything wrong at once", () => {
    for (let trial = 0; trial < 30; trial++) {
      handshake(`rough ${version} ${mtuBytes} ${trial}`, line, (up, down) => {
        const conditions = { loss: 0.1, jitterMs: 50, reorder: 0.1, duplication: 0.1 };
        for (const link of [up, down]) link.set(conditions);
      });
    }
  });
});
