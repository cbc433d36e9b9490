import { expect, test } from "vitest";
import { Endpoint, type HeldSession } from "../../../src/core/server-endpoint.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { writeBindingRequest } from "../../../src/ice/stun-write.ts";
import type { EndpointLimits } from "../../../src/limits.ts";
import { Random } from "../../sim/random.ts";
import { ScriptedPage, ScriptedServer, smallLimits } from "./support/scripted-page.ts";

const certificate = Certificate.generate();

/** A server, and how a page with a session of its own checks from an address: whether it is answered. */
function scene(limits: Partial<EndpointLimits>) {
  const random = new Random("limits").bytes;
  let answers = 0;
  const endpoint = new Endpoint(
    {
      certificate,
      limits: smallLimits(limits),
      random,
    },
    { transmit: () => answers++, opened() {}, message() {}, closed() {} },
  );
  const { fingerprintBytes: fingerprint } = certificate;
  const remote = { ufrag: "page", fingerprint, sctpPort: 5000, maxMessageBytes: 0 };
  const newSession = (now = 0, from?: string) => endpoint.createSession(now, remote, undefined, from)!;
  const check = (session: HeldSession, address: string, port = 50_000, now = 0) => {
    const before = answers;
    const request = writeBindingRequest({
      transactionId: random(12),
      username: `${session.localUfrag}:page`,
      key: new TextEncoder().encode(session.localPwd),
      priority: 1,
      tieBreaker: random(8),
      role: "controlling",
      useCandidate: true,
    });
    endpoint.handleDatagram(now, { address, port }, request);
    return answers > before;
  };
  const arrive = (address: string, port?: number) => check(newSession(), address, port);
  return { endpoint, newSession, check, arrive };
}

test.each([
  ["IPv4 address", "192.0.2.1", "192.0.2.1", "192.0.2.2"],
  ["IPv6 /64", "2001:db8::1", "2001:db8::ffff:0:0:2", "2001:db8:0:1::1"],
])(
  "one %s has a share of the handshakes, whatever its ports, and the others have theirs",
  (_, first, second, other) => {
    const { endpoint, newSession, check, arrive } = scene({ maxHandshakesPerAddress: 2 });
    expect([arrive(first, 1), arrive(second, 2)]).toEqual([true, true]);
    const late = newSession();
    expect(check(late, second, 3)).toBe(false);
    expect(endpoint.drops.get("handshake-limit")).toBe(1);
    expect(arrive(other)).toBe(true);
    // Once there is room the same session gets in.
    const [oldest] = endpoint.connections();
    oldest.close(0, "local");
    expect(check(late, second, 3)).toBe(true);
    expect(arrive(first, 4)).toBe(false);
  },
);

test("a wider IPv6 block has twice and four times the share of a /64", () => {
  const { arrive } = scene({ maxHandshakesPerAddress: 1, maxHandshakes: 8 });
  const arrivals = ["0:1::1", "0:1::2", "0:2::1", "0:3::1", "0:100::1", "0:200::1", "0:300::1"];
  expect(arrivals.map((rest) => arrive(`2001:db8:${rest}`))).toEqual([true, false, true, false, true, true, false]);
});

test("a connection counts in its address's share once its handshake is complete, where that happened", () => {
  const server = new ScriptedServer("connections", { maxConnectionsPerAddress: 2 });
  const at = (port: number) => ({ address: "192.0.2.1", port });
  const pages = [1, 2].map((port) => new ScriptedPage(server).open(at(port)));
  const late = new ScriptedPage(server);
  late.check(at(3), true);
  expect(late.session.connection).toBeUndefined();
  expect(server.endpoint.drops.get("address-budget")).toBe(1);
  // However often one of them moves, it counts where it was.
  pages[0].check({ address: "192.0.2.2", port: 1 }, true);
  late.check(at(3), true);
  expect(late.session.connection).toBeUndefined();
  new ScriptedPage(server).open({ address: "192.0.2.2", port: 2 });
  pages[1].connection.close(0, "local");
  expect(late.open(at(3)).connection.state).toBe("open");
});

test("of handshakes that are complete at once no more stay than an address may have", () => {
  const server = new ScriptedServer("surplus", { maxConnectionsPerAddress: 2 });
  const pages = [1, 2, 3, 4].map((port) => ({ page: new ScriptedPage(server), at: { address: "192.0.2.1", port } }));
  for (const { page, at } of pages) page.check(at, true);
  for (const { page, at } of pages) {
    page.dtls.start(0);
    page.converse(at);
  }
  expect(server.endpoint.connectionCount).toBe(2);
  expect(server.endpoint.drops.get("address-budget")).toBe(2);
});

test("handshakes have a limit, and all connections together have one, each counted", () => {
  const server = new ScriptedServer("full", { maxConnections: 2 });
  for (const port of [1, 2]) new ScriptedPage(server).open({ address: `192.0.2.${port}`, port });
  new ScriptedPage(server).check({ address: "192.0.2.3", port: 3 }, true);
  expect(server.endpoint.drops.get("connection-limit")).toBe(1);
  const busy = scene({ maxHandshakes: 1 });
  expect(["192.0.2.1", "192.0.2.2"].map((address) => busy.arrive(address))).toEqual([true, false]);
  expect(busy.endpoint.drops.get("handshake-limit")).toBe(1);
});

