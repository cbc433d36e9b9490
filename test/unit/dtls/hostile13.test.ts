import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAck } from "../../../src/dtls/ack.ts";
import { parseCookie, parseKeyShare, parseKeyShares } from "../../../src/dtls/extensions.ts";
import { encodeWhole } from "../../../src/dtls/reassembly.ts";
import {
  parseCertificate13,
  parseCertificateRequest13,
  parseEncryptedExtensions,
  parseKeyUpdate,
} from "../../../src/dtls/messages.ts";
import { RecordLayer } from "../../../src/dtls/record.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { concatBytes, fromHex } from "../../../src/wire/bytes.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { bytes, connectedPair, exchange, Party } from "./support.ts";

const VERSIONS = ["1.3", "1.2"] as const;

/** The two datagrams of a browser's first ClientHello. */
function recordedHello(browser: string): Uint8Array[] {
  const lines = readFileSync(new URL(`../../fixtures/dtls/${browser}.clienthello.hex`, import.meta.url), "utf8").split(
    "\n",
  );
  return [fromHex(lines[1]), fromHex(lines[3])];
}

const HELLOS = ["chromium", "firefox"].map(recordedHello);

/** What must hold of a side after any input. */
function check({ connection, closedWith }: Party): void {
  expect(connection.state === "closed").toBe(closedWith !== undefined);
  if (connection.state === "handshaking") expect(connection.nextDeadline).toBeLessThan(Number.POSITIVE_INFINITY);
}

/** Ends a side and sees that nothing stays behind. */
function end(party: Party): void {
  party.connection.close(1e9);
  expect(party.datapath.freeKeySlots).toBe(16);
  expect(party.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
}

describe("the parsers of DTLS 1.3", () => {
  it.each<[string, (content: Uint8Array) => unknown]>([
    ["ACK", parseAck],
    ["EncryptedExtensions", parseEncryptedExtensions],
    ["CertificateRequest", parseCertificateRequest13],
    ["Certificate", parseCertificate13],
    ["KeyUpdate", parseKeyUpdate],
    ["key_share of a client", parseKeyShares],
    ["key_share of a server", parseKeyShare],
    ["cookie", parseCookie],
  ])("take any bytes for %s", (_name, parse) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (content) => {
        parse(content);
      }),
      { numRuns: 3_000, seed: 13, examples: [[new Uint8Array(0)]] },
    );
  });
});

describe("a DTLS 1.3 server", () => {
  it("answers what the browsers sent with 1.3, a hybrid key, and at most 3 bytes for each", () => {
    for (const hello of HELLOS) {
      const server = new Party({ role: "server", versions: VERSIONS });
      for (const datagram of hello) server.connection.handleDatagram(0, datagram);
      expect(server.connection.version).toBe("1.3");
      expect(server.connection.group).toBe(0x11ec);
      const out = server.sent.reduce((sum, { length }) => sum + length, 0);
      expect(out).toBeLessThanOrEqual(3 * (hello[0].length + hello[1].length));
      end(server);
    }
  });

  it("takes a hello with any byte changed, and each way it can be cut, without harm", () => {
    for (const [first, second] of HELLOS) {
      for (let at = 0; at < first.length; at += 3) {
        const server = new Party({ role: "server", versions: VERSIONS });
        const changed = Uint8Array.from(first);
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        for (const datagram of [changed, second, first.subarray(0, at)]) server.connection.handleDatagram(0, datagram);
        check(server);
        end(server);
      }
    }
  });

  it("lets a handshake through or ends it when its datagrams are cut, changed, repeated and swapped at random", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(0xffff)), (numbers) => {
        const next = () => numbers.next().value as number;
        const mangle = (datagrams: Uint8Array[]): Uint8Array[] => {
          const mangled = datagrams.flatMap((datagram) => {
            const changed = Uint8Array.from(datagram);
            const at = next() % datagram.length;
            const what = next() % 12;
            if (what === 0) return [];
            if (what === 1) return [datagram, datagram];
            if (what === 2) return [datagram.slice(0, at)];
            if (what === 3) changed[at] = next();
            return [changed];
          });
          return next() % 4 === 0 ? mangled.reverse() : mangled;
        };
        const client = new Party({
          role: "client",
          versions: VERSIONS,
          groups: [0x001d],
          mtuBytes: 200 + (next() % 1000),
        });
        const server = new Party({ role: "server", versions: VERSIONS, groups: [0x001d] });
        client.connection.start(0);
        for (let now = 0, turn = 0; turn < 60; turn++) {
          for (const datagram of mangle(client.take())) server.connection.handleDatagram(now, datagram);
          for (const datagram of mangle(server.take())) client.connection.handleDatagram(now, datagram);
          check(client);
          check(server);
          if (client.sent.length + server.sent.length > 0) continue;
          now = Math.min(client.connection.nextDeadline, server.connection.nextDeadline);
          if (now > 1e6) break;
          client.connection.handleTimeout(now);
          server.connection.handleTimeout(now);
        }
        end(client);
        end(server);
      }),
      { numRuns: 300, seed: 9147 },
    );
  });
});

