/** A further offer of a session that has a connection. */
import { describe, expect, test } from "vitest";
import type { Renewal } from "../../../src/core/server-endpoint.ts";
import type { Session } from "../../../src/core/session.ts";
import type { LiteSession } from "../../../src/ice/lite.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { writeBindingRequest } from "../../../src/ice/stun-write.ts";
import { pageCertificate, ScriptedPage, ScriptedServer } from "./support/scripted-page.ts";

const HOME = { address: "198.51.100.1", port: 50_000 };
const AWAY = { address: "198.51.100.2", port: 50_001 };
const OFFER = { fingerprint: pageCertificate.fingerprintBytes, sctpPort: 5000, maxMessageBytes: 0 };

class Scene {
  readonly server: ScriptedServer;
  readonly page: ScriptedPage;
  readonly token: string;

  constructor(seed: string) {
    this.server = new ScriptedServer(seed);
    this.page = new ScriptedPage(this.server).open(HOME);
    this.token = this.server.endpoint.tokenOf(this.session, OFFER);
    this.server.runUntil(1_000);
  }

  get session(): Session {
    return this.page.session;
  }

  offer(ufrag: string, token = this.token): Renewal | string {
    return this.server.endpoint.offeredAgain(this.server.now, token, { ...OFFER, ufrag });
  }

  restart(ufrag: string): LiteSession {
    const renewal = this.offer(ufrag);
    if (typeof renewal === "string") throw new Error(renewal);
    return renewal.credentials;
  }

  /** Whether a check with these credentials is answered. */
  isAnswered({ localUfrag, localPwd, remoteUfrag }: LiteSession, from = HOME, useCandidate = true): boolean {
    const { sent, random, endpoint, now } = this.server;
    const before = sent.length;
    const request = writeBindingRequest({
      transactionId: random.bytes(12),
      username: `${localUfrag}:${remoteUfrag}`,
      key: new TextEncoder().encode(localPwd),
      priority: 1,
      tieBreaker: random.bytes(8),
      role: "controlling",
      useCandidate,
    });
    endpoint.handleDatagram(now, from, request);
    endpoint.flush(now);
    return sent.slice(before).some(({ datagram }) => datagram[0] === 1 && datagram[1] === 1);
  }
}

const first = ({ localUfrag, localPwd, remoteUfrag }: Session): LiteSession => ({ localUfrag, localPwd, remoteUfrag });

