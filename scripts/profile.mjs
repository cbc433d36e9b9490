/**
 * Where the server's time goes: runs our echo server under V8's CPU profiler, drives it with the load generator of
 * bench/, and prints self time by layer and by function.
 *
 *   node scripts/profile.mjs [closed | large | paced | fast | connect] [--seconds N] [--keep FILE]
 *
 * closed: 64 messages of 100 B on their way over one connection; large: the same with 1000 B; paced: 50 clients × 60 Hz;
 * fast: 20,000 messages a second; connect: handshakes, where an "echo" is a connection.
 * --keep writes the .cpuprofile, for a viewer of flame charts.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { closedLoop, steady } from "../bench/load/flows.mjs";
import { measure } from "../bench/load/measure.mjs";
import { ServerProcess } from "../bench/load/server-process.mjs";
import { printTable } from "../bench/report.mjs";

const SAMPLE_US = 200;
const WARM_UP_MS = 1_500;
const CONNECTIONS = 200;
const FUNCTIONS_SHOWN = 30;
const LEAST_SHARE = 0.004;

const TRAFFIC = {
  closed: { clients: 1, run: ([client], ms) => closedLoop(client, { bytes: 100, ms }) },
  large: { clients: 1, run: ([client], ms) => closedLoop(client, { bytes: 1000, ms }) },
  paced: { clients: 50, run: (clients, ms) => steady(clients, { ms }) },
  connect: { clients: 1, run: (_clients, _ms, server) => connecting(server) },
  fast: { clients: 1, run: (clients, ms) => steady(clients, { perSecond: 20_000, ms }) },
};

/** The layer of a function by the script it is in; the first that fits. */
const LAYERS = [
  ["WebAssembly kernels", /^wasm:/],
  ["DTLS", /\/build\/dtls\//],
  ["SCTP", /\/build\/sctp\//],
  ["data channels", /\/build\/channel\//],
  ["ICE", /\/build\/ice\//],
  ["endpoint", /\/build\/core\//],
  ["WebAssembly boundary", /\/build\/wasm\//],
  ["socket adapter", /\/build\/runtime\//],
  ["shell, server, connection", /\/build\/[^/]+\.js/],
  ["other own code", /\/build\//],
  ["application", /\/bench\//],
  ["node:dgram", /^node:(dgram|internal\/dgram)/],
  ["node's timers, queues, events", /^node:/],
];
const VM_STATES = {
  "(garbage collector)": "garbage collection",
  "(program)": "runtime (C++, libuv, receive, JIT)",
  "(idle)": "idle",
  "(root)": "idle",
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "4" }, keep: { type: "string" } },
});
const kinds = positionals.length > 0 ? positionals : ["closed", "large", "paced"];
for (const kind of kinds) {
  if (!(kind in TRAFFIC)) {
    console.error(`"${kind}" is not one of ${Object.keys(TRAFFIC).join(", ")}`);
    process.exit(1);
  }
  await profile(kind, Number(values.seconds) * 1000);
}
process.exit();

async function profile(kind, ms) {
  const server = await ServerProcess.start("webrtc-datagram");
  const { clients: count, run } = TRAFFIC[kind];
  const clients = await server.connectMany(count);
  // Warm before the profile: what is shown is the optimised code, without the handshakes.
  await closedLoop(clients[0], { bytes: 100, ms: WARM_UP_MS });
  await run(clients, WARM_UP_MS, server);
  const { cpuUs: plainUs } = await measure(server, clients, () => run(clients, ms / 2, server));
  await server.call("startProfile", SAMPLE_US);
  const { datagrams } = await measure(server, clients, () => run(clients, ms, server));
  const found = await server.call("stopProfile");
  await Promise.all(clients.map((client) => client.close()));
  await server.stop();
  if (values.keep !== undefined) writeFileSync(values.keep, JSON.stringify(found));
  report(kind, selfTimes(found), plainUs, datagrams);
}

async function connecting(server) {
  const clients = await server.connectMany(CONNECTIONS);
  await Promise.all(clients.map((client) => client.close()));
  return { echoes: CONNECTIONS };
}

/** Self time of each function in µs, by name and script. */
function selfTimes({ nodes, samples, timeDeltas }) {
  const nodeById = new Map(nodes.map((node) => [node.id, node]));
  const times = new Map();
  samples.forEach((id, i) => {
    const { functionName, url, lineNumber } = nodeById.get(id).callFrame;
    const name = functionName || "(anonymous)";
    const where =
      url === "" ? "" : `${url.replace(/^.*\/build\//, "").replace(/^.*\/bench\//, "bench/")}:${lineNumber + 1}`;
    const key = `${name} ${where}`;
    const entry = times.get(key) ?? { name, where, layer: layerOf(name, url), us: 0 };
    entry.us += Math.max(0, timeDeltas[i]);
    times.set(key, entry);
  });
  return [...times.values()].filter(({ layer }) => layer !== "idle");
}

function layerOf(name, url) {
  if (name in VM_STATES) return VM_STATES[name];
  if (url === "") return "native calls (send among them)";
  return LAYERS.find(([, pattern]) => pattern.test(url))?.[0] ?? "other";
}

function report(kind, functions, cpuUs, datagrams) {
  const total = functions.reduce((sum, { us }) => sum + us, 0);
  const layers = new Map();
  for (const { layer, us } of functions) layers.set(layer, (layers.get(layer) ?? 0) + us);
  const share = (us) => `${((us / total) * 100).toFixed(1)} %`;
  // The profiler itself slows the server: its shares are laid over what an echo costs without.
  const row = (name, us) => [name, share(us), ((us / total) * cpuUs).toFixed(2)];
  printTable(
    `${kind}: ${cpuUs.toFixed(1)} µs of CPU per echo, ${datagrams.toFixed(2)} datagrams`,
    ["layer", "self", "µs/echo"],
    [...layers].sort((a, b) => b[1] - a[1]).map(([name, us]) => row(name, us)),
  );
  const shown = functions.filter(({ us }) => us / total >= LEAST_SHARE).sort((a, b) => b.us - a.us);
  printTable(
    "",
    ["function", "self", "µs/echo"],
    shown.slice(0, FUNCTIONS_SHOWN).map(({ name, where, us }) => row(`${name}  ${where}`, us)),
  );
}
