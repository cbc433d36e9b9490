import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { TracedLayers } from "../../../src/core/peer-trace.ts";
import { TRACE_EVENTS, type TraceEventName } from "../../../src/trace/events.ts";
import { ClientNode } from "../../sim/client-node.ts";
import { UNRELIABLE, World } from "../../sim/world.ts";
import { blocksOf, EPOCH_MS, type TraceEvent, Traced, traceAll } from "../../support/traced.ts";

const SECTION_HEADER = 0x0a0d0d0a;
const DECRYPTION_SECRETS = 10;
const ENHANCED_PACKET = 6;
const REBOUND = { address: "198.51.100.77", port: 61_000 };

/** A page that talks over a line which loses, moves, is sent rubbish to, and leaves. */
function session(seed: string, dtlsVersions: readonly ("1.2" | "1.3")[] = ["1.3", "1.2"]) {
  const world = new World(seed, {}, dtlsVersions);
  const traces = traceAll(world);
  const { network, server } = world;
  const { peer, host, channel } = world.openBrowser({ line: { rttMs: 40, loss: 0.1 }, channel: { ordered: true } });
  const connection = server.opened[0];
  const start = network.now;
  network.every(start, 20, 100, server.host, (index, now) => server.send(now, connection, `message ${index}`));
  network.every(start, 20, 100, host, (index, now) => peer.send(now, channel, `answer ${index}`));
  network.at(start + 1_000, host, () => network.rebind(host, REBOUND));
  network.runUntil(start + 10_000);
  server.handleDatagram(network.now, connection.remote, Uint8Array.of(23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 0));
  peer.close(network.now);
  network.runUntil(network.now + 15_000);
  return { world, traced: traces[0], connection };
}

function documentedEvents(): Record<string, string[]> {
  const page = readFileSync(new URL("../../../docs/trace.md", import.meta.url), "utf8");
  const rows = page.matchAll(/^\| `(\w+:\w+)` \| ([^|]*) \|/gm);
  return Object.fromEntries(
    [...rows].map(([, name, fields]) => [name, [...fields.matchAll(/`(\w+)`/g)].map(([, field]) => field)]),
  );
}

test("docs/trace.md has each event with its fields", () => {
  expect(documentedEvents()).toEqual(TRACE_EVENTS);
});

