/**
 * What every server under test has in common: it runs in a process of its own, answers the driver's calls, and reports
 * the CPU time of its process.
 *
 * @typedef {object} ServerUnderTest
 * @property {(offer: string) => Promise<string> | string} [answer] the SDP answer to an offer
 * @property {Record<string, unknown>} address where clients that need no offer find it
 */
import { Session } from "node:inspector/promises";

const EVENTS_BETWEEN_COLLECTIONS_MS = 50;

/** @param {Record<string, (...args: any[]) => unknown>} methods what the driver may call, beside `cpu` and `memory` */
export function serve(methods) {
  const all = { cpu, memory, startProfile, stopProfile, ...methods };
  process.on("message", async ({ id, method, args }) => {
    try {
      process.send({ id, result: await all[method](...args) });
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) });
    }
  });
  process.on("disconnect", () => process.exit());
  process.send({ ready: true });
}

/** CPU time of all threads of this process so far, user and system, microseconds. */
function cpu() {
  const { user, system } = process.cpuUsage();
  return { user, system };
}

/** Bytes in use after the garbage is gone. */
async function memory() {
  for (let i = 0; i < 6; i++) {
    passThroughYoungGeneration();
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, EVENTS_BETWEEN_COLLECTIONS_MS));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external };
}

/** Touches all pages of the young generation, which weigh nothing before. */
function passThroughYoungGeneration() {
  const latest = [];
  for (let i = 0; i < 2_000_000; i++) latest[i % 1_000] = { i };
}

const inspector = new Session();

/** @param {number} intervalUs between two samples */
async function startProfile(intervalUs) {
  inspector.connect();
  await inspector.post("Profiler.enable");
  await inspector.post("Profiler.setSamplingInterval", { interval: intervalUs });
  await inspector.post("Profiler.start");
}

async function stopProfile() {
  const { profile } = await inspector.post("Profiler.stop");
  inspector.disconnect();
  return profile;
}
