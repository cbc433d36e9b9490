import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { type DtlsCloseReason, DtlsConnection, type DtlsOptions } from "../../../src/dtls/connection.ts";
import { deriveKeys } from "../../../src/dtls/keys12.ts";
import { PLAINTEXT_AT_12 } from "../../../src/dtls/record.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { equalBytes, fromHex } from "../../../src/wire/bytes.ts";
import { DropCounters } from "../../../src/wire/drops.ts";

/** The datagrams of a browser's recorded first flights, retransmissions included. */
export function recordedHellos(browser: "chromium" | "firefox"): Uint8Array[] {
  const text = readFileSync(new URL(`../../fixtures/dtls/${browser}.clienthello.hex`, import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => /^[0-9a-f]+$/.test(line))
    .map(fromHex);
}

const certificates = { client: Certificate.generate(), server: Certificate.generate() };
const KEY_SLOTS = 64;
export const sharedDatapath = new Datapath({ keySlots: KEY_SLOTS, txSlots: 32 });

/** One side of a DTLS connection, with what it has said. */
export class Side {
  readonly connection: DtlsConnection;
  readonly drops = new DropCounters();
  sent: Uint8Array[] = [];
  sentBytes = 0;
  received: Uint8Array[] = [];
  readonly keyLog: string[] = [];
  closedWith: DtlsCloseReason | undefined;

  constructor(role: "client" | "server", options: Partial<DtlsOptions> = {}) {
    const expected = certificates[role === "client" ? "server" : "client"].der;
    this.connection = new DtlsConnection(
      {
        role,
        certificate: certificates[role],
        datapath: sharedDatapath,
        drops: this.drops,
        keyLog: (line) => this.keyLog.push(line),
        verifyPeerCertificate: (der) => equalBytes(der, expected),
        ...options,
      },
      {
        transmit: (datagram) => {
          this.sent.push(datagram.slice());
          this.sentBytes += datagram.length;
        },
        applicationData: (plaintext) => this.received.push(plaintext.slice()),
        connected: () => {},
        closed: (reason) => {
          assert.equal(this.closedWith, undefined, "closed twice");
          this.closedWith = reason;
        },
      },
    );
  }

  take(): Uint8Array[] {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  /** What must hold of a side after any input. */
  check(): void {
    const { state, nextDeadline } = this.connection;
    assert.equal(state === "closed", this.closedWith !== undefined);
    assert(!Number.isNaN(nextDeadline));
    if (state === "handshaking") assert(Number.isFinite(nextDeadline), "a handshake that nothing ends");
  }
}

export interface Pair {
  readonly client: Side;
  readonly server: Side;
}

export function makePair(options: { server?: Partial<DtlsOptions>; client?: Partial<DtlsOptions> } = {}): Pair {
  return { client: new Side("client", options.client), server: new Side("server", options.server) };
}

export function endPair({ client, server }: Pair): void {
  client.connection.close(1e9);
  server.connection.close(1e9);
  assert.equal(sharedDatapath.freeKeySlots, KEY_SLOTS, "keys are released at the end");
}

/**
 * Records with any content under the client's keys of DTLS 1.2, as a client could make them that is out for mischief.
 *
 * @param serverFlight the datagram with the ServerHello
 */
export class RogueClient {
  readonly #slot: number;
  // Far ahead of what the true client sends, so that nothing counts as replayed.
  #sequence = 1_000;

  constructor(server: Side, serverFlight: Uint8Array) {
    const [, clientRandom, masterSecret] = server.keyLog[0].split(" ").map(fromHex);
    // Behind the headers of record and fragment, and the version.
    const serverRandom = serverFlight.subarray(27, 59);
    const { key, salt } = deriveKeys(masterSecret, clientRandom, serverRandom).client;
    this.#slot = sharedDatapath.acquireKey(key, salt);
  }

  record(type: number, content: Uint8Array): Uint8Array {
    const at = sharedDatapath.nextTx();
    sharedDatapath.memory.set(content, at + PLAINTEXT_AT_12);
    const length = sharedDatapath.seal12(this.#slot, at, type, 1, this.#sequence++, content.length);
    return sharedDatapath.memory.slice(at, at + length);
  }

  end(): void {
    sharedDatapath.releaseKey(this.#slot);
  }
}

type Filter = (datagram: Uint8Array) => Uint8Array[];
const unchanged: Filter = (datagram) => [datagram];

/**
 * Carries datagrams both ways until both sides are silent, letting time pass up to `limitMs` for retransmissions where
 * they stop short of a connection.
 */
export function converse(pair: Pair, toServer = unchanged, toClient = unchanged, limitMs = 3_000): void {
  const { client, server } = pair;
  let now = 0;
  client.connection.start(now);
  for (let turns = 0; ; turns++) {
    assert(turns < 400, "they never stop talking");
    const fromClient = client.take().flatMap(toServer);
    for (const datagram of fromClient) server.connection.handleDatagram(now, datagram);
    const fromServer = server.take().flatMap(toClient);
    for (const datagram of fromServer) client.connection.handleDatagram(now, datagram);
    client.check();
    server.check();
    if (fromClient.length > 0 || fromServer.length > 0) continue;
    now = Math.min(client.connection.nextDeadline, server.connection.nextDeadline);
    if (now > limitMs) return;
    for (const side of [client, server]) {
      if (side.connection.nextDeadline <= now) side.connection.handleTimeout(now);
    }
  }
}

/** One DTLS record of epoch 0 around some content. */
export function plainRecord(type: number, content: Uint8Array, sequence = 0): Uint8Array {
  const record = new Uint8Array(13 + content.length);
  record.set([type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, sequence >>> 8, sequence & 0xff]);
  record.set([content.length >>> 8, content.length & 0xff], 11);
  record.set(content, 13);
  return record;
}

/** A handshake message in one fragment, in a record of epoch 0. */
export function handshakeRecord(type: number, sequence: number, body: Uint8Array): Uint8Array {
  const content = new Uint8Array(12 + body.length);
  const length = [body.length >>> 16, (body.length >>> 8) & 0xff, body.length & 0xff];
  content.set([type, ...length, 0, sequence, 0, 0, 0, ...length]);
  content.set(body, 12);
  return plainRecord(22, content, sequence);
}
