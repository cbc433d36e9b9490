import { describe, expect, it } from "vitest";
import type { DtlsVersion } from "../../../src/dtls/connection.ts";
import { type HelloVerify, openRetry, sealRetry } from "../../../src/dtls/retry-cookie.ts";
import { handshakeTypes } from "./records.ts";
import { exchange, Party } from "./support.ts";

const X25519 = 0x001d;
const SECP256R1 = 0x0017;
const KEY = { secret: new Uint8Array(32).fill(1), peer: Uint8Array.of(127, 0, 0, 1, 4, 5) };

describe("the cookie of a HelloRetryRequest", () => {
  const retry = { helloHash: new Uint8Array(32).fill(7), random: new Uint8Array(32).fill(8), group: SECP256R1 };
  const cookie = sealRetry(KEY, retry);

  it("says what the first hello was", () => {
    expect(openRetry(KEY, cookie, retry.random)).toEqual(retry);
  });

  it("is none for another address, with another secret, of another hello, changed or cut", () => {
    expect(openRetry({ ...KEY, peer: Uint8Array.of(127, 0, 0, 1, 4, 6) }, cookie, retry.random)).toBeUndefined();
    expect(openRetry({ ...KEY, secret: new Uint8Array(32) }, cookie, retry.random)).toBeUndefined();
    expect(openRetry(KEY, cookie, new Uint8Array(32))).toBeUndefined();
    for (let at = 0; at < cookie.length; at++) {
      const changed = cookie.slice();
      changed[at] ^= 1;
      expect(openRetry(KEY, changed, retry.random)).toBeUndefined();
      expect(openRetry(KEY, cookie.subarray(0, at), retry.random)).toBeUndefined();
    }
  });
});

describe.each<{ versions: readonly DtlsVersion[]; groups: readonly number[]; version: DtlsVersion }>([
  { versions: ["1.2"], groups: [X25519], version: "1.2" },
  { versions: ["1.3", "1.2"], groups: [X25519], version: "1.3" },
  { versions: ["1.3"], groups: [SECP256R1, X25519], version: "1.3" },
])(
  "a server of DTLS $versions that asks a client with groups $groups for a cookie",
  ({ versions, groups, version }) => {
    const newServer = (helloVerify: HelloVerify = KEY) =>
      new Party({ role: "server", versions, groups: [X25519], helloVerify });

    /** A client that has been asked, and its second hello. */
    function asked() {
      const client = new Party({ role: "client", versions, groups });
      client.connection.start(0);
      const first = newServer();
      for (const datagram of client.take()) first.connection.handleDatagram(0, datagram);
      for (const datagram of first.take()) client.connection.handleDatagram(0, datagram);
      return { client, again: client.take() };
    }

    it("need keep nothing: another object takes the second hello", () => {
      const { client, again } = asked();
      const server = newServer();
      for (const datagram of again) server.connection.handleDatagram(0, datagram);
      expect(handshakeTypes(server.sent[0])[0]).toBe(2);
      exchange(client, server);
      expect([client.connectedTimes, server.connectedTimes]).toEqual([1, 1]);
      expect(server.connection.version).toBe(version);
    });

    it("asks its owner once the cookie has come back, and takes the same hello later where he refuses", () => {
      const { client, again } = asked();
      const answers = [false, false, true];
      let questions = 0;
      const server = newServer({ ...KEY, mayBegin: () => answers[questions++] });
      const stranger = new Party({ role: "client", versions, groups });
      stranger.connection.start(0);
      for (const datagram of stranger.take()) server.connection.handleDatagram(0, datagram);
      expect(questions).toBe(0);
      const other = newServer({ ...KEY, mayBegin: () => answers[questions++] });
      for (let turn = 0; turn < 3; turn++) {
        expect(other.sent).toEqual([]);
        expect(other.connection.cipherSuite).toBeUndefined();
        for (const datagram of again) other.connection.handleDatagram(100 * turn, datagram);
      }
      expect(questions).toBe(3);
      exchange(client, other);
      expect(other.connectedTimes).toBe(1);
    });

    it("repeats its flight on demand only, once it is told to", () => {
      const { again } = asked();
      const server = newServer();
      for (const datagram of again) server.connection.handleDatagram(0, datagram);
      const flight = server.take().length;
      server.connection.handleTimeout(200);
      expect(server.take()).toHaveLength(flight);
      server.connection.repeatOnDemand();
      server.connection.handleTimeout(5_000);
      expect(server.take()).toEqual([]);
      for (let turn = 0; turn < 2; turn++) {
        for (const datagram of again) server.connection.handleDatagram(6_000 + 1_000 * turn, datagram);
        expect(server.take()).toHaveLength(flight);
      }
    });

    it("does not take the cookie of another address or secret", () => {
      for (const other of [
        { ...KEY, peer: Uint8Array.of(1) },
        { ...KEY, secret: new Uint8Array(32) },
      ]) {
        const server = newServer(other);
        for (const datagram of asked().again) server.connection.handleDatagram(0, datagram);
        expect(server.connection.cipherSuite).toBeUndefined();
        expect(server.sent.flatMap(handshakeTypes).filter((type) => type !== 3)).toEqual([]);
        expect(server.closedWith).toBeUndefined();
      }
    });
  },
);
