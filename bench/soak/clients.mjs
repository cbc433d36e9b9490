/** The soak's clients, which come at a steady pace and leave again. Calls as in `bench/attacks/server.mjs`. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../build/index.js";
import { openSession, Peer } from "../attacks/peer.mjs";

/** Beyond it newcomers wait: the machine is too slow for the pace. */
const MAX_AT_ONCE = 250;
const PACE_MS = 10;
const TALK_MS = 1_000;
const TALK_INTERVAL_MS = 50;
const SMALL = new Uint8Array(100);
const LARGE = new Uint8Array(3_000);

let place;
let isRunning = false;
let atOnce = 0;
const counts = { done: 0, failed: 0, byKind: {} };

const kinds = {
  async cleanClose() {
    const connection = await connect(place.url);
    await echo(connection, SMALL);
    connection.close();
  },
  async silentDeath() {
    const peer = await Peer.open(place.url, place.to);
    peer.send([peer.openChannel(0), peer.data(0, SMALL)]);
    await sleep(50);
    peer.close(false);
  },
  async refusedHandshake() {
    const shown = Array(32).fill("aa").join(":");
    const peer = await Peer.open(place.url, place.to, { shown }).catch(() => undefined);
    if (peer === undefined) return;
    peer.close();
    throw new Error("a certificate that was not announced");
  },
  async channelOpenedAndClosed() {
    const connection = await connect(place.url);
    const channel = connection.createChannel("another", { ordered: true });
    connection.trySend(LARGE, { channel });
    await echo(connection, SMALL);
    connection.closeChannel(channel);
    await sleep(50);
    connection.close();
  },
  async talk() {
    const connection = await connect(place.url);
    for (let end = performance.now() + TALK_MS; performance.now() < end; await sleep(TALK_INTERVAL_MS)) {
      connection.trySend(SMALL);
    }
    await echo(connection, LARGE);
    connection.close();
  },
  async neverComes() {
    await openSession(place.url);
  },
};

const methods = {
  start({ url, udpPort, rate }) {
    place = { url, to: { address: "127.0.0.1", port: udpPort } };
    isRunning = true;
    run(rate);
  },
  async stop() {
    isRunning = false;
    while (atOnce > 0) await sleep(PACE_MS);
  },
  counts() {
    const { user, system } = process.cpuUsage();
    return { ...counts, clientCpuMs: (user + system) / 1000 };
  },
};
process.on("message", async ({ id, method, argument }) =>
  process.send({ id, result: await methods[method](argument) }),
);
process.on("disconnect", () => process.exit(0));
process.send({ id: 0 });

async function run(rate) {
  const names = Object.keys(kinds);
  let due = performance.now();
  for (let next = 0; isRunning; await sleep(PACE_MS)) {
    // What the machine could not do in time is left out, not made up for.
    due = Math.max(due, performance.now() - 1_000);
    for (; due <= performance.now() && atOnce < MAX_AT_ONCE; due += 1000 / rate) one(names[next++ % names.length]);
  }
}

async function one(name) {
  atOnce++;
  try {
    await kinds[name]();
    counts.done++;
    counts.byKind[name] = (counts.byKind[name] ?? 0) + 1;
  } catch (error) {
    counts.failed++;
    const failure = `${name}: ${String(error?.message ?? error).slice(0, 80)}`;
    counts.byKind[failure] = (counts.byKind[failure] ?? 0) + 1;
  } finally {
    atOnce--;
  }
}

/** Sends until an echo comes: messages are not repeated by themselves. */
async function echo(connection, data) {
  const first = connection.recv();
  for (let tries = 0; tries < 20; tries++) {
    connection.trySend(data);
    if ((await Promise.race([first, sleep(250)])) !== undefined) return;
  }
  throw new Error("no echo");
}