describe.each(["1.2", "1.3"] as const)("a traced connection with DTLS %s", (version) => {
  const { world, traced, connection } = session(`traced ${version}`, [version]);
  const { events } = traced;
  const named = (name: TraceEventName) => traced.named(name);

  test("is told from its first check to its end, in order of time", () => {
    expect(events[0].name).toBe("connection:started");
    expect(events[1]).toMatchObject({ name: "udp:datagram_received", data: { protocol: "stun" } });
    expect(events.at(-2)).toMatchObject({ name: "connection:closed" });
    expect(events.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "closed" } });
    const times = events.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(EPOCH_MS);
    expect(times.at(-1)).toBeLessThanOrEqual(EPOCH_MS + world.network.now);
    expect(traced.ends).toBe(1);
    expect(connection.trace).toBeUndefined();
  });

  test("has events and fields of the table only, and nearly all of them", () => {
    for (const { name, data } of events) {
      expect(Object.keys(TRACE_EVENTS)).toContain(name);
      expect(TRACE_EVENTS[name]).toEqual(expect.arrayContaining(Object.keys(data)));
    }
    const unseen = Object.keys(TRACE_EVENTS).filter((name) => named(name as TraceEventName).length === 0);
    expect(unseen).toEqual([]);
  });

  test("has a header of qlog in its first line", () => {
    expect(JSON.parse(traced.lines[0])).toMatchObject({
      file_schema: "urn:ietf:params:qlog:file:sequential",
      serialization_format: "application/qlog+json-seq",
      trace: {
        common_fields: { group_id: "traced", time_format: "relative_to_epoch" },
        vantage_point: { type: "server" },
      },
    });
  });

  test("tells states, negotiation, path, channel and drop", () => {
    expect(named("connection:state_changed").map((data) => data.new)).toEqual(["connected", "open", "closed"]);
    expect(named("dtls:negotiated")).toEqual([expect.objectContaining({ version })]);
    expect(named("connection:path_changed").at(-1)).toMatchObject({ new: "198.51.100.77:61000" });
    expect(named("channel:opened")).toEqual([expect.objectContaining({ label: "data", ordered: true })]);
    expect(named("channel:closed")).toEqual([expect.objectContaining({ label: "data" })]);
    expect(named("connection:dropped")).toContainEqual({ reason: expect.stringMatching(/^dtls-/), count: 1 });
  });

  test("tells each retransmission, and the timers and the window that go with it", () => {
    const chunks = (name: "sctp:packet_sent" | "sctp:packet_received") =>
      named(name).flatMap((data) => data.chunks as Record<string, unknown>[]);
    const sent = chunks("sctp:packet_sent");
    const again = sent.filter(({ retransmission }) => retransmission === true).length;
    expect(again).toBe(connection.association?.stats.retransmissions);
    expect(again).toBeGreaterThan(0);
    expect(
      named("sctp:metrics_updated")
        .map((data) => data.retransmissions)
        .findLast(Boolean),
    ).toBe(again);
    expect(named("sctp:metrics_updated").filter((data) => data.congestion_window !== undefined).length).toBeGreaterThan(
      1,
    );
    expect(named("recovery:timer_expired").flatMap((data) => data.timers)).toContain("t3-rtx");
    expect(chunks("sctp:packet_received").some(({ type, gaps }) => type === "sack" && (gaps as []).length > 0)).toBe(
      true,
    );
  });

  test("has a capture of both interfaces, where secrets stand in front of what they decrypt", () => {
    const blocks = blocksOf(traced.capture);
    expect(blocks.slice(0, 3).map(({ type }) => type)).toEqual([SECTION_HEADER, 1, 1]);
    const isSecret = ({ type }: { type: number }) => type === DECRYPTION_SECRETS;
    expect(blocks.filter(isSecret).length).toBe(version === "1.2" ? 1 : 5);
    const packets = blocks.filter(({ type }) => type === ENHANCED_PACKET).map(({ body }) => body);
    const firstOfSctp = blocks.findIndex(({ type, body }) => type === ENHANCED_PACKET && body[3] === 1);
    expect(blocks.findLastIndex(isSecret)).toBeLessThan(firstOfSctp);
    const count = (name: TraceEventName) => named(name).length;
    const on = (id: number) => packets.filter((body) => body[3] === id).length;
    expect(on(0)).toBe(count("udp:datagram_received") + count("udp:datagram_sent"));
    expect(on(1)).toBe(count("sctp:packet_received") + count("sctp:packet_sent"));
  });
});

test("a trace changes nothing: a session with one is the same as without, datagram by datagram", () => {
  const run = (isTraced: boolean) => {
    const world = new World("changes nothing");
    const sent: string[] = [];
    world.network.onDelivery = (from, to, datagram) => {
      sent.push(`${world.network.now} ${from.port} ${to.port} ${datagram.length}`);
    };
    if (isTraced) traceAll(world);
    const { peer, channel, host } = world.openBrowser({ line: { rttMs: 40, loss: 0.05 }, channel: UNRELIABLE });
    // Signatures of a handshake differ in length.
    sent.length = 0;
    const [connection] = world.server.opened;
    world.server.onMessage = (_, __, data) => world.server.send(world.network.now, connection, data);
    world.network.every(world.network.now, 16, 200, host, (index, now) => peer.send(now, channel, `${index}`));
    world.network.runUntil(10_000);
    return { sent, drops: world.server.endpoint.drops.snapshot(), stats: connection.stats(world.network.now) };
  };
  expect(run(true)).toEqual(run(false));
});

test("of two connections only the chosen one is told, and nothing stands in the way of the other", () => {
  const world = new World("chosen");
  const layers = vi.spyOn(TracedLayers.prototype, "applicationDataAt");
  const other = world.openBrowser();
  expect(layers).not.toHaveBeenCalled();
  const chosen = world.openBrowser();
  const [untraced, connection] = world.server.opened;
  const traced = new Traced(world, connection);
  const before = layers.mock.calls.length;
  for (const { peer, channel } of [other, chosen]) peer.send(world.network.now, channel, "hello");
  world.network.runUntil(world.network.now + 1_000);
  const remotes = traced.named("udp:datagram_received").map((data) => data.from);
  expect(new Set(remotes)).toEqual(new Set([`${chosen.host.address.address}:${chosen.host.address.port}`]));
  expect(layers.mock.calls.length - before).toBe(traced.named("sctp:packet_received").length);
  expect(untraced.trace).toBeUndefined();
  layers.mockRestore();
});

