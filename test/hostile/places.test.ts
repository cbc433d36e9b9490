import { expect, test } from "vitest";
import type { HeldSession } from "../../src/core/server-endpoint.ts";
import { writeBindingRequest } from "../../src/ice/stun-write.ts";
import { Random } from "../sim/random.ts";
import { ScriptedPage, ScriptedServer } from "../unit/core/support/scripted-page.ts";
import { countingCertificate, floodDatagrams } from "./support/hello-flood.ts";

/** A server with an eighth of the usual places. */
const LIMITS = {
  maxConnections: 1_024,
  maxConnectionsPerAddress: 128,
  maxPendingSessions: 512,
  maxHandshakes: 128,
  maxHandshakesPerAddress: 32,
  maxHandshakesPerSecond: 63,
  maxHandshakesPerSecondPerAddress: 16,
};
const HOME = "203.0.113.1";
const NEWCOMERS = 5;
/** Browsers check for 11 to 16 s. */
const GIVES_UP_AFTER_MS = 11_000;
const CHECK_GAP_MS = 100;
const TICK_MS = 2;

interface Mix {
  /** Where the attacker posts from, and where his checks seem to come from. */
  signalled(random: Random): string | undefined;
  source(random: Random, newcomer: string): string;
  /** Where the newcomers post from. Default: where they check from. */
  newcomerSignalled?: () => string | undefined;
  maxPostsPerSecond: number;
  /** For one check. Default: none. */
  maxHellos?: number;
}

const anyIpv4 = (random: Random) => `198.${18 + random.below(2)}.${random.below(256)}.${random.below(256)}`;
const in64 = (random: Random) => `2001:db8:1:2::${random.below(65_536).toString(16)}`;
const in48 = (random: Random) => `2001:db8:1:${random.below(65_536).toString(16)}::1`;
const unknown = () => undefined;

/** Where nobody can be told from anybody, a place is kept only for as long as it takes the attacker to fill all of them. */
const MIXES: Record<string, Mix> = {
  "one address": { signalled: () => HOME, source: () => HOME, maxPostsPerSecond: 1_000 },
  "a /64": { signalled: in64, source: in64, maxPostsPerSecond: 1_000 },
  "a /48": { signalled: in48, source: in48, maxPostsPerSecond: 1_000 },
  "one address with spoofed sources": { signalled: () => HOME, source: anyIpv4, maxPostsPerSecond: 1_000 },
  "one address that spoofs the newcomer's": {
    signalled: () => HOME,
    source: (_, newcomer) => newcomer,
    maxPostsPerSecond: 1_000,
  },
  "one address, all behind one proxy": {
    signalled: () => "10.0.0.1",
    newcomerSignalled: () => "10.0.0.1",
    source: () => HOME,
    maxPostsPerSecond: 200,
  },
  "one address, while nobody knows who signals": {
    signalled: unknown,
    newcomerSignalled: unknown,
    source: () => HOME,
    maxPostsPerSecond: 200,
  },
  "spoofed sources, while nobody knows who signals": {
    signalled: unknown,
    newcomerSignalled: unknown,
    source: anyIpv4,
    maxPostsPerSecond: 200,
  },
  "hellos from one address": { signalled: () => HOME, source: () => HOME, maxPostsPerSecond: 120, maxHellos: 4 },
  "hellos from a /48": { signalled: in48, source: in48, maxPostsPerSecond: 120, maxHellos: 4 },
  "hellos from one address with spoofed sources": {
    signalled: () => HOME,
    source: anyIpv4,
    maxPostsPerSecond: 120,
    maxHellos: 4,
  },
};

const attackerRemote = { ufrag: "evil", fingerprint: new Uint8Array(32), sctpPort: 5000, maxMessageBytes: 0 };

/** Posts, checks and says hello as fast as it is told to, and never gets any further. */
class Attacker {
  readonly #server: ScriptedServer;
  readonly #random: Random;
  readonly #mix: Mix;
  readonly #postsPerTick: number;
  readonly #checksPerTick: number;
  readonly #sessions: { session: HeldSession; source: string; check: Uint8Array }[] = [];
  #posts = 0;
  #checks = 0;
  /** The newcomer of the moment, of whom he knows. */
  newcomer = "192.0.2.0";

  constructor(server: ScriptedServer, random: Random, mix: Mix) {
    this.#server = server;
    this.#random = random;
    this.#mix = mix;
    this.#postsPerTick = (TICK_MS / 1_000) * (20 + random.below(mix.maxPostsPerSecond));
    this.#checksPerTick = this.#postsPerTick * (1 + random.below(4));
  }

