import { describe, expect, it } from "vitest";
import { FAULTS, type Outcome, runOverLink } from "./lossy-link.ts";
import { bytes, exchange, Party } from "./support.ts";

const INITIAL_TIMEOUT_MS = 200;
const DELAY_MS = 10;

function run(mtuBytes: number, link: Parameters<typeof runOverLink>[2] = {}, cookie = false): Outcome {
  const helloVerify = cookie ? { secret: new Uint8Array(32), peer: new Uint8Array(6) } : undefined;
  const client = new Party({ role: "client", mtuBytes });
  const server = new Party({ role: "server", mtuBytes, helloVerify });
  return runOverLink(client, server, { delayMs: DELAY_MS, ...link });
}

function expectData({ client, server }: Outcome): void {
  client.connection.send(1e5, bytes("ping"));
  server.connection.send(1e5, bytes("pong"));
  exchange(client, server, 1e5);
  expect(server.received).toEqual(["ping"]);
  expect(client.received).toEqual(["pong"]);
  expect([client.connectedTimes, server.connectedTimes]).toEqual([1, 1]);
}

describe.each([
  [1200, false],
  [256, false],
  [128, true],
])("over a link with an MTU of %i (asked for a cookie: %s)", (mtuBytes, cookie) => {
  const clean = run(mtuBytes, {}, cookie);

  it("a handshake takes two round trips, and a third for the cookie", () => {
    expect(clean.connectedMs).toBe((cookie ? 6 : 4) * DELAY_MS);
    expectData(clean);
  });

  it.each(Object.keys(FAULTS))("any single datagram %s still connects, within one timeout", (name) => {
    for (let struck = 0; struck < clean.datagrams; struck++) {
      const outcome = run(mtuBytes, { struck, fault: FAULTS[name] }, cookie);
      const late = name === "duplicated" ? 0 : name.startsWith("overtaken") ? 30 : INITIAL_TIMEOUT_MS + 2 * DELAY_MS;
      expect(outcome.connectedMs, `datagram ${struck}`).toBeLessThanOrEqual(clean.connectedMs + late);
      expectData(outcome);
    }
  });

  it("a single fault never makes them send more than the flights again", () => {
    for (const fault of Object.values(FAULTS)) {
      for (let struck = 0; struck < clean.datagrams; struck++) {
        const { datagrams } = run(mtuBytes, { struck, fault }, cookie);
        expect(datagrams, `datagram ${struck}`).toBeLessThanOrEqual(3 * clean.datagrams);
      }
    }
  });

  it("any two datagrams in a row lost still connect, within three timeouts", () => {
    for (let first = 0; first + 1 < clean.datagrams; first++) {
      const outcome = run(mtuBytes, { struck: first, count: 2, fault: FAULTS.lost }, cookie);
      expect(outcome.connectedMs).toBeLessThanOrEqual(clean.connectedMs + 3 * INITIAL_TIMEOUT_MS + 6 * DELAY_MS);
    }
  });
});

describe("timers", () => {
  it("repeat the client's flight after the initial timeout, then after twice as long each time", () => {
    const client = new Party({ role: "client", initialTimeoutMs: 100, handshakeTimeoutMs: 5_000 });
    client.connection.start(1_000);
    const sentAt: number[] = [];
    while (client.connection.nextDeadline < Number.POSITIVE_INFINITY) {
      const at = client.connection.nextDeadline;
      client.take();
      client.connection.handleTimeout(at);
      if (client.sent.length > 0) sentAt.push(at - 1_000);
    }
    expect(sentAt).toEqual([100, 300, 700, 1_500, 3_100]);
    expect(client.closedWith).toEqual({ cause: "timeout" });
  });

  it("called early do nothing", () => {
    const client = new Party({ role: "client" });
    client.connection.start(0);
    client.take();
    client.connection.handleTimeout(199.9);
    expect(client.sent).toHaveLength(0);
    client.connection.handleTimeout(200);
    expect(client.sent).toHaveLength(1);
  });

  it("shrink the datagrams after three timeouts without an answer (RFC 6347 §4.1.1.1)", () => {
    const server = new Party({ role: "server" });
    const client = new Party({ role: "client" });
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    expect(server.take()).toHaveLength(1);
    for (let i = 0; i < 2; i++) server.connection.handleTimeout(server.connection.nextDeadline);
    expect(server.take()).toHaveLength(2);
    server.connection.handleTimeout(server.connection.nextDeadline);
    expect(server.sent.length).toBeGreaterThan(1);
    expect(Math.max(...server.sent.map(({ length }) => length))).toBeLessThanOrEqual(548);
    exchange(client, server);
    expect(client.connection.state).toBe("connected");
  });
});