/** Makes records under a client's true secrets, as a client could that is out for mischief. */
class RogueClient {
  readonly #sent: Uint8Array[] = [];
  readonly #records: RecordLayer;

  constructor(server: Party) {
    const secret = (label: string) => fromHex(server.keyLog.find((line) => line.startsWith(label))!.split(" ")[2]);
    const events = { content: () => {}, unreadable: () => {}, refused: () => {}, forgeryLimit: () => {} };
    this.#records = new RecordLayer(server.datapath, 1200, new DropCounters(), events, {
      transmit: (datagram) => this.#sent.push(datagram.slice()),
    });
    this.#records.epochs.installWrite13(2, secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"));
    this.#records.epochs.installWrite13(3, secret("CLIENT_TRAFFIC_SECRET_0"));
    // Ahead of what the true client sends, so that nothing counts as replayed.
    for (const epoch of [2, 3]) this.#records.epochs.write(epoch).sequence = 100;
  }

  record(epoch: number, type: number, content: Uint8Array): Uint8Array {
    this.#records.addBytes(this.#records.epochs.write(epoch), type, content);
    this.#records.flush();
    return this.#sent.pop()!;
  }

  end(): void {
    this.#records.close();
  }
}

describe("an authentic client that sends what it likes", () => {
  const contents: Uint8Array[] = [0, 1, 2, 3, 12, 13, 18, 100, 1_000].map((length) =>
    new Uint8Array(length).fill(length),
  );
  for (const [datagram] of HELLOS) contents.push(datagram.subarray(13, 1_100), datagram.subarray(25, 1_100));
  for (const type of [4, 8, 11, 13, 15, 20, 24, 254]) {
    contents.push(encodeWhole({ type, sequence: 4, epoch: 0, body: Uint8Array.of(1) }));
    contents.push(encodeWhole({ type, sequence: 1, epoch: 0, body: new Uint8Array(0) }));
  }

  it.each([2, 3])("in epoch %i ends at most its own connection, before and after the handshake", (epoch) => {
    const bystander = connectedPair({ versions: VERSIONS }, { versions: VERSIONS });
    for (const type of [0, 20, 21, 22, 23, 24, 25, 26, 255]) {
      for (const content of contents) {
        for (const connected of [false, true]) {
          const client = new Party({ role: "client", versions: VERSIONS, groups: [0x001d] });
          const server = new Party({ role: "server", versions: VERSIONS, groups: [0x001d] });
          client.connection.start(0);
          for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
          if (connected) exchange(client, server);
          const rogue = new RogueClient(server);
          server.connection.handleDatagram(10, rogue.record(epoch, type, content));
          check(server);
          rogue.end();
          // Application data has no place in the epoch of the handshake, and none before its end.
          if (!connected || epoch === 2) expect(server.received).toEqual([]);
          end(server);
        }
      }
    }
    bystander.client.connection.send(0, bytes("still here"));
    exchange(bystander.client, bystander.server);
    expect(bystander.server.received).toEqual(["still here"]);
  });

  it("cannot make the server hold more than four keys", () => {
    const datapath = new Datapath({ keySlots: 4 });
    const { client, server } = connectedPair({ versions: VERSIONS }, { versions: VERSIONS, datapath });
    for (let i = 0; i < 50; i++) {
      client.connection.updateKey(10_000 * i, true);
      exchange(client, server, 10_000 * i);
    }
    client.connection.send(0, bytes("still here"));
    exchange(client, server);
    expect(server.received).toEqual(["still here"]);
  });

  it("is acknowledged with at most one short record for each of its own", () => {
    const { server } = connectedPair({ versions: VERSIONS }, { versions: VERSIONS });
    const rogue = new RogueClient(server);
    const repeated = encodeWhole({ type: 20, sequence: 3, epoch: 2, body: new Uint8Array(32) });
    for (let i = 0; i < 100; i++) {
      const record = rogue.record(2, 22, repeated);
      server.connection.handleDatagram(i, record);
      const answers = server.take();
      expect(answers.length).toBeLessThanOrEqual(1);
      for (const { length } of answers) expect(length).toBeLessThanOrEqual(record.length);
    }
    rogue.end();
    end(server);
  });
});

describe("concatenated records", () => {
  it("of both header forms share a datagram, the one without length being the last", () => {
    const { client, server } = connectedPair({ versions: VERSIONS }, { versions: VERSIONS });
    const rogue = new RogueClient(server);
    client.connection.send(0, bytes("short header"));
    const [short] = client.take();
    const long = rogue.record(3, 23, bytes("with length"));
    server.connection.handleDatagram(0, concatBytes(long, short));
    expect(server.received).toEqual(["with length", "short header"]);
    rogue.end();
  });
});
