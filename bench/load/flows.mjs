/** Traffic patterns. Each runs for a time against connected clients, and counts what came back. */
import { setTimeout as sleep } from "node:timers/promises";

/** When nothing came back for this long, what is outstanding counts as lost and is sent anew. */
const STALLED_MS = 100;
const DRAIN_MS = 150;
const HZ = 60;

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Keeps `outstanding` messages on their way over one client: each echo is followed by the next message. */
export async function closedLoop(client, { bytes, outstanding = 64, ms }) {
  const data = new Uint8Array(bytes).fill(7);
  let echoes = 0;
  let running = true;
  let last = performance.now();
  client.onMessages = (count) => {
    echoes += count;
    last = performance.now();
    for (let i = 0; running && i < count; i++) client.send(data);
  };
  const watch = setInterval(() => {
    if (performance.now() - last > STALLED_MS) for (let i = 0; i < outstanding; i++) client.send(data);
  }, STALLED_MS);
  for (let i = 0; i < outstanding; i++) client.send(data);
  await sleep(ms);
  running = false;
  clearInterval(watch);
  const counted = echoes;
  await sleep(20);
  client.onMessages = () => {};
  return { echoes: counted };
}

/**
 * An open loop: messages leave evenly spaced, `perSecond` in sum, by one client after the other.
 *
 * @returns {Promise<{ sent: number, echoes: number }>}
 */
export async function steady(clients, { bytes = 100, perSecond = HZ * clients.length, ms }) {
  const data = new Uint8Array(bytes).fill(7);
  let echoes = 0;
  let sent = 0;
  for (const client of clients) {
    client.onMessages = (count) => {
      echoes += count;
    };
  }
  const start = performance.now();
  await new Promise((resolve) => {
    const pace = () => {
      const elapsed = performance.now() - start;
      for (const due = (Math.min(elapsed, ms) * perSecond) / 1000; sent < due; sent++) {
        clients[sent % clients.length].send(data);
      }
      if (elapsed >= ms) {
        resolve();
        return;
      }
      // Timers come a millisecond apart, which would turn an even flow into bursts; and a spinning loop takes a core.
      nap((sent * 1000) / perSecond - (performance.now() - start));
      setImmediate(pace);
    };
    pace();
  });
  await sleep(DRAIN_MS);
  for (const client of clients) client.onMessages = () => {};
  return { sent, echoes };
}

/**
 * One message at a time, 60 a second.
 *
 * @returns {Promise<number[]>} round trips in ms, sorted: from the system call that sends to the arrival of the datagram
 */
export async function roundTrips(client, { bytes = 100, ms }) {
  const data = new Uint8Array(bytes).fill(7);
  const found = [];
  client.onMessages = () => found.push(client.receivedAt - client.sentAt);
  for (const end = performance.now() + ms; performance.now() < end; ) {
    client.send(data);
    await sleep(1000 / HZ);
  }
  client.onMessages = () => {};
  return found.sort((a, b) => a - b);
}

/** Blocks for `ms`, at most 1: nothing else would run in this process anyway. */
function nap(ms) {
  if (ms > 0) Atomics.wait(cell, 0, 0, Math.min(ms, 1));
}