describe("datagrams out of their order", () => {
  it("let the server use a Finished that came before the rest of its flight", () => {
    const client = new Party({ role: "client", mtuBytes: 200 });
    const server = new Party({ role: "server" });
    client.connection.start(0);
    for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
    for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
    for (const datagram of client.take().reverse()) server.connection.handleDatagram(0, datagram);
    expect(server.connection.state).toBe("connected");
  });

  it("let the client use data that came before the server's Finished", () => {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    client.connection.start(0);
    for (const to of [server, client, server]) {
      for (const datagram of (to === server ? client : server).take()) to.connection.handleDatagram(0, datagram);
    }
    server.connection.send(0, bytes("early"));
    const [finished, early] = server.take();
    client.connection.handleDatagram(0, early);
    expect(client.received).toEqual([]);
    client.connection.handleDatagram(0, finished);
    expect(client.received).toEqual(["early"]);
  });

  it("are kept in bounds: of data before the Finished, the first few", () => {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    client.connection.start(0);
    for (const to of [server, client, server]) {
      for (const datagram of (to === server ? client : server).take()) to.connection.handleDatagram(0, datagram);
    }
    for (let i = 0; i < 50; i++) server.connection.send(0, bytes(`${i}`));
    const [finished, ...early] = server.take();
    for (const datagram of [...early, finished]) client.connection.handleDatagram(0, datagram);
    expect(client.received).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
    expect(client.drops.get("dtls-reassembly-limit")).toBe(42);
  });
});

describe("a byte changed on the way, past any checksum", () => {
  it("never throws, and never leaves one side connected and the other closed", () => {
    const clean = run(1200);
    let connected = 0;
    for (let struck = 0; struck < clean.datagrams; struck++) {
      for (let at = 0; at < 700; at += 7) {
        const fault = (datagram: Uint8Array) => {
          const changed = Uint8Array.from(datagram);
          if (at < changed.length) changed[at] ^= 0x41;
          return [{ datagram: changed, extraMs: 0 }];
        };
        const outcome = run(1200, { struck, fault });
        const states = [outcome.client.connection.state, outcome.server.connection.state];
        expect(states[0], `byte ${at} of datagram ${struck}`).toBe(states[1]);
        if (states[0] === "connected") {
          connected++;
          expectData(outcome);
        }
      }
    }
    expect(connected).toBeGreaterThan(clean.datagrams * 25);
  });

  it("of a protected record or of a header costs no more than a lost datagram", () => {
    const clean = run(1200);
    // The server's Finished is all protected but for its ChangeCipherSpec and headers; so is the end of the client's flight.
    for (let struck = 2; struck < clean.datagrams; struck++) {
      for (let fromEnd = 1; fromEnd <= 61; fromEnd++) {
        const fault = (datagram: Uint8Array) => {
          const changed = Uint8Array.from(datagram);
          changed[changed.length - fromEnd] ^= 0xff;
          return [{ datagram: changed, extraMs: 0 }];
        };
        const outcome = run(1200, { struck, fault });
        expect(outcome.connectedMs, `byte ${-fromEnd} of datagram ${struck}`).toBeLessThanOrEqual(
          clean.connectedMs + INITIAL_TIMEOUT_MS + 2 * DELAY_MS,
        );
      }
    }
  });
});
