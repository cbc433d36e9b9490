// The primitives of the data path beside node:crypto and @noble/ciphers: node bench/primitive/index.mjs, after a build.
import { pathToFileURL } from "node:url";
import { Datapath } from "../../build/wasm/datapath.js";
import { preferredBuild } from "../../build/wasm/kernels.js";
import { Figure, printTable, ratioOf } from "../report.mjs";
import { crc32cTable } from "./crc32c.mjs";
import { measure } from "./measure.mjs";
import { kernels, key, noble, nodeCrypto } from "./records.mjs";

const SIZES = [32, 100, 256, 512, 1200];
const KEYS = [1, 128, 1024, 4096];

/** Nanoseconds for one record sealed and one opened. */
async function records(options) {
  const implementations = { [`kernels (${preferredBuild()})`]: kernels(preferredBuild()) };
  if (preferredBuild() !== "simd") implementations["kernels (simd)"] = kernels("simd");
  Object.assign(implementations, { "node:crypto": nodeCrypto(), "@noble/ciphers": noble() });
  const rows = [];
  for (const bytes of SIZES) {
    const tasks = {};
    for (const [name, implementation] of Object.entries(implementations)) {
      const sealed = implementation.sealed(bytes);
      tasks[`${name} seal`] = () => implementation.seal(bytes);
      tasks[`${name} open`] = () => implementation.open(sealed);
    }
    const figures = await measure(tasks, options);
    const both = (name) =>
      new Figure(figures[`${name} seal`].values.map((value, round) => value + figures[`${name} open`].values[round]));
    const native = both("node:crypto");
    for (const implementation of Object.keys(implementations)) {
      rows.push({
        primitive: "AES-128-GCM record",
        implementation,
        bytes,
        sealNs: figures[`${implementation} seal`],
        openNs: figures[`${implementation} open`],
        overNodeCrypto: ratioOf(both(implementation).values, native.values),
      });
    }
  }
  return rows;
}

/**
 * Sealing 100-byte records under many keys in turn: what the caches make of the key slots. The turn is shuffled, since
 * connections do not send in the order of their slots, which the processor would foresee.
 */
async function rotation(options) {
  const tasks = {};
  for (const count of KEYS) {
    const path = new Datapath({ keySlots: count });
    const slots = Array.from({ length: count }, (_, i) =>
      path.acquireKey(
        key.map((byte) => byte ^ i),
        key.subarray(0, 4),
      ),
    );
    shuffle(slots);
    let sequence = 0;
    tasks[count] = () => {
      path.seal12(slots[sequence % count], path.nextTx(), 23, 1, sequence++, 100);
    };
  }
  const figures = await measure(tasks, options);
  return KEYS.map((keys) => ({
    primitive: "seal, 100 B, keys in rotation",
    keys,
    sealNs: figures[keys],
    overOneKey: ratioOf(figures[keys].values, figures[1].values),
  }));
}

/** Always the same order. */
function shuffle(list) {
  let random = 1;
  for (let last = list.length - 1; last > 0; last--) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const other = (random >>> 8) % (last + 1);
    [list[last], list[other]] = [list[other], list[last]];
  }
}

async function checksums(options) {
  const path = new Datapath({ keySlots: 1 });
  const { memory, rxOffset } = path;
  memory.forEach((_, i) => {
    if (i < 2000) memory[rxOffset + i] = (i * 7) & 0xff;
  });
  const rows = [];
  for (const bytes of SIZES) {
    const view = memory.subarray(rxOffset, rxOffset + bytes);
    if (crc32cTable(view) !== path.crc32c(rxOffset, bytes)) throw new Error("the two checksums differ");
    const figures = await measure(
      { kernels: () => path.crc32c(rxOffset, bytes), table: () => crc32cTable(view) },
      options,
    );
    for (const [implementation, ns] of Object.entries(figures)) {
      rows.push({
        primitive: "CRC32c",
        implementation,
        bytes,
        ns,
        overTable: ratioOf(ns.values, figures.table.values),
      });
    }
  }
  return rows;
}

/** Checksum and chunk walk of a packet with one SACK and one DATA; a key's way into its slot. */
async function others(options) {
  const path = new Datapath({ keySlots: 2 });
  const { view, rxOffset } = path;
  view.setUint32(rxOffset + 12, 0x03000010);
  view.setUint32(rxOffset + 28, 0x00030000 + 16 + 100);
  path.finishPacket(rxOffset, 144);
  if (path.parsePacket(rxOffset, 144) !== 2) throw new Error("the packet does not parse");
  const figures = await measure(
    {
      "parse SACK + DATA of 100 B": () => path.parsePacket(rxOffset, 144),
      "the same without its checksum": () => path.crc32c(rxOffset, 144),
      "expand a key and release it": () => path.releaseKey(path.acquireKey(key, key.subarray(0, 4))),
    },
    options,
  );
  const parsed = figures["parse SACK + DATA of 100 B"].values;
  const sums = figures["the same without its checksum"].values;
  figures["the same without its checksum"] = new Figure(parsed.map((value, round) => value - sums[round]));
  return Object.entries(figures).map(([primitive, ns]) => ({ primitive, ns }));
}

/** All rows, for `npm run bench`. */
export async function primitives(options) {
  return {
    records: await records(options),
    rotation: await rotation(options),
    checksums: await checksums(options),
    others: await others(options),
  };
}

export function printPrimitives({ records, rotation, checksums, others }) {
  printTable(
    "One DTLS 1.2 record with AES-128-GCM, ns",
    ["implementation", "bytes", "seal", "open", "(seal + open) over node:crypto"],
    records.map((row) => [row.implementation, `${row.bytes}`, row.sealNs, row.openNs, row.overNodeCrypto]),
  );
  printTable(
    "Seal 100 B under many keys in rotation",
    ["keys", "ns", "over one key"],
    rotation.map((row) => [`${row.keys}`, row.sealNs, row.overOneKey]),
  );
  printTable(
    "CRC32c, ns",
    ["implementation", "bytes", "ns", "over a table in JavaScript"],
    checksums.map((row) => [row.implementation, `${row.bytes}`, row.ns, row.overTable]),
  );
  printTable(
    "Others, ns",
    ["", "ns"],
    others.map((row) => [row.primitive, row.ns]),
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { bun, deno, node } = process.versions;
  const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
  console.log(`${runtime}, ${preferredBuild()} build: processor time, medians of rounds in turns ± half their range`);
  printPrimitives(await primitives());
}
