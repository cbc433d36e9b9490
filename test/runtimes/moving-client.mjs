/**
 * The native client on a machine whose address changes, inside the machine's network namespace: it connects and sends without a
 * pause, and the address of interface `one` gives way to another one. Prints one line of JSON.
 *
 *   moving-client.mjs URL OLD NEW      both with the length of the prefix
 */
import { execFileSync } from "node:child_process";
import { argv, stdout } from "node:process";
import { connect } from "../../build/index.js";

const [, , url, old, fresh] = argv;
const ENOUGH = 40;

const connection = await connect(url);
const { id } = connection;
const echoes = new Map();
let repeated = 0;
let reason = null;
connection.on("close", (why) => {
  reason = why;
});
connection.on("message", ({ data }) => {
  if (echoes.has(data)) repeated++;
  echoes.set(data, performance.now());
});

let next = 0;
async function sendUntil(isEnough) {
  // Bounded by a count: some 20 s.
  for (let i = 0; i < 1_000 && !isEnough(); i++) {
    connection.trySend(`${next++}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

await sendUntil(() => echoes.size >= ENOUGH);
execFileSync("ip", ["addr", "del", old, "dev", "one"]);
execFileSync("ip", ["addr", "add", fresh, "dev", "one"]);
const changed = performance.now();
const since = () => [...echoes.values()].filter((at) => at >= changed);
await sendUntil(() => since().length >= ENOUGH);
const backAfterMs = Math.min(...since()) - changed;
stdout.write(`${JSON.stringify({ backAfterMs, repeated, reason, isSame: connection.id === id })}\n`);
connection.close();