  tick(): void {
    for (this.#posts += this.#postsPerTick; this.#posts >= 1; this.#posts--) this.#post();
    for (this.#checks += this.#checksPerTick; this.#checks >= 1; this.#checks--) this.#check();
  }

  #post(): void {
    const { endpoint, now } = this.#server;
    const session = endpoint.createSession(now, attackerRemote, undefined, this.#mix.signalled(this.#random))!;
    const source = this.#mix.source(this.#random, this.newcomer);
    const check = writeBindingRequest({
      transactionId: this.#random.bytes(12),
      username: `${session.localUfrag}:evil`,
      key: new TextEncoder().encode(session.localPwd),
      priority: 1,
      tieBreaker: new Uint8Array(8),
      role: "controlling",
      useCandidate: true,
    });
    this.#sessions.push({ session, source, check });
    if (this.#sessions.length > 1_000) this.#sessions.shift();
  }

  /** Mostly for a session that is new. */
  #check(): void {
    const { endpoint, now } = this.#server;
    const latest = this.#sessions.length - 1;
    const at = this.#random.chance(0.7)
      ? latest - this.#random.below(Math.min(latest + 1, 8))
      : this.#random.below(latest + 1);
    const { check, source } = this.#sessions[at] ?? {};
    if (check === undefined || source === undefined) return;
    const { maxHellos = 0 } = this.#mix;
    // With hellos the sessions share a few ports, so that some addresses are claimed by several of them.
    const ports = maxHellos > 0 ? 8 : 60_000;
    const from = { address: source, port: 1_024 + this.#random.below(ports) };
    endpoint.handleDatagram(now, from, check);
    for (let i = this.#random.below(maxHellos + 1); i > 0; i--) {
      for (const datagram of floodDatagrams(this.#random)) endpoint.handleDatagram(now, from, datagram);
    }
  }
}

/** Runs a page from its offer to an open connection, a round trip at a time. Returns how long it took, ms; Infinity for never. */
function openPage(server: ScriptedServer, attacker: Attacker, address: string, mix: Mix, rttMs: number): number {
  const start = server.now;
  const { newcomerSignalled = () => address } = mix;
  const signalledFrom = newcomerSignalled();
  const page = new ScriptedPage(server, false, {}, undefined, signalledFrom);
  const at = { address, port: 50_000 };
  const wait = (ms: number) => {
    for (const end = server.now + ms; server.now < end; ) {
      server.runUntil(server.now + TICK_MS);
      attacker.tick();
      server.endpoint.flush(server.now);
    }
  };
  attacker.newcomer = address;
  wait(rttMs);
  while (page.session.connection === undefined) {
    if (server.now - start > GIVES_UP_AFTER_MS) return Number.POSITIVE_INFINITY;
    page.check(at, true);
    wait(CHECK_GAP_MS);
  }
  page.dtls.start(server.now);
  for (let turn = 0; turn < 4 && !page.connection.established; turn++) {
    page.send(at);
    wait(rttMs);
    page.hear(at);
  }
  const took = page.connection.established ? server.now - start : Number.POSITIVE_INFINITY;
  page.dtls.close(server.now);
  page.connection.close(server.now, "local");
  return took;
}

test.each(Object.entries(MIXES))(
  "every newcomer gets in while somebody posts and checks without end: %s",
  (name, mix) => {
    for (const seed of (mix.maxHellos === undefined ? [1, 2] : [1]).map((n) => `${name} ${n}`)) {
      const random = new Random(seed);
      const { certificate, counts } = countingCertificate();
      const server = new ScriptedServer(seed, LIMITS, { certificate });
      const attacker = new Attacker(server, random.fork("attacker"), mix);
      for (let i = 0; i < 1_000; i++) {
        server.runUntil(server.now + TICK_MS);
        attacker.tick();
      }
      expect(server.endpoint.handshakeCount, `[seed ${seed}]`).toBeLessThanOrEqual(LIMITS.maxHandshakes);
      expect(server.endpoint.pendingSessionCount, `[seed ${seed}]`).toBeLessThanOrEqual(LIMITS.maxPendingSessions);
      const times = Array.from({ length: NEWCOMERS }, (_, i) =>
        openPage(server, attacker, `192.0.2.${i + 1}`, mix, 10 + random.below(300)),
      );
      expect(times.filter(Number.isFinite).length, `${times} [seed ${seed}]`).toBe(NEWCOMERS);
      const { maxHandshakes, maxHandshakesPerSecond } = LIMITS;
      const budget = maxHandshakes + (server.now / 1_000) * maxHandshakesPerSecond;
      expect(counts.signatures, `[seed ${seed}]`).toBeLessThanOrEqual(budget);
      if (mix.maxHellos !== undefined) expect(counts.signatures, `[seed ${seed}]`).toBeGreaterThan(NEWCOMERS);
    }
  },
);
