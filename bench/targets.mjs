/** What the library promises of its speed, as ratios within one run, and whether this run has kept it. */
import { preferredBuild } from "../build/wasm/kernels.js";
import { printTable } from "./report.mjs";

const OURS = "webrtc-datagram";

/**
 * From separate measurements of the Rust server beside a bare echo on the same machine: it cannot be installed from npm,
 * so it is compared by way of that echo.
 */
const RUST = { closedOverBare: 16.9 / 11.0, pacedOverBare: 49.0 / 41.2, handshakeMs: 6.2 };

const kernels = `kernels (${preferredBuild()})`;
const relaxed = preferredBuild() === "relaxed";
/** Below Node.js 24 the platform has no ML-KEM, and JavaScript takes its place. */
const hasMlKem = Number(process.versions.node.split(".")[0]) >= 24;

/** Name, how it is found, the most it may be, whether it is one that must hold. */
const TARGETS = [
  [
    "seal + open, 100 B, over node:crypto",
    (r) => r.value("record 100 B", kernels, "overNodeCrypto"),
    relaxed ? 0.1 : 0.12,
    true,
  ],
  [
    "seal + open, 1200 B, over node:crypto",
    (r) => r.value("record 1200 B", kernels, "overNodeCrypto"),
    relaxed ? 0.5 : 0.6,
    true,
  ],
  ["1,024 keys in rotation over one key, 100 B", (r) => r.value("keys", "1024", "overOneKey"), 1.5, false],
  ["CPU per 100 B echo over bare, closed loop", (r) => r.value("echo 100 B", OURS, "overBare"), 1.25, true],
  ["CPU per 100 B echo over bare, 50 × 60 Hz", (r) => r.value("paced", OURS, "overBare"), 1.25, true],
  [
    "… over webrtc-unreliable (Rust), closed loop ¹",
    (r) => over(r.value("echo 100 B", OURS, "overBare"), RUST.closedOverBare),
    0.8,
    false,
  ],
  [
    "… over webrtc-unreliable (Rust), 50 × 60 Hz ¹",
    (r) => over(r.value("paced", OURS, "overBare"), RUST.pacedOverBare),
    1.0,
    false,
  ],
  [
    "… over node-datachannel, closed loop",
    (r) => over(r.value("echo 100 B", OURS, "cpuUs"), r.value("echo 100 B", "node-datachannel", "cpuUs")),
    0.4,
    false,
  ],
  ["CPU per 1000 B echo over bare, closed loop", (r) => r.value("echo 1000 B", OURS, "overBare"), 1.6, false],
  ["20,000 messages/s: lost beyond bare", (r) => r.value("overload", OURS, "beyondBare"), 0.005, false],
  ["round trip p50 at 60 Hz over bare", (r) => r.value("paced", OURS, "p50OverBare"), 1.05, false],
  ["UDP datagrams per echo, closed loop", (r) => r.value("echo 100 B", OURS, "datagrams"), 2.1, true],
  ["UDP datagrams per echo, 50 × 60 Hz", (r) => r.value("paced", OURS, "datagrams"), 2.1, true],
  ["ten messages in one turn, each, over one alone", (r) => r.value("turn", OURS, "tenOverOne"), 0.25, false],
  ["CPU per message, 2,000 connections over 20", (r) => r.value("scale", "2000", "overFewest"), 1.2, true],
  ["CPU per handshake, ms", (r) => r.value("handshake", OURS, "cpuMs"), 1.6, true],
  [
    "CPU per handshake with DTLS 1.3 and ML-KEM, ms ²",
    (r) => r.value("handshake", `${OURS}, DTLS 1.3 with ML-KEM`, "cpuMs"),
    2.5,
    hasMlKem,
  ],
  [
    "… over webrtc-unreliable with its RSA key ¹",
    (r) => over(r.value("handshake", OURS, "cpuMs"), RUST.handshakeMs),
    0.3,
    false,
  ],
  ["memory per idle connection, KB resident", (r) => r.value("memory", OURS, "rssKB"), 12, true],
];

/** Prints the table. @returns {boolean} whether all that must hold and was measured does */
export function printTargets(results) {
  const measured = verdicts(results);
  if (measured.length === 0) return true;
  printTable(
    "Targets",
    ["", "measured", "target", "verdict"],
    measured.map(({ name, value, limit, kept, must }) => [
      name,
      value.toFixed(limit < 0.1 ? 4 : 2),
      `≤ ${limit}`,
      kept ? "kept" : must ? "MISSED" : "missed",
    ]),
    "¹ by way of a bare echo on the same machine (PERFORMANCE: 16.9 and 11.0 µs, 49.0 and 41.2 µs, 6.2 ms).\n" +
      "² must be kept from Node.js 24 on, which has ML-KEM itself.",
  );
  return measured.every(({ kept, must }) => kept || !must);
}

export function verdicts(results) {
  return TARGETS.map(([name, find, limit, must]) => ({ name, value: find(results), limit, must }))
    .filter(({ value }) => value !== undefined && Number.isFinite(value))
    .map((target) => ({ ...target, kept: target.value <= target.limit }));
}

function over(a, b) {
  return a === undefined || b === undefined ? undefined : a / b;
}
