import { it } from "vitest";
import { BrowserPeer } from "./browser-peer/browser-peer.ts";
import { CHROMIUM } from "./browser-peer/profile.ts";
import { plainTransport } from "./browser-peer/secure-transport.ts";
import { exchange, type End } from "./exchange.ts";
import { AssociationNode } from "./association-node.ts";
import { Network, type Host } from "./network.ts";
import { decodePacket, ChunkType } from "./browser-peer/sctp-packet.ts";
import { decodeData, decodeSack, decodeForwardTsn } from "./browser-peer/sctp-chunks.ts";

const A = { address: "198.51.100.1", port: 1000 };
const B = { address: "198.51.100.2", port: 2000 };
it("why", () => {
  const [burst, loss, rttMs] = (process.env.CELL ?? "4,0.05,50").split(",").map(Number);
  const N = Number(process.env.N ?? 20000);
  const network = new Network(`b ${burst} ${loss} ${rttMs}`);
  const hosts: Host[] = [];
  const log: string[] = [];
  const desc = (bytes: Uint8Array) =>
    decodePacket(bytes)!
      .chunks.map((c) => {
        if (c.type === ChunkType.data) {
          const d = decodeData(c)!;
          return `D${d.tsn - base}${d.immediate ? "I" : ""}${d.begin && d.end ? "" : d.begin ? "b" : d.end ? "e" : "m"}`;
        }
        if (c.type === ChunkType.sack) {
          const s = decodeSack(c)!;
          return `S${s.cumulativeTsn - base}/${s.cumulativeTsn - base2}[${s.gaps.map((g) => `${g.start}-${g.end}`)}]`;
        }
        if (c.type === ChunkType.forwardTsn) {
          const f = decodeForwardTsn(c)!;
          return `F${f.newCumulativeTsn - base}/${f.newCumulativeTsn - base2}`;
        }
        return `c${c.type}`;
      })
      .join("|");
  let base = 0,
    base2 = 0;
  const fate = new Map<number, string>(); // message index -> fates
  const a = new BrowserPeer({
    profile: CHROMIUM,
    random: network.random.fork(`a`),
    transport: plainTransport,
    ice: false,
    send: (p) => {
      const before = hosts[0].up.counters.lost;
      network.send(hosts[0], B, p);
      const lost = hosts[0].up.counters.lost > before;
      log.push(`${network.now.toFixed(1)} > ${desc(p)}${lost ? " LOST" : ""}  cw ${a.sctp.congestionWindow}`);
      for (const c of decodePacket(p)!.chunks)
        if (c.type === ChunkType.data) {
          const d = decodeData(c)!;
          if (d.ppid === 53 && d.begin) {
            const i = new DataView(d.data.buffer, d.data.byteOffset).getUint32(0);
            fate.set(i, (fate.get(i) ?? "") + (lost ? "L" : "A") + (d.end ? "" : "f"));
          }
        }
    },
  });
  const b = new AssociationNode(network.random.fork("b"), (p) => {
    const before = hosts[0].down.counters.lost;
    network.send(hosts[1], A, p);
    log.push(`${network.now.toFixed(1)}   < ${desc(p)}`);
  });
  hosts.push(network.attach(a, A), network.attach(b, B));
  const drop = hosts[0].down.send.bind(hosts[0].down);
  hosts[0].down.send = (now: number, bytes: Uint8Array) => {
    const r = drop(now, bytes);
    log.push(`${now.toFixed(1)}   <${r.length ? "" : "LOST"} ${desc(bytes)}`);
    return r;
  };
  const ends: End[] = [
    { host: hosts[0], send: (now, m) => a.send(now, channel, m), onMessage: () => {} },
    {
      host: hosts[1],
      send: (now, m) => {
        b.send(now, { streamId: 0, ppid: 53, data: m, maxRetransmits: 0 });
      },
      onMessage: () => {},
    },
  ];
  b.onMessage = (streamId, ppid, data) => {
    if (ppid === 50) b.send(network.now, { streamId, ppid: 50, data: Uint8Array.of(2), ordered: true });
    else ends[1].onMessage(data);
  };
  const channel = a.createChannel(0, "d", { ordered: false, maxRetransmits: 0 });
  network.onDelivery = (from, to, d) => {
    if (base === 0) {
      const c = decodePacket(d)!.chunks.find((c) => c.type === 0);
      if (c && from.port === 1000) base = decodeData(c)!.tsn;
    }
    if (base2 === 0) {
      const c = decodePacket(d)!.chunks.find((c) => c.type === 0);
      if (c && from.port === 2000) base2 = decodeData(c)!.tsn;
    }
  };
  a.start(0);
  network.runUntil(2000);
  hosts[0].setLine({ rttMs, loss, lossBurst: burst });
  a.events.message = (_n, _c, d) => ends[0].onMessage(d);
  const { there } = exchange(network, ends[0], ends[1], { messages: N, messageBytes: 100, intervalMs: 1000 / 60 });
  const why = new Map<string, number>();
  const odd: number[] = [];
  for (let i = 0; i < there.sent; i++)
    if (!there.has(i)) {
      const f = fate.get(i) ?? "never sent";
      why.set(f, (why.get(f) ?? 0) + 1);
      if (f === "A") odd.push(i);
    }
  console.log("RES", there.loss, JSON.stringify([...why]), JSON.stringify(b.drops.snapshot()), odd.slice(0, 10));
  if (process.env.LOG) {
    const from = Number(process.env.LOG);
    console.log(
      log
        .filter((l) => Number.parseFloat(l) >= from)
        .slice(0, 150)
        .join("\n"),
    );
  }
}, 600000);
