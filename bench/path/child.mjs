/**
 * The path of a datagram in memory, without a socket: time and garbage for one datagram in, one out, ten messages out in
 * one datagram. Run by the driver with --expose-gc and a young generation so large that nothing is collected while it
 * measures; prints one line of JSON.
 */
import { Loop } from "./loop.mjs";

/** Rounds of ten: the congestion window of the first messages holds ten packets. */
const ROUNDS = 10;
const PER_ROUND = 10;
const [repetitions = "60"] = process.argv.slice(2);
const loop = new Loop();

const kinds = {
  "in, 100 B": () => receiving(100),
  "in, 1000 B": () => receiving(1000),
  "out, 100 B": () => sending(100, 1),
  "out, 1000 B": () => sending(1000, 1),
  "out, 10 × 100 B in one turn": () => sending(100, 10),
};
const samples = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { ns: [], bytes: [] }]));
for (let i = 0; i < Number(repetitions); i++) {
  for (const [kind, once] of Object.entries(kinds)) {
    const { ns, bytes } = once();
    // The first third warms up.
    if (i < Number(repetitions) / 3) continue;
    samples[kind].ns.push(ns);
    samples[kind].bytes.push(bytes);
  }
}
console.log(JSON.stringify(samples));

/** Datagrams in; after ten of them the flush, with the SACK that it sends. */
function receiving(bytes) {
  return average(PER_ROUND, () => {
    const datagrams = loop.clientDatagrams(PER_ROUND, bytes);
    return () => {
      for (const datagram of datagrams) loop.receive(datagram);
      loop.flush();
    };
  });
}

/** Messages out, `together` in each turn, which ends with its flush. */
function sending(bytes, together) {
  const data = new Uint8Array(bytes).fill(7);
  const turns = together === 1 ? PER_ROUND : PER_ROUND / 2;
  return average(turns * together, () => () => {
    for (let turn = 0; turn < turns; turn++) {
      for (let i = 0; i < together; i++) loop.send(data);
      loop.flush();
    }
  });
}

function average(operations, prepare) {
  const total = { ns: 0, bytes: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const { ns, bytes } = timed(prepare(), operations);
    total.ns += ns / ROUNDS;
    total.bytes += bytes / ROUNDS;
    loop.settle();
  }
  return total;
}

/** Time and heap growth per operation. */
function timed(work, operations) {
  const heapBefore = heap();
  const start = process.hrtime.bigint();
  work();
  const ns = Number(process.hrtime.bigint() - start) / operations;
  return { ns, bytes: (heap() - heapBefore) / operations };
}

function heap() {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
