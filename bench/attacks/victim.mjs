/**
 * The honest client, in a process of its own: the native client with an echo 60 times a second. Calls as in `server.mjs`.
 *
 *   measure(ms)    round trips of that time, and the process's own CPU
 *   open(url)      how long a further client takes to open, ms; undefined where it does not
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../build/index.js";

const INTERVAL_MS = 1000 / 60;
/** After the last message: what has not come back by then is lost. */
const LAST_ECHO_MS = 500;
const OPEN_LIMIT_MS = 5_000;
const MESSAGE_BYTES = 100;

let connection;
let sentAt = new Map();
let roundTrips = [];
let nextNumber = 0;

const methods = {
  async start(url) {
    connection = await connect(url);
    connection.on("message", ({ data }) => {
      const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
      const sent = sentAt.get(number);
      if (sent !== undefined) roundTrips.push(performance.now() - sent);
    });
  },
  async measure(ms) {
    sentAt = new Map();
    roundTrips = [];
    const before = process.cpuUsage();
    const start = performance.now();
    for (let next = start; next < start + ms; next += INTERVAL_MS) {
      await sleep(Math.max(0, next - performance.now()));
      send();
    }
    const { user, system } = process.cpuUsage(before);
    const cpu = (user + system) / 1000 / (performance.now() - start);
    await sleep(LAST_ECHO_MS);
    roundTrips.sort((a, b) => a - b);
    const at = (share) => roundTrips[Math.min(roundTrips.length - 1, Math.floor(share * roundTrips.length))];
    return {
      sent: sentAt.size,
      returned: roundTrips.length,
      p50: at(0.5),
      p99: at(0.99),
      cpu,
      state: connection.state,
    };
  },
  async open(url) {
    const start = performance.now();
    try {
      const another = await connect(url, { timeoutMs: OPEN_LIMIT_MS });
      const took = performance.now() - start;
      another.close();
      return took;
    } catch {
      return undefined;
    }
  },
};
process.on("message", async ({ id, method, argument }) => {
  try {
    process.send({ id, result: await methods[method](argument) });
  } catch (error) {
    process.send({ id, error: String(error) });
  }
});
process.on("disconnect", () => process.exit(0));
process.send({ id: 0 });

function send() {
  const data = new Uint8Array(MESSAGE_BYTES);
  new DataView(data.buffer).setUint32(0, nextNumber);
  sentAt.set(nextNumber++, performance.now());
  connection.trySend(data);
}
