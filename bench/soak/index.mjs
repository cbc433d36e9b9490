/**
 * npm run soak: clients come and leave for as long as it is told, and the server's memory at each quarter shows whether something stays.
 *
 *   --minutes 60        under four, the second quarter is over before as many leave as come, and the verdict means little
 *   --rate 100          clients a second; the report says how many it was
 *   --drain 60          seconds after the last one, by which nothing may be left
 *   --json FILE
 *
 * Of six clients one each closes in order, dies without a word, shows another certificate than its offer named, opens and closes a
 * further channel, sends messages both ways for a while, and never comes after signalling. Exit code 1 where the server holds more at
 * the end of the last quarter than at the end of the second one by more than the tolerances below, or something is left at the end.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { readArguments } from "../../scripts/arguments.mjs";
import { Child } from "../attacks/child.mjs";
import { printTable } from "../report.mjs";

/** By how much the last quarter may exceed the second. Connections come and go at random, so their number varies by some tens. */
const TOLERANCES = { used: 5_000_000, rss: 30_000_000, keySlots: 150 };
const QUARTERS = 4;
const PROGRESS_MS = 60_000;

const options = readArguments(import.meta.url, {
  minutes: { type: "string", default: "60" },
  rate: { type: "string", default: "100" },
  drain: { type: "string", default: "60" },
  json: { type: "string" },
});
process.exit(await main());

async function main() {
  const ms = 60_000 * Number(options.minutes);
  const rate = Number(options.rate);
  if (!(ms > 0 && rate > 0)) {
    console.error("--minutes and --rate must be positive numbers.");
    return 1;
  }
  const server = await Child.start("../soak/server.mjs", { execArgv: ["--expose-gc"] });
  const clients = await Child.start("../soak/clients.mjs");
  try {
    const weights = [await weigh(server, clients, "start")];
    const { url, udpPort } = await server.call("addresses");
    await clients.call("start", { url, udpPort, rate });
    for (let quarter = 1; quarter <= QUARTERS; quarter++) {
      await pass(server, clients, ms / QUARTERS);
      weights.push(await weigh(server, clients, `quarter ${quarter}`));
    }
    await clients.call("stop");
    await sleep(1000 * Number(options.drain));
    weights.push(await weigh(server, clients, `${options.drain} s later`));
    return report(weights, ms);
  } finally {
    await clients.stop();
    await server.stop();
  }
}

/** Waits, and says each minute how it goes. */
async function pass(server, clients, ms) {
  const end = performance.now() + ms;
  for (;;) {
    const left = end - performance.now();
    if (left <= PROGRESS_MS) return await sleep(Math.max(0, left));
    await sleep(PROGRESS_MS);
    const { rss, used, connections } = await server.call("weigh", false);
    const { done, failed } = await clients.call("counts");
    console.log(
      `${done} clients, ${failed} failed; ${connections} connections, ${mb(used)} MB used, ${mb(rss)} MB rss`,
    );
  }
}

async function weigh(server, clients, name) {
  return { name, at: performance.now(), ...(await server.call("weigh", true)), ...(await clients.call("counts")) };
}

function report(weights, ms) {
  const [first, , second, , last, drained] = weights;
  const columns = [
    "",
    "clients",
    "failed",
    "heap",
    "external",
    "used",
    "rss",
    "key slots",
    "connections",
    "handshakes",
    "sessions",
  ];
  const cells = weights.map((weight) => [
    weight.name,
    ...[weight.done, weight.failed].map(String),
    ...[weight.heapUsed, weight.external, weight.used, weight.rss].map(mb),
    ...[weight.keySlots, weight.connections, weight.handshakes, weight.pendingSessions].map(String),
  ]);
  const reached = (1000 * last.done) / ms;
  const busy = (name) => `${((100 * (last[name] - first[name])) / (last.at - first.at)).toFixed(0)} % of a core`;
  const cpu = `the server had ${busy("cpuMs")}, the clients ${busy("clientCpuMs")}`;
  const note = `${reached.toFixed(0)} clients a second of ${options.rate} wanted; ${cpu}`;
  printTable("The server, memory in MB after collection", columns, cells, `\n${note}`);
  console.log(
    "By kind:",
    JSON.stringify(last.byKind),
    "drops:",
    JSON.stringify(last.drops),
    "closed:",
    JSON.stringify(last.closed),
  );
  const grown = Object.entries(TOLERANCES).filter(([name, tolerance]) => last[name] - second[name] > tolerance);
  const left = ["connections", "handshakes", "pendingSessions", "keySlots"].filter((name) => drained[name] > 0);
  for (const [name, tolerance] of grown)
    console.log(`GROWN: ${name} by ${last[name] - second[name]}, over ${tolerance}`);
  for (const name of left) console.log(`LEFT: ${drained[name]} ${name}`);
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ options, weights }, undefined, 1)}\n`);
  if (grown.length + left.length === 0) console.log("Nothing has grown, nothing is left.");
  return grown.length + left.length === 0 ? 0 : 1;
}

function mb(bytes) {
  return (bytes / 1e6).toFixed(1);
}