test("a trace that begins late has the packets in the clear, and no keys", () => {
  const world = new World("late");
  const { peer, channel } = world.openBrowser();
  const [connection] = world.server.opened;
  const traced = new Traced(world, connection);
  peer.send(world.network.now, channel, "hello");
  world.network.runUntil(world.network.now + 1_000);
  expect(traced.events[0]).toMatchObject({ name: "connection:started", data: { state: "open" } });
  expect(traced.named("sctp:packet_received").flatMap((data) => data.chunks)).toContainEqual(
    expect.objectContaining({ type: "data", payload_length: 5 }),
  );
  expect(blocksOf(traced.capture).filter(({ type }) => type === DECRYPTION_SECRETS)).toEqual([]);
});

test("a trace that is stopped ends there, and the connection goes on", () => {
  const world = new World("stopped");
  const { peer, channel } = world.openBrowser();
  const [connection] = world.server.opened;
  let received = 0;
  world.server.onMessage = () => received++;
  const traced = new Traced(world, connection);
  const talk = () => {
    peer.send(world.network.now, channel, "hello");
    world.network.runUntil(world.network.now + 1_000);
  };
  talk();
  traced.tracer.stop();
  const { length } = traced.events;
  talk();
  expect(traced.events.length).toBe(length);
  expect(traced.events.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "stopped" } });
  expect([received, traced.ends, connection.state]).toEqual([2, 1, "open"]);
});

test("a second trace of a connection takes over from the first", () => {
  const world = new World("second");
  const { peer, channel } = world.openBrowser();
  const [connection] = world.server.opened;
  const [first, second] = [new Traced(world, connection), new Traced(world, connection)];
  peer.send(world.network.now, channel, "hello");
  world.network.runUntil(world.network.now + 1_000);
  expect(first.events.map(({ name }) => name)).toContain("trace:ended");
  expect([first, second].map((traced) => traced.named("sctp:packet_received").length > 0)).toEqual([false, true]);
});

test("a trace ends at its limit, and the connection goes on", () => {
  const world = new World("limit");
  const { peer, channel } = world.openBrowser();
  const [connection] = world.server.opened;
  const traced = new Traced(world, connection, 3_000);
  for (let i = 0; i < 100; i++) {
    peer.send(world.network.now, channel, "x".repeat(500));
    world.network.runUntil(world.network.now + 20);
  }
  expect(traced.events.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "limit" } });
  // What went over it, and the last event.
  const bytes = traced.capture.length + traced.lines.join("").length;
  expect(bytes).toBeGreaterThanOrEqual(3_000);
  expect(bytes).toBeLessThan(3_000 + 2_000);
  expect([traced.ends, connection.state, connection.trace]).toEqual([1, "open", undefined]);
});

test.each(["pcapng", "events"] as const)("a sink with %s alone is given nothing else", (name) => {
  const world = new World("alone");
  const given: unknown[] = [];
  world.openBrowser();
  const traced = new Traced(world, world.server.opened[0], 1e6, { [name]: (piece: unknown) => given.push(piece) });
  world.network.runUntil(world.network.now + 3_000);
  traced.deliver();
  expect(given.length).toBeGreaterThan(3);
  expect(new Set(given.map((piece) => typeof piece))).toEqual(new Set([name === "events" ? "string" : "object"]));
});

test("a client is traced from its first check to its end as well, keys included", () => {
  const world = new World("client", {}, ["1.2"]);
  const client = new ClientNode(world, { address: "198.51.100.5", port: 50_005 }, { dtlsVersions: ["1.2"] });
  const traced = new Traced(world, client.connection);
  world.network.runUntil(2_000);
  client.connection.close(world.network.now, "local");
  const names = traced.events.map(({ name }: TraceEvent) => name);
  expect(names.slice(0, 2)).toEqual(["connection:started", "udp:datagram_sent"]);
  expect(names).toEqual(expect.arrayContaining(["dtls:negotiated", "sctp:packet_sent", "sctp:packet_received"]));
  expect(names.at(-1)).toBe("trace:ended");
  expect(blocksOf(traced.capture).filter(({ type }) => type === DECRYPTION_SECRETS).length).toBe(1);
});
