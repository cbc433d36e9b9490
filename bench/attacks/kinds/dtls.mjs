import { randomBytes } from "node:crypto";
import { nextTrafficSecret, trafficKeys } from "../../../build/dtls/keys13.js";
import { DtlsConnection } from "../../../build/dtls/connection.js";
import { DropCounters } from "../../../build/wire/drops.js";
import { ATTACKER_ADDRESS, boundSocket, certificate, checkFor, datapath, openSession } from "../peer.mjs";
import { byPeer } from "./support.mjs";

const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
const SECP384R1 = 0x18;
const KEY_UPDATES_PER_RECORD = 8;
const KEY_UPDATE_BYTES = 13;
/** Our last handshake message is number 3 or so. */
const FIRST_MESSAGE = 4;
/** Far beyond what the true connection has sent. */
const FIRST_SEQUENCE = 3_000;
/** What a post with its check costs the attacker, headers included. */
export const SESSION_BYTES = 900;

/** Seals records of DTLS 1.3 under keys that follow each other, as the client's. */
class KeyUpdater {
  #secret;
  #epoch = 3;
  #slot;
  #sequence = FIRST_SEQUENCE;
  #message = FIRST_MESSAGE;

  constructor(secret) {
    this.#secret = secret;
    this.#install();
  }

  get isUsedUp() {
    return this.#message > 65_000;
  }

  /** A record with some KeyUpdates, of which each changes the key for what follows. */
  next() {
    const content = Buffer.alloc(KEY_UPDATES_PER_RECORD * KEY_UPDATE_BYTES);
    for (let i = 0; i < KEY_UPDATES_PER_RECORD; i++) {
      const at = i * KEY_UPDATE_BYTES;
      content[at] = 24; // key_update, one byte: update_not_requested
      content[at + 3] = 1;
      content.writeUInt16BE(this.#message++, at + 4);
      content[at + 11] = 1;
    }
    const record = this.#seal(HANDSHAKE, content);
    for (let i = 0; i < KEY_UPDATES_PER_RECORD; i++) this.#secret = nextTrafficSecret(this.#secret);
    this.#epoch += KEY_UPDATES_PER_RECORD;
    this.#sequence = 0;
    this.#install();
    return record;
  }

  end() {
    datapath.releaseKey(this.#slot);
  }

  #install() {
    const { key, iv, numberKey } = trafficKeys(this.#secret);
    if (this.#slot !== undefined) datapath.releaseKey(this.#slot);
    this.#slot = datapath.acquireKey(key, iv);
    datapath.setRecordNumberKey(this.#slot, numberKey);
  }

  /** The unified header with a length and a sequence number of 16 bits (RFC 9147 §4). */
  #seal(type, content) {
    const { memory, view } = datapath;
    const at = datapath.nextTx();
    memory[at] = 0x2c | (this.#epoch & 3);
    view.setUint16(at + 1, this.#sequence & 0xffff);
    view.setUint16(at + 3, content.length + 1 + 16);
    memory.set(content, at + 5);
    memory[at + 5 + content.length] = type;
    const length = datapath.seal13(this.#slot, at, 5, this.#sequence++, content.length + 1);
    const mask = datapath.recordNumberMask(this.#slot, at + 5);
    memory[at + 1] ^= mask >>> 8;
    memory[at + 2] ^= mask;
    return Buffer.from(memory.subarray(at, at + length));
  }
}

function keyUpdateAttack() {
  let secret;
  const keyLog = (line) => {
    const [, hex] = /^CLIENT_TRAFFIC_SECRET_0 \S+ (\S+)/.exec(line) ?? [];
    if (hex !== undefined) secret = new Uint8Array(Buffer.from(hex, "hex"));
  };
  const options = { versions: ["1.3"], keyLog };
  const setUp = (peer) => {
    peer.updater = new KeyUpdater(secret);
  };
  return byPeer(
    "key-update",
    "KeyUpdates, 8 a record and 9 records a datagram",
    { options, setUp },
    async (peer, rate) => {
      const datagram = Buffer.concat(Array.from({ length: 9 }, () => peer.updater.next()));
      if (await rate.take(datagram.length)) peer.sendRaw(datagram);
      if (peer.updater.isUsedUp) peer.close();
      if (peer.isClosed) peer.updater.end();
    },
  );
}

/** Two datagrams or so of a true ClientHello, by default of both versions. */
function clientHello(options = {}) {
  const datagrams = [];
  const ignore = () => {};
  const hello = new DtlsConnection(
    {
      role: "client",
      certificate,
      datapath,
      drops: new DropCounters(),
      versions: ["1.3", "1.2"],
      verifyPeerCertificate: () => true,
      ...options,
    },
    {
      transmit: (datagram) => datagrams.push(Buffer.from(datagram)),
      connected: ignore,
      applicationData: ignore,
      closed: ignore,
    },
  );
  hello.start(0);
  const flight = datagrams.splice(0);
  hello.close(0);
  return flight;
}

/** A fragment of a handshake message that claims to be as long as is allowed. */
function smallFragment() {
  const record = Buffer.alloc(13 + 12 + 1);
  record.set([HANDSHAKE, 0xfe, 0xfd], 0);
  record.writeUInt16BE(13, 11);
  record.set([1, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 1], 13);
  return record;
}

/**
 * An attack by one address with ever new sessions: of each the check, and then what `datagrams` gives.
 *
 * @param perSecond sessions
 */
function sessions(name, what, perSecond, datagrams) {
  return {
    name,
    what,
    group: "address",
    async prepare({ url, to, rate }) {
      const socket = await boundSocket(ATTACKER_ADDRESS);
      return {
        async run() {
          for (let count = 0, start = performance.now(); !rate.isOver; ) {
            if (count > (perSecond * (performance.now() - start)) / 1000) {
              await rate.take(0);
              await new Promise((resolve) => setTimeout(resolve, 5));
              continue;
            }
            count++;
            await rate.take(SESSION_BYTES);
            const session = await openSession(url);
            if (session === undefined) continue;
            // A port of its own for each: one address, but not one route.
            const own = await boundSocket(ATTACKER_ADDRESS);
            own.send(checkFor(session), to.port, to.address);
            for (const datagram of datagrams()) {
              if (await rate.take(datagram.length)) own.send(datagram, to.port, to.address);
            }
            setTimeout(() => own.close(), 2_000);
          }
          socket.close();
        },
      };
    },
  };
}

export const dtlsAttacks = [
  keyUpdateAttack(),
  byPeer(
    "forged-records",
    "records that nobody has sealed, from the address of an open connection",
    {},
    async (peer, rate) => {
      const record = randomBytes(120);
      record.set([APPLICATION_DATA, 0xfe, 0xfd, 0, 1], 0);
      record.writeUInt16BE(120 - 13, 11);
      if (peer.forged) record[0] = 0x2f;
      peer.forged = !peer.forged;
      if (await rate.take(record.length)) peer.sendRaw(record);
    },
  ),
  sessions("changing-hellos", "eleven different hellos for each session", 15, () =>
    Array.from({ length: 11 }, clientHello).flat(),
  ),
  sessions("claimed-length", "fragments of one byte that claim 8 KB, in many sessions", 100, () => [smallFragment()]),
  sessions("handshake-places", "checks of many sessions, after which nothing comes", 100, () => []),
  sessions("half-open", "one true hello in each of many sessions, after which nothing comes", 60, () => clientHello()),
  sessions("dear-group", "the same, with secp384r1 alone, and as many as fit", 200, () =>
    clientHello({ versions: ["1.3"], groups: [SECP384R1] }),
  ),
];
