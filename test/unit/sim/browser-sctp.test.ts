import { describe, expect, it } from "vitest";
import { toHex, fromHex } from "../../../src/wire/bytes.ts";
import { BrowserPeer } from "../../sim/browser-peer/browser-peer.ts";
import type { PeerChannel } from "../../sim/browser-peer/data-channels.ts";
import { type BrowserProfile, CHROMIUM, FIREFOX } from "../../sim/browser-peer/profile.ts";
import { decodeData, decodeInit, decodeSack, encodeInit, encodeSack } from "../../sim/browser-peer/sctp-chunks.ts";
import { ChunkType, decodePacket, encodePacket } from "../../sim/browser-peer/sctp-packet.ts";
import { plainTransport } from "../../sim/browser-peer/secure-transport.ts";
import { type Host, Network } from "../../sim/network.ts";

const A = { address: "198.51.100.1", port: 1000 };
const B = { address: "198.51.100.2", port: 2000 };

/** Two browsers' SCTP over plaintext; every packet that leaves is noted as text. */
class Pair {
  readonly network: Network;
  readonly a: BrowserPeer;
  readonly b: BrowserPeer;
  readonly hosts: { a: Host; b: Host };
  readonly log: string[] = [];
  readonly received: { a: (string | Uint8Array)[]; b: (string | Uint8Array)[] } = { a: [], b: [] };
  opened: PeerChannel[] = [];

  constructor(seed: string, profile: BrowserProfile = CHROMIUM) {
    this.network = new Network(seed);
    this.a = this.#peer("a", profile);
    this.b = this.#peer("b", profile);
    this.hosts = { a: this.network.attach(this.a, A), b: this.network.attach(this.b, B) };
    this.b.events.opened = (_now, channel) => this.opened.push(channel);
    for (const name of ["a", "b"] as const) {
      this[name].events.message = (_now, _channel, data) => this.received[name].push(data);
    }
  }

  #peer(name: "a" | "b", profile: BrowserProfile): BrowserPeer {
    return new BrowserPeer({
      profile,
      random: this.network.random.fork(name),
      transport: plainTransport,
      ice: false,
      send: (packet) => {
        this.log.push(`${this.network.now.toFixed(0)} ${name} ${describePacket(packet)}`);
        this.network.send(this.hosts[name], name === "a" ? B : A, packet);
      },
    });
  }

  /** Opens one channel from a, and empties the log. */
  open(options = { ordered: false, maxRetransmits: 0 }): PeerChannel {
    const channel = this.a.createChannel(0, "data", options);
    this.network.at(0, this.hosts.a, (now) => this.a.start(now));
    expect(this.network.runUntil(5000, () => channel.acknowledged)).toBe(true);
    this.network.runUntil(this.network.now + 1000);
    this.log.length = 0;
    return channel;
  }
}

function describePacket(bytes: Uint8Array): string {
  const packet = decodePacket(bytes);
  if (packet === undefined) return "?";
  const names = Object.fromEntries(Object.entries(ChunkType).map(([name, type]) => [type, name]));
  return packet.chunks
    .map((chunk) => {
      if (chunk.type === ChunkType.data || chunk.type === ChunkType.iData) {
        const { unordered, begin, end, data, immediate } = decodeData(chunk)!;
        const name = chunk.type === ChunkType.data ? "data" : "iData";
        return `${name}[${immediate ? "I" : ""}${unordered ? "U" : ""}${begin ? "B" : ""}${end ? "E" : ""}]${data.length}`;
      }
      if (chunk.type === ChunkType.sack) {
        const { gaps, duplicates } = decodeSack(chunk)!;
        return `sack${gaps.map(({ start, end }) => ` ${start}-${end}`).join("")}${duplicates.length ? " dup" : ""}`;
      }
      return names[chunk.type];
    })
    .join(" | ");
}

// Packets of a recorded Chromium session.
const RECORDED_INIT = "138813880000000060f8c9160100001e27e8531d00500000ffffffff7c58505ac00000048008000682c00000";
const RECORDED_SACK = "13881388bcb79e9531dd87bb03000010325be0df0048000000000000";

