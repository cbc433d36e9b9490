import { describe, expect, it } from "vitest";
import type { DtlsVersion } from "../../../src/dtls/connection.ts";
import { FAULTS, type Outcome, runOverLink } from "./lossy-link.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import { bytes, exchange, Party } from "./support.ts";

const INITIAL_TIMEOUT_MS = 200;
const DELAY_MS = 10;

interface Setup {
  readonly version: DtlsVersion;
  readonly mtuBytes: number;
  /** The server asks for the hello again, with a cookie. */
  readonly cookie?: boolean;
}

function run(setup: Setup, link: Parameters<typeof runOverLink>[2] = {}): Outcome {
  const { version, mtuBytes, cookie } = setup;
  const verify = cookie && { helloVerify: { secret: new Uint8Array(32), peer: new Uint8Array(6) } };
  // A classic group, so that a hello is one datagram and the numbers below hold for both versions.
  const common = { mtuBytes, versions: [version], groups: [0x001d] };
  const client = new Party({ role: "client", ...common });
  const server = new Party({ role: "server", ...common, ...verify });
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

const SETUPS: Setup[] = [
  { version: "1.2", mtuBytes: 1200 },
  { version: "1.2", mtuBytes: 256 },
  { version: "1.2", mtuBytes: 128, cookie: true },
  { version: "1.3", mtuBytes: 1200 },
  { version: "1.3", mtuBytes: 256 },
  { version: "1.3", mtuBytes: 128, cookie: true },
];

describe.each(SETUPS)("DTLS $version over a link with an MTU of $mtuBytes (with a cookie: $cookie)", (setup) => {
  const clean = run(setup);

  it("takes two round trips, or one and a half in DTLS 1.3, and one more for the cookie", () => {
    const hops = (setup.version === "1.3" ? 3 : 4) + (setup.cookie ? 2 : 0);
    expect(clean.connectedMs).toBe(hops * DELAY_MS);
    expectData(clean);
  });

  it.each(Object.keys(FAULTS))("connects with any single datagram %s, within one timeout", (name) => {
    for (let struck = 0; struck < clean.datagrams; struck++) {
      const outcome = run(setup, { struck, fault: FAULTS[name] });
      const late = name === "duplicated" ? 0 : name.startsWith("overtaken") ? 30 : INITIAL_TIMEOUT_MS + 2 * DELAY_MS;
      expect(outcome.connectedMs, `datagram ${struck}`).toBeLessThanOrEqual(clean.connectedMs + late);
      expectData(outcome);
    }
  });

  it("never sends more than the flights again because of a single fault", () => {
    for (const fault of Object.values(FAULTS)) {
      for (let struck = 0; struck < clean.datagrams; struck++) {
        const { datagrams } = run(setup, { struck, fault });
        expect(datagrams, `datagram ${struck}`).toBeLessThanOrEqual(3 * clean.datagrams);
      }
    }
  });

  it("connects with any two datagrams in a row lost, within three timeouts", () => {
    for (let first = 0; first + 1 < clean.datagrams; first++) {
      const outcome = run(setup, { struck: first, count: 2, fault: FAULTS.lost });
      expect(outcome.connectedMs).toBeLessThanOrEqual(clean.connectedMs + 3 * INITIAL_TIMEOUT_MS + 6 * DELAY_MS);
    }
  });

  it("has nothing left to repeat in the end", () => {
    for (let struck = 0; struck < clean.datagrams; struck++) {
      const { client, server } = run(setup, { struck, untilMs: 300_000 });
      expect(client.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
      expect(server.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
      expect([client.datapath.freeKeySlots, server.datapath.freeKeySlots]).toEqual([14, 14]);
    }
  });
});

describe.each(SETUPS)("silence during a handshake of DTLS $version ($mtuBytes, with a cookie: $cookie)", (setup) => {
  const clean = run(setup);

  it.each([{ silent: ["client"] }, { silent: ["server"] }, { silent: ["client", "server"] }])(
    "of 3 s, from any datagram on, is outlasted: the same flight comes again ($silent)",
    ({ silent }) => {
      for (let struck = 0; struck < clean.datagrams; struck++) {
        let endsAt = Number.NaN;
        const hellos = new Set<string>();
        const outcome = run(setup, {
          struck,
          count: Number.POSITIVE_INFINITY,
          fault: (datagram, now, from) => {
            if (Number.isNaN(endsAt)) endsAt = now + 3_000;
            if (from === "client") for (const hello of clientRandoms(datagram)) hellos.add(hello);
            return now < endsAt && silent.includes(from) ? [] : [{ datagram, extraMs: 0 }];
          },
        });
        // 200 ms, doubled each time: a flight goes out 3.0 and 6.2 s after the first time, at the latest.
        expect(outcome.connectedMs, `from datagram ${struck} on`).toBeLessThan(endsAt + 3_500);
        expect(hellos.size).toBeLessThanOrEqual(1);
        expectData(outcome);
      }
    },
  );

  it("that never ends, ends the handshake with its time-out, and not before", () => {
    for (let struck = 0; struck < clean.datagrams; struck++) {
      const { client, server } = run(setup, { struck, count: Number.POSITIVE_INFINITY, fault: () => [] });
      for (const { connection, closedWith } of [client, server]) {
        if (connection.state === "connected" || connection.state === "new") continue;
        expect(closedWith, `from datagram ${struck} on`).toEqual({ cause: "timeout" });
      }
    }
  });
});

/** The random of each ClientHello that begins in this datagram. */
function clientRandoms(datagram: Uint8Array): string[] {
  const isStart = (at: number) => datagram[at] === 1 && datagram[at + 8] === 0;
  return datagram[0] === 22 && datagram[4] === 0 && isStart(13) ? [toHex(datagram.subarray(27, 59))] : [];
}

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
    // It was a guess about the silence, and what follows is as large as before.
    expect(server.connection.maxPlaintextBytes).toBe(1200 - 37);
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
    expect(client.received).toEqual(Array.from({ length: 32 }, (_, i) => `${i}`));
    expect(client.drops.get("dtls-reassembly-limit")).toBe(18);
  });
});

describe.each<DtlsVersion>(["1.2", "1.3"])("a byte of DTLS %s that is changed on its way", (version) => {
  const setup = { version, mtuBytes: 1200 };
  const clean = run(setup);

  it("of a protected record or its header costs no more than a lost datagram", () => {
    // The ends of the last two datagrams: Finished and what comes behind it.
    for (let struck = clean.datagrams - 2; struck < clean.datagrams; struck++) {
      for (let fromEnd = 1; fromEnd <= 61; fromEnd++) {
        const fault = (datagram: Uint8Array) => {
          const changed = Uint8Array.from(datagram);
          changed[Math.max(0, changed.length - fromEnd)] ^= 0xff;
          return [{ datagram: changed, extraMs: 0 }];
        };
        const outcome = run(setup, { struck, fault });
        expect(outcome.connectedMs, `byte ${-fromEnd} of datagram ${struck}`).toBeLessThanOrEqual(
          clean.connectedMs + INITIAL_TIMEOUT_MS + 2 * DELAY_MS,
        );
      }
    }
  });
});
