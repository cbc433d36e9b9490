import { describe, expect, it } from "vitest";
import { Datapath } from "../../src/wasm/datapath.ts";
import { toHex } from "../../src/wire/bytes.ts";
import type { DtlsVersion } from "../../src/dtls/connection.ts";
import { runOverLink } from "../unit/dtls/lossy-link.ts";
import { exchange, Party, bytes } from "../unit/dtls/support.ts";

/**
 * Every bit of every header, and of every third byte beside them one bit, another one each time. `EVERY_BIT=1` takes all of them,
 * which needs some minutes.
 */
const EVERY_BIT = process.env.EVERY_BIT !== undefined;
const STEP_BYTES = 3;

/** Notes every nonce under every key, and throws where one is used again. */
class WatchedDatapath extends Datapath {
  readonly #keys = new Map<number, string>();
  readonly #used = new Set<string>();

  constructor() {
    super({ keySlots: 16, txSlots: 16 });
  }

  override acquireKey(key: Uint8Array, iv: Uint8Array): number {
    const slot = super.acquireKey(key, iv);
    this.#keys.set(slot, `${toHex(key)} ${toHex(iv)}`);
    return slot;
  }

  override seal12(slot: number, at: number, type: number, epoch: number, sequence: number, length: number): number {
    this.#note(slot, epoch, sequence);
    return super.seal12(slot, at, type, epoch, sequence, length);
  }

  override seal13(slot: number, at: number, headerLength: number, sequence: number, length: number): number {
    this.#note(slot, 0, sequence);
    return super.seal13(slot, at, headerLength, sequence, length);
  }

  forget(): void {
    this.#used.clear();
  }

  #note(slot: number, epoch: number, sequence: number): void {
    const nonce = `${this.#keys.get(slot)} ${epoch} ${sequence}`;
    if (this.#used.has(nonce)) throw new Error(`sealed twice: ${nonce}`);
    this.#used.add(nonce);
  }
}

/** Which bytes of a datagram are headers: of records, and of handshake messages in the clear. */
function headerBytes(datagram: Uint8Array): Set<number> {
  const header = new Set<number>();
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (let at = 0; at < datagram.length; ) {
    const isUnified = (datagram[at] & 0xe0) === 0x20;
    const isPlain = !isUnified && view.getUint16(at + 3) === 0;
    const bytesOfIt = isUnified ? 5 : isPlain ? 13 + 12 : 13 + 8;
    for (let i = at; i < Math.min(at + bytesOfIt, datagram.length); i++) header.add(i);
    // Application data alone in its datagram has no length, and none is sent here.
    at += isUnified ? 5 + view.getUint16(at + 3) : 13 + view.getUint16(at + 11);
  }
  return header;
}

function bitsToFlip(datagram: Uint8Array): number[] {
  const headers = headerBytes(datagram);
  const bits: number[] = [];
  for (let at = 0; at < datagram.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const isChosen = headers.has(at) || (at % STEP_BYTES === 0 && bit === (at / STEP_BYTES) % 8);
      if (EVERY_BIT || isChosen) bits.push(8 * at + bit);
    }
  }
  return bits;
}

describe.each<DtlsVersion>(["1.2", "1.3"])("a bit of a DTLS %s handshake that is flipped on its way", (version) => {
  const datapaths = { client: new WatchedDatapath(), server: new WatchedDatapath() };

  function run(struck: number, change: (datagram: Uint8Array) => void) {
    for (const datapath of Object.values(datapaths)) datapath.forget();
    const party = (role: "client" | "server") =>
      new Party({ role, versions: [version], groups: [0x001d], datapath: datapaths[role] });
    const fault = (datagram: Uint8Array) => {
      change(datagram);
      return [{ datagram, extraMs: 0 }];
    };
    return runOverLink(party("client"), party("server"), { struck, count: 1, fault, untilMs: 1_500 });
  }

  function expectNoWrongConnection(client: Party, server: Party): void {
    for (const [side, peer] of [
      [client, server],
      [server, client],
    ]) {
      // Whose certificate it is, `verifyPeerCertificate` has seen; and the keys stand for the whole transcript.
      if (side.connectedTimes > 0) expect(peer.keyLog).toEqual(expect.arrayContaining(side.keyLog));
    }
    if (client.connection.state !== "connected" || server.connection.state !== "connected") return;
    client.connection.send(9_000, bytes("ping"));
    server.connection.send(9_000, bytes("pong"));
    exchange(client, server, 9_000);
    expect([server.received, client.received]).toEqual([["ping"], ["pong"]]);
  }

  const plain: Uint8Array[] = [];
  for (let i = 0; i < 4; i++) {
    const { client, server } = run(i, (datagram) => plain.push(datagram));
    for (const { connection } of [client, server]) connection.close(0);
  }

  it.each(plain.map((_, i) => i))(
    "makes nobody throw, connects nobody wrongly and uses no nonce twice: datagram %i",
    (struck) => {
      let connected = 0;
      for (const bit of bitsToFlip(plain[struck])) {
        const { client, server } = run(struck, (datagram) => {
          // A signature is not always as long.
          if (bit < 8 * datagram.length) datagram[bit >>> 3] ^= 1 << (bit & 7);
        });
        expectNoWrongConnection(client, server);
        if (server.connection.state === "connected") connected++;
        for (const { connection } of [client, server]) connection.close(1e6);
      }
      // What no longer parses or opens is dropped, and its repetition taken.
      expect(connected).toBeGreaterThan(50);
    },
    EVERY_BIT ? 1e6 : 60_000,
  );
});
