/** Peers that break rules while they are traced: what they send is told as far as it can be read, and nobody throws. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { summarizeChunks } from "../../src/trace/chunks.ts";
import { ipPacket } from "../../src/trace/ip.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { Random } from "../sim/random.ts";
import { blocksOf, traceAll } from "../support/traced.ts";
import { Arena } from "./support/arena.ts";
import { mutate } from "./support/mutate.ts";
import { readRecording, withChecksum } from "./support/sctp.ts";
import { bitFlips, extremeBytes, truncations } from "./support/variants.ts";

const HEADER = new Uint8Array(12);
const packets = ["chromium.fwd", "firefox.close-pcclose"].flatMap((name) =>
  readRecording(name).fromBrowser.slice(0, 12),
);

test("packets of every malformation are told, with no more chunks than they have room for", () => {
  for (const chunks of packets) {
    for (const variants of [truncations, bitFlips, extremeBytes]) {
      for (const variant of variants(chunks.subarray(0, 60))) {
        const told = summarizeChunks(concatBytes(HEADER, variant));
        expect(told.length).toBeLessThanOrEqual(variant.length / 4);
        JSON.stringify(told);
      }
    }
  }
});

test("any bytes at all are told", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_200 }), (packet) => {
      const told = summarizeChunks(packet);
      // A chunk of four bytes says as much as one gap of a SACK; nothing grows on the peer's word.
      expect(JSON.stringify(told).length).toBeLessThan(200 + 60 * packet.length);
    }),
  );
});

test.each(["", "::", "fe80::1%eth0", "not an address", "::ffff:192.0.2.1"])(
  "an address such as %j makes a packet",
  (address) => {
    for (const other of ["192.0.2.1", "2001:db8::1"]) {
      const ends = [
        { address, port: 1 },
        { address: other, port: 2 },
      ] as const;
      expect(ipPacket(ends[0], ends[1], HEADER).length).toBeGreaterThan(40 - 1);
      expect(ipPacket(ends[1], ends[0], HEADER).length).toBeGreaterThan(40 - 1);
    }
  },
);

test("peers whose packets or datagrams are damaged in many ways are traced, and the honest page loses nothing", () => {
  const seed = "traced rogues";
  const arena = new Arena(seed);
  const traces = traceAll(arena.world);
  const random = new Random(seed);
  const damaged = (bytes: Uint8Array): Uint8Array => (random.unit() < 0.3 ? mutate(random, bytes, packets) : bytes);
  for (let i = 0; i < 40; i++) {
    const rogue = arena.addRogue(
      i % 2 === 0
        ? { editPacket: (packet) => [withChecksum(damaged(packet))] }
        : { editDatagram: (datagram) => [damaged(datagram)] },
    );
    rogue.peer.createChannel(arena.now, "data", { ordered: false, maxRetransmits: 0 });
    arena.run(400);
    arena.removeRogue(rogue);
  }
  arena.settle();
  expect(traces.length, `seed ${seed}`).toBeGreaterThan(20);
  for (const traced of traces) {
    expect(traced.events.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "closed" } });
    expect(blocksOf(traced.capture).length).toBeGreaterThan(3);
    expect(traced.ends).toBe(1);
  }
  const dropped = traces.flatMap((traced) => traced.named("connection:dropped")).map(({ reason }) => reason);
  expect(
    dropped.some((reason: string) => reason.startsWith("sctp-")),
    `seed ${seed}`,
  ).toBe(true);
});