describe("a page that restarts ICE", () => {
  test("is answered with new credentials, and keeps its connection on the path that it chooses", () => {
    const scene = new Scene("restart");
    const fresh = scene.restart("more");
    expect(fresh).toMatchObject({ remoteUfrag: "more" });
    expect([fresh.localUfrag, fresh.localPwd]).not.toContain(scene.session.localUfrag);
    const { connection } = scene.page;
    // It has just spoken on the old path, and still the first choice after the restart counts.
    scene.page.say(HOME);
    expect(scene.isAnswered(fresh, AWAY)).toBe(true);
    expect(connection.remote).toMatchObject(AWAY);
    scene.page.converse(AWAY);
    scene.page.say(AWAY);
    scene.page.converse(AWAY);
    expect(scene.server.received).toHaveLength(3);
    expect(scene.page.connection).toBe(connection);
    expect(scene.server.closed).toEqual([]);
    expect(scene.server.endpoint.connectionCount).toBe(1);
  });

  test("may use both credentials for 30 s from its first check with the new ones on, and then the new ones", () => {
    const scene = new Scene("overlap");
    const old = first(scene.session);
    const fresh = scene.restart("more");
    expect(scene.isAnswered(old)).toBe(true);
    expect(scene.isAnswered(fresh)).toBe(true);
    for (let second = 1; second < 30; second++) {
      scene.server.runUntil(1_000 + 1_000 * second);
      scene.page.converse(HOME);
      expect([scene.isAnswered(old), scene.isAnswered(fresh)]).toEqual([true, true]);
    }
    scene.server.runUntil(31_000);
    expect([scene.isAnswered(old), scene.isAnswered(fresh)]).toEqual([false, true]);
    expect(scene.server.closed).toEqual([]);
  });

  test("may do so again where an answer was lost, by the same token", () => {
    const scene = new Scene("again");
    const lost = scene.restart("lost");
    const found = scene.restart("found");
    expect([scene.isAnswered(lost), scene.isAnswered(found)]).toEqual([false, true]);
    scene.server.runUntil(3_000);
    const third = scene.restart("third");
    expect(scene.isAnswered(third)).toBe(true);
    // What was first is forgotten: at most three are known at a time.
    expect([scene.isAnswered(first(scene.session)), scene.isAnswered(found)]).toEqual([false, true]);
  });

  test("is answered with the same credentials where its offer says that it restarts nothing", () => {
    const scene = new Scene("no restart");
    expect(scene.restart("page")).toEqual(first(scene.session));
    const fresh = scene.restart("more");
    expect(scene.restart("more")).toBe(fresh);
    expect(scene.offer("more")).toMatchObject({ version: 5 });
  });

  test("has eight offers at once, and then one in two seconds", () => {
    const scene = new Scene("often");
    const taken = (count: number) =>
      Array.from({ length: count }, (_, i) => scene.offer(`page${i}`)).filter((renewal) => renewal !== "too-often")
        .length;
    expect(taken(20)).toBe(8);
    scene.server.runUntil(5_000);
    expect(taken(20)).toBe(2);
  });
});

describe("a further offer", () => {
  test("with another certificate is refused, though it names the session", () => {
    const scene = new Scene("forbidden");
    const { fingerprintBytes: fingerprint } = Certificate.generate();
    const { endpoint, now } = scene.server;
    expect(endpoint.offeredAgain(now, scene.token, { ...OFFER, fingerprint, ufrag: "more" })).toBe("forbidden");
    expect(scene.isAnswered(first(scene.session))).toBe(true);
  });

  test("with the certificate of a session and another name is refused: fingerprints are public", () => {
    const scene = new Scene("forged");
    const other = new ScriptedPage(scene.server, false, { ufrag: "othr" });
    const token = scene.server.endpoint.tokenOf(other.session, { ...OFFER, fingerprint: new Uint8Array(32) });
    expect(scene.offer("more", token)).toBe("forbidden");
    for (let at = 0; at < scene.token.length; at++) {
      const character = scene.token[at] === "A" ? "B" : "A";
      const forged = scene.token.slice(0, at) + character + scene.token.slice(at + 1);
      expect(["gone", "forbidden"]).toContain(scene.offer("more", forged));
    }
  });

  test("of a session that has ended, or that never was, finds nothing", () => {
    const scene = new Scene("gone");
    scene.restart("more");
    const known = [first(scene.session), scene.restart("more")];
    scene.page.connection.close(scene.server.now, "local");
    expect(scene.offer("more")).toBe("gone");
    expect(known.map((credentials) => scene.isAnswered(credentials))).toEqual([false, false]);
    for (const token of ["", "x", "A".repeat(32), "ä".repeat(32), 7, null, {}]) {
      expect(scene.offer("more", token as string)).toBe("gone");
    }
  });

  test("of a session that waits for its first check changes that one", () => {
    const server = new ScriptedServer("pending");
    const page = new ScriptedPage(server);
    const token = server.endpoint.tokenOf(page.session, OFFER);
    const renewal = server.endpoint.offeredAgain(0, token, { ...OFFER, ufrag: "more" }) as Renewal;
    expect(renewal.session).toBe(page.session);
    page.open(HOME);
    expect(server.received).toHaveLength(1);
    server.runUntil(60_000);
    expect(server.endpoint.offeredAgain(server.now, token, { ...OFFER, ufrag: "more" })).toBe("gone");
  });
});
