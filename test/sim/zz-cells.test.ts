import { it } from "vitest";
import { BrowserPeer } from "./browser-peer/browser-peer.ts";
import { CHROMIUM, FIREFOX } from "./browser-peer/profile.ts";
import { plainTransport } from "./browser-peer/secure-transport.ts";
import { exchange, type End } from "./exchange.ts";
import { AssociationNode } from "./association-node.ts";
import { Network, type Host } from "./network.ts";

const A = { address: "198.51.100.1", port: 1000 };
const B = { address: "198.51.100.2", port: 2000 };
it("cells", () => {
  for (const bytes of (process.env.BYTES ?? "100").split(",").map(Number))
    for (const burst of [1, 4])
      for (const loss of (process.env.LOSS ?? "0,0.01,0.02,0.05,0.1,0.2").split(",").map(Number))
        for (const rttMs of [0, 50, 100, 200]) {
          const t = Date.now();
          const network = new Network(`b ${burst} ${loss} ${rttMs}`);
          const hosts: Host[] = [];
          const a = new BrowserPeer({
            profile: CHROMIUM,
            random: network.random.fork(`a`),
            transport: plainTransport,
            ice: false,
            send: (p) => network.send(hosts[0], B, p),
          });
          const b = new AssociationNode(network.random.fork("b"), (p) => network.send(hosts[1], A, p));
          hosts.push(network.attach(a, A), network.attach(b, B));
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
          a.start(0);
          network.runUntil(2000);
          if (!channel.acknowledged) throw new Error("not open");
          hosts[0].setLine({ rttMs, loss, lossBurst: burst });
          a.events.message = (_n, _c, d) => ends[0].onMessage(d);
          const up0 = { ...hosts[0].up.counters },
            down0 = { ...hosts[0].down.counters };
          const { there, back } = exchange(network, ends[0], ends[1], {
            messages: 20000,
            messageBytes: bytes,
            intervalMs: 1000 / 60,
          });
          const rate = (c: any, c0: any) => (c.lost - c0.lost) / (c.sent - c0.sent);
          const up = rate(hosts[0].up.counters, up0),
            down = rate(hosts[0].down.counters, down0);
          const ok = (m: number, l: number) => (m <= l * 1.1 + 0.001 ? "ok  " : "MISS");
          const p = (x: number) => (100 * x).toFixed(2).padStart(6);
          console.log(
            `RES ${bytes} ${burst} ${String(loss).padEnd(4)} ${String(rttMs).padStart(3)} up ${p(up)} ${p(there.loss)} ${ok(there.loss, up)} down ${p(down)} ${p(back.loss)} ${ok(back.loss, down)} dup ${there.duplicates + back.duplicates + there.damaged} dg ${hosts[0].up.counters.sent}/${hosts[0].down.counters.sent} cw ${a.sctp.congestionWindow} ${JSON.stringify(b.association.stats)} buf ${a.sctp.bufferedBytes} ${Date.now() - t} ms`,
          );
        }
}, 600000);