describe("the browser-like SCTP peer", () => {
  it("reads and writes the INIT that a browser sends, byte for byte", () => {
    const packet = decodePacket(fromHex(RECORDED_INIT));
    const init = decodeInit(packet!.chunks[0])!;
    expect(init.parameters.map(({ type }) => type.toString(16))).toEqual(["c000", "8008"]);
    expect(toHex(encodePacket(packet!.tag, [encodeInit(ChunkType.init, init)]))).toBe(RECORDED_INIT);
  });

  it("reads and writes the SACK that a browser sends, byte for byte", () => {
    const packet = decodePacket(fromHex(RECORDED_SACK));
    const sack = decodeSack(packet!.chunks[0])!;
    expect(sack).toEqual({ cumulativeTsn: 844882143, windowBytes: 4_718_592, gaps: [], duplicates: [] });
    expect(toHex(encodePacket(packet!.tag, [encodeSack(sack)]))).toBe(RECORDED_SACK);
  });

  it("opens as recorded: INIT, COOKIE-ECHO alone, then an ordered DCEP OPEN", () => {
    const pair = new Pair("opening");
    pair.hosts.a.setLine({ rttMs: 100 });
    pair.a.createChannel(0, "data", { ordered: false, maxRetransmits: 0 });
    pair.network.at(0, pair.hosts.a, (now) => pair.a.start(now));
    pair.network.runUntil(1000);
    expect(pair.log).toEqual([
      "0 a init",
      "50 b initAck",
      "100 a cookieEcho",
      "150 b cookieAck",
      "200 a data[BE]16",
      "250 b sack | data[UBE]1",
      "300 a sack",
    ]);
    expect(pair.opened.map(({ id, label, options }) => ({ id, label, options }))).toEqual([
      { id: 0, label: "data", options: { ordered: false, maxRetransmits: 0 } },
    ]);
  });

  it("retries a lost INIT after 1, 3, 7 and 15 seconds", () => {
    const pair = new Pair("init");
    pair.hosts.a.setLine({ loss: 1 });
    pair.a.start(0);
    pair.network.runUntil(20_000);
    expect(pair.log).toEqual(["0 a init", "1000 a init", "3000 a init", "7000 a init", "15000 a init"]);
  });

  it.each([
    [CHROMIUM, 200, "data"],
    [FIREFOX, 50, "iData"],
  ])("delays the SACK of a single packet ($name)", (profile, delayMs, chunk) => {
    const pair = new Pair("delayed", profile);
    const channel = pair.open();
    const start = pair.network.now;
    pair.network.at(start, pair.hosts.a, (now) => pair.a.send(now, channel, new Uint8Array(20)));
    pair.network.runUntil(start + 500);
    expect(pair.log).toEqual([`${start} a ${chunk}[UBE]20`, `${start + delayMs} b sack`]);
  });

  it("sends a SACK at once on each second packet, a duplicate, and a gap", () => {
    const pair = new Pair("sack");
    const channel = pair.open();
    const start = pair.network.now;
    let index = 0;
    const fates = ["pass", "pass", "lose", "pass", "pass", "duplicate"] as const;
    pair.hosts.a.up.intercept = () => fates[index++] ?? "pass";
    pair.network.every(start, 10, 6, pair.hosts.a, (_, now) => pair.a.send(now, channel, new Uint8Array(20)));
    pair.network.runUntil(start + 65);
    const sacks = pair.log.filter((line) => line.includes(" b "));
    expect(sacks.slice(0, 4)).toEqual([
      `${start + 10} b sack`,
      `${start + 30} b sack 2-2`,
      `${start + 40} b sack 2-3`,
      `${start + 50} b sack 2-4`,
    ]);
    expect(sacks.some((line) => line.endsWith("dup"))).toBe(true);
  });

  it("skips a lost message by FORWARD-TSN after three gap reports, and asks for SACKs at once from then on", () => {
    const pair = new Pair("gap");
    const channel = pair.open();
    const start = pair.network.now;
    pair.hosts.a.up.intercept = (_, packet) => (pair.log.length === 2 && packet.length === 48 ? "lose" : "pass");
    pair.network.every(start, 16, 6, pair.hosts.a, (_, now) => pair.a.send(now, channel, new Uint8Array(20)));
    pair.network.runUntil(start + 70);
    const own = pair.log.filter((line) => line.includes(" a ")).map((line) => line.replace(/^\d+ a /, ""));
    expect(own).toEqual(["data[UBE]20", "data[UBE]20", "data[UBE]20", "data[UBE]20", "data[UBE]20", "forwardTsn"]);
    pair.network.runUntil(start + 1000);
    expect(pair.log.filter((line) => /data\[\w+\]20/.test(line)).pop()).toContain("data[IUBE]20");
    expect(pair.received.b).toHaveLength(5);
  });

  it("skips a lone lost message after 400 ms, and repeats that with back-off until it is acknowledged", () => {
    const pair = new Pair("lone");
    const channel = pair.open();
    const start = pair.network.now;
    pair.hosts.a.up.intercept = () => "lose";
    pair.network.at(start, pair.hosts.a, (now) => pair.a.send(now, channel, new Uint8Array(20)));
    pair.network.runUntil(start + 4000);
    const times = pair.log
      .filter((line) => line.endsWith("forwardTsn"))
      .map((line) => Number.parseInt(line, 10) - start);
    expect(times).toEqual([400, 1200, 2800]);
  });

  it("fills packets to 1188 bytes and shares them between messages once the window is closed", () => {
    const pair = new Pair("fragments");
    const channel = pair.open();
    const start = pair.network.now;
    pair.hosts.a.setLine({ rttMs: 100 });
    pair.network.at(start, pair.hosts.a, (now) => {
      for (let i = 0; i < 30; i++) pair.a.send(now, channel, new Uint8Array(900).fill(i));
    });
    pair.network.runUntil(start + 3000);
    expect(pair.log.some((line) => line.endsWith("data[UBE]900 | data[UB]244"))).toBe(true);
    expect(pair.received.b).toEqual(Array.from({ length: 30 }, (_, i) => new Uint8Array(900).fill(i)));
  });

  it("sends I-DATA where both sides list it, as Firefox does: a short message passes a long one", () => {
    const pair = new Pair("interleaved", FIREFOX);
    const channel = pair.open();
    const bulk = pair.a.createChannel(pair.network.now, "bulk", { ordered: true });
    pair.network.runUntil(pair.network.now + 1_000);
    const start = pair.network.now;
    pair.hosts.a.setLine({ rttMs: 100 });
    pair.log.length = 0;
    pair.network.at(start, pair.hosts.a, (now) => {
      pair.a.send(now, bulk, new Uint8Array(60_000).fill(1));
      pair.a.send(now, channel, new Uint8Array(20).fill(2));
    });
    pair.network.runUntil(start + 3_000);
    expect(pair.received.b.map((data) => data.length)).toEqual([20, 60_000]);
    expect(pair.log.filter((line) => / data\[/.test(line))).toEqual([]);
    expect(pair.log[0]).toMatch(/iData\[I?B\]1156$/);
  });

  it("skips lost messages by I-FORWARD-TSN where it sends I-DATA", () => {
    const pair = new Pair("interleaved gap", FIREFOX);
    const channel = pair.open();
    const start = pair.network.now;
    pair.hosts.a.up.intercept = (_, packet) => (pair.log.length === 2 && packet.length === 52 ? "lose" : "pass");
    pair.network.every(start, 16, 6, pair.hosts.a, (_, now) => pair.a.send(now, channel, new Uint8Array(20)));
    pair.network.runUntil(start + 1_000);
    expect(pair.log.some((line) => line.endsWith("iForwardTsn"))).toBe(true);
    expect(pair.received.b).toHaveLength(5);
  });

  it("cuts what is longer than 1160 bytes", () => {
    const pair = new Pair("long");
    const channel = pair.open();
    const start = pair.network.now;
    pair.network.at(start, pair.hosts.a, (now) => pair.a.send(now, channel, new Uint8Array(3000)));
    pair.network.runUntil(start);
    expect(pair.log.filter((line) => line.includes(" a ")).map((line) => line.split(" a ")[1])).toEqual([
      "data[UB]1160",
      "data[U]1160",
      "data[UE]680",
    ]);
  });

  it("delivers a reliable, ordered megabyte intact at 5 % loss both ways", () => {
    const pair = new Pair("reliable");
    const channel = pair.open({ ordered: true } as never);
    pair.hosts.a.setLine({ rttMs: 40, loss: 0.05, duplication: 0.01, reorder: 0.01 });
    const sent = Array.from({ length: 64 }, (_, i) => new Uint8Array(16_384).fill(i));
    pair.network.at(pair.network.now, pair.hosts.a, (now) => {
      for (const message of sent) pair.a.send(now, channel, message);
    });
    expect(pair.network.runUntil(400_000, () => pair.received.b.length === 64)).toBe(true);
    expect(pair.received.b).toEqual(sent);
  });

  it("delivers no message twice whatever the network duplicates", () => {
    const pair = new Pair("twice");
    const channel = pair.open();
    pair.hosts.a.setLine({ rttMs: 40, loss: 0.05, duplication: 0.3, reorder: 0.2 });
    pair.network.every(pair.network.now, 16, 500, pair.hosts.a, (i, now) => pair.a.send(now, channel, `${i}`));
    pair.network.runUntil(pair.network.now + 20_000);
    expect(new Set(pair.received.b).size).toBe(pair.received.b.length);
    expect(pair.received.b.length).toBeGreaterThan(440);
  });

  it("sends a heartbeat each 30.5 s when idle", () => {
    const pair = new Pair("heartbeat");
    pair.open();
    pair.network.runUntil(100_000);
    const times = pair.log.filter((line) => line.endsWith("a heartbeat")).map((line) => Number.parseInt(line, 10));
    expect(times.length).toBe(3);
    expect(Math.abs(times[1] - times[0] - 30_400)).toBeLessThan(200);
  });

  it("closes a channel by resetting its stream in both directions", () => {
    const pair = new Pair("reset");
    const channel = pair.open();
    const closed: string[] = [];
    pair.a.events.channelClosed = () => closed.push("a");
    pair.b.events.channelClosed = () => closed.push("b");
    pair.network.at(pair.network.now, pair.hosts.a, (now) => pair.a.closeChannel(now, channel));
    pair.network.runUntil(pair.network.now + 2000);
    expect(closed.sort()).toEqual(["a", "b"]);
  });

  it("sets up one association when both sides start at once", () => {
    const pair = new Pair("collision");
    pair.hosts.a.setLine({ rttMs: 60 });
    pair.a.createChannel(0, "data");
    pair.a.start(0);
    pair.b.start(0);
    pair.network.runUntil(3000);
    expect([pair.a.state, pair.b.state, pair.opened.length]).toEqual(["connected", "connected", 1]);
  });
});
