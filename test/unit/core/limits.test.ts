import { expect, test } from "vitest";
import { Endpoint } from "../../../src/core/endpoint.ts";
import type { Session } from "../../../src/core/session.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { writeBindingRequest } from "../../../src/ice/stun-write.ts";
import type { EndpointLimits } from "../../../src/options.ts";
import { Random } from "../../sim/random.ts";
import { smallLimits } from "./support/scripted-page.ts";

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
  const newSession = (now = 0) => endpoint.createSession(now, remote)!;
  const check = (session: Session, address: string, port = 50_000, now = 0) => {
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
])("one %s has a share of the places, whatever its ports, and the others have theirs", (_, first, second, other) => {
  const { endpoint, newSession, check, arrive } = scene({ maxConnectionsPerAddress: 2 });
  expect([arrive(first, 1), arrive(second, 2)]).toEqual([true, true]);
  const late = newSession();
  expect(check(late, second, 3)).toBe(false);
  expect(endpoint.drops.get("address-budget")).toBe(1);
  expect(arrive(other)).toBe(true);
  // Once there is room the same session gets in.
  const [oldest] = endpoint.connections();
  oldest.close(0, "local");
  expect(check(late, second, 3)).toBe(true);
  expect(arrive(first, 4)).toBe(false);
});

test("a connection counts where it began, however often it moves", () => {
  const { newSession, check, arrive } = scene({ maxConnectionsPerAddress: 1 });
  const session = newSession();
  expect(check(session, "192.0.2.1")).toBe(true);
  expect(check(session, "192.0.2.2")).toBe(true);
  expect([arrive("192.0.2.1"), arrive("192.0.2.2")]).toEqual([false, true]);
});

test("connections and handshakes have limits of their own, each counted", () => {
  const full = scene({ maxConnections: 2 });
  expect(["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) => full.arrive(address))).toEqual([true, true, false]);
  expect(full.endpoint.drops.get("connection-limit")).toBe(1);
  const busy = scene({ maxHandshakes: 1 });
  expect(["192.0.2.1", "192.0.2.2"].map((address) => busy.arrive(address))).toEqual([true, false]);
  expect(busy.endpoint.drops.get("handshake-limit")).toBe(1);
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

test("sessions that wait have a limit; one that began or is too old waits no more", () => {
  const { endpoint, newSession, check } = scene({ maxPendingSessions: 2, sessionTimeoutMs: 1_000 });
  const [first, second] = [newSession(), newSession(500)];
  expect(newSession(500)).toBeUndefined();
  expect(endpoint.drops.get("session-limit")).toBe(1);
  expect(check(first, "192.0.2.1", 1, 999)).toBe(true);
  expect(endpoint.pendingSessionCount).toBe(1);
  const third = newSession(999);
  expect(newSession(1_499)).toBeUndefined();
  // The second one's time has passed, which needs no timer to show.
  expect(newSession(1_500)).toBeDefined();
  expect(check(second, "192.0.2.2", 1, 1_500)).toBe(false);
  expect(check(third, "192.0.2.3", 1, 1_500)).toBe(true);
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
