import { expect, test } from "vitest";
import { bytesOf } from "../sctp/support.ts";
import { ScriptedPage, ScriptedServer } from "./support/scripted-page.ts";

const LIMITS = {
  maxConnections: 8,
  maxConnectionsPerAddress: 4,
  maxMemoryBytes: 1_600_000,
  maxMemoryBytesPerConnection: 1_000_000,
  maxQueuedBytes: 1_000_000,
};
const SHARE = 200_000;
const RELIABLE = { negotiatedChannels: [{ label: "data", id: 0, maxRetransmits: null }] };

/** Pages that open and then hear nothing, from addresses of the documentation's networks. */
function scene(addresses: readonly string[]) {
  const server = new ScriptedServer("memory", LIMITS, RELIABLE);
  const pages = addresses.map((address, i) => new ScriptedPage(server).open({ address, port: 1_000 + i }));
  /** Makes the server hold so many bytes for a page; false where they are refused. */
  const hold = (page: ScriptedPage, bytes: number) => {
    const { connection } = page;
    const result = connection.send(server.now, bytesOf(bytes));
    return result === "sent" || result === "queued";
  };
  const fill = (page: ScriptedPage, bytes: number) => {
    while (page.connection.memory.bytes < bytes && hold(page, 10_000));
    return page.connection.memory.bytes;
  };
  const ended = () =>
    server.closed.map(({ connection, reason }) => [pages.findIndex((page) => page.connection === connection), reason]);
  return { server, pages, hold, fill, ended };
}

test("a connection holds more than its share while there is room, and no more than one may", () => {
  const { pages, fill, ended } = scene(["192.0.2.1"]);
  // Its address has four shares, which is less than one connection may have.
  expect(fill(pages[0], 2_000_000)).toBeGreaterThan(4 * SHARE - 20_000);
  expect(pages[0].connection.memory.bytes).toBeLessThanOrEqual(4 * SHARE);
  expect(ended()).toEqual([]);
});

test("where all is full and another connection claims its share, the one that holds the most is ended", () => {
  const { server, pages, fill, ended } = scene(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
  const [most, much, late] = pages;
  expect(fill(most, 790_000)).toBeGreaterThan(780_000);
  expect(fill(much, 750_000)).toBeGreaterThan(740_000);
  server.endpoint.flush(server.now);
  expect(ended()).toEqual([]);
  fill(late, 190_000);
  server.endpoint.flush(server.now);
  expect(ended()).toEqual([[0, "memory-limit"]]);
  expect([most, much, late].map(({ connection }) => connection.state)).toEqual(["closed", "open", "open"]);
  expect(server.endpoint.memory.bytes).toBe(much.connection.memory.bytes + late.connection.memory.bytes);
});

test("an address block has a budget of its own, and makes room among its own connections", () => {
  const { server, pages, fill, ended } = scene(["2001:db8::9", "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"]);
  const [stranger, heavy, ...others] = pages;
  fill(stranger, 500_000);
  expect(fill(heavy, 490_000)).toBeGreaterThan(480_000);
  for (const other of others) fill(other, SHARE - 15_000);
  server.endpoint.flush(server.now);
  expect(ended()).toEqual([[1, "memory-limit"]]);
  expect(stranger.connection.state).toBe("open");
});

test("nothing is held any more when all have ended", () => {
  const { server, pages, fill } = scene(["192.0.2.1", "192.0.2.2"]);
  for (const page of pages) fill(page, 100_000);
  expect(server.endpoint.memory.bytes).toBeGreaterThan(200_000);
  server.endpoint.close(server.now);
  expect(server.endpoint.memory.bytes).toBe(0);
});