test("where all hold alike, a handshake that does not get on for a second makes room, the oldest first", () => {
  const { endpoint, newSession, check } = scene({ maxHandshakes: 2 });
  const [first, second, third] = [newSession(), newSession(), newSession()];
  expect(check(first, "192.0.2.1", 1, 0)).toBe(true);
  expect(check(second, "192.0.2.2", 1, 500)).toBe(true);
  expect(check(third, "192.0.2.3", 1, 999)).toBe(false);
  expect(check(third, "192.0.2.3", 1, 1_000)).toBe(true);
  expect([first.connection?.state, second.connection?.state]).toEqual(["closed", "handshaking"]);
  expect(endpoint.handshakeCount).toBe(2);
});

test("an address that holds much makes room at once", () => {
  const { newSession, check, arrive } = scene({ maxHandshakes: 4 });
  const greedy = [1, 2, 3].map((port) => {
    const session = newSession();
    check(session, "192.0.2.1", port);
    return session;
  });
  const modest = newSession();
  expect(check(modest, "192.0.2.2")).toBe(true);
  expect(arrive("192.0.2.3")).toBe(true);
  expect(greedy.map(({ connection }) => connection?.state)).toEqual(["closed", "handshaking", "handshaking"]);
  expect(modest.connection?.state).toBe("handshaking");
});

test("a handshake that has ended makes room for another one", () => {
  const { endpoint, arrive } = scene({ maxHandshakes: 1 });
  for (let i = 0; i < 3; i++) {
    expect(arrive("192.0.2.1")).toBe(true);
    expect(endpoint.handshakeCount).toBe(1);
    [...endpoint.connections()][0].close(0, "local");
    expect([endpoint.handshakeCount, endpoint.connectionCount]).toEqual([0, 0]);
    // Its address is nobody's again.
    endpoint.handleDatagram(0, { address: "192.0.2.1", port: 50_000 }, Uint8Array.of(22));
    expect(endpoint.drops.get("unknown-address")).toBe(i + 1);
  }
});

test("beyond the limit the oldest session that waits is forgotten, and those whose time has passed make room", () => {
  const { endpoint, newSession, check } = scene({ maxPendingSessions: 2, sessionTimeoutMs: 1_000 });
  const [first, second, third] = [newSession(), newSession(500), newSession(500)];
  expect(endpoint.drops.get("session-limit")).toBe(1);
  expect(endpoint.pendingSessionCount).toBe(2);
  expect([first, second].map((session) => check(session, "192.0.2.1", 1, 999))).toEqual([false, true]);
  // The third one's time has passed, which needs no timer to show.
  newSession(1_499);
  newSession(1_500);
  expect(endpoint.drops.get("session-limit")).toBe(1);
  expect(check(third, "192.0.2.3", 1, 1_500)).toBe(false);
});

test.each([
  ["the same address", () => "192.0.2.1"],
  ["the same /64", (i: number) => `2001:db8::${i}`],
  ["the same /48", (i: number) => `2001:db8:0:${i}::1`],
  ["headers that are no addresses", (i: number) => `${"x".repeat(i)}`],
])("however many sessions come from %s, another one's wait on", (_, address) => {
  const { newSession, check } = scene({ maxPendingSessions: 8 });
  const modest = newSession(0, "192.0.2.9");
  const greedy = Array.from({ length: 40 }, (__, i) => newSession(0, address(i)));
  expect(greedy.map((session) => check(session, "192.0.2.1")).filter(Boolean)).toHaveLength(7);
  expect(check(modest, "192.0.2.9")).toBe(true);
});

test("a session that waits for too long is forgotten at its time, and those after it are not", () => {
  const { endpoint, newSession, check } = scene({ sessionTimeoutMs: 1_000 });
  const [first, second] = [newSession(), newSession(1)];
  expect(endpoint.nextDeadline).toBe(1_000);
  endpoint.handleTimeout(1_000);
  expect(endpoint.nextDeadline).toBe(1_001);
  expect([check(first, "192.0.2.1"), check(second, "192.0.2.2")]).toEqual([false, true]);
});

test("the next deadline is that of a session or of a connection, whichever comes first", () => {
  const { endpoint, newSession, arrive } = scene({ sessionTimeoutMs: 30_000, idleTimeoutMs: 10_000 });
  arrive("192.0.2.1");
  newSession();
  endpoint.flush(0);
  expect(endpoint.nextDeadline).toBe(10_000);
});

test("what a datagram is for is said by its first byte", () => {
  const { endpoint } = scene({});
  for (let first = 0; first < 256; first++) {
    const { drops } = endpoint;
    const expected =
      first <= 3 ? "stun-malformed" : first >= 20 && first <= 63 ? "unknown-address" : "unknown-protocol";
    const before = drops.get(expected);
    endpoint.handleDatagram(0, { address: "192.0.2.1", port: 1 }, new Uint8Array(40).fill(first));
    expect(drops.get(expected), `first byte ${first}`).toBe(before + 1);
  }
});

test("an endpoint that is closed closes what there is, and takes nothing more", () => {
  const { endpoint, newSession, check } = scene({});
  const [active, pending] = [newSession(), newSession()];
  check(active, "192.0.2.1");
  endpoint.close(0);
  expect(active.connection?.state).toBe("closed");
  expect([endpoint.connectionCount, endpoint.pendingSessionCount, endpoint.handshakeCount]).toEqual([0, 0, 0]);
  expect([check(active, "192.0.2.1"), check(pending, "192.0.2.2")]).toEqual([false, false]);
  expect(newSession()).toBeUndefined();
});

test("a check that claims to come from port 0 is dropped: sockets throw where they are to send there", () => {
  const { endpoint, arrive } = scene({});
  expect(arrive("192.0.2.1", 0)).toBe(false);
  expect(endpoint.drops.get("unknown-address")).toBe(1);
  expect(arrive("192.0.2.1", 1)).toBe(true);
});
