/** What anybody may send, without a key: STUN, DTLS records, handshakes, offers. */
import { randomBytes } from "node:crypto";
import { DtlsConnection } from "../../../build/dtls/connection.js";
import { negotiate } from "../../../build/signalling/negotiate.js";
import { META_DTLS_IN_STUN } from "../../../build/ice/stun.js";
import { writeBindingRequest } from "../../../build/ice/stun-write.js";
import { certificate, datapath, random } from "./attacker.mjs";
import { joined, u16, u32 } from "./chunks.mjs";

const each = (make) => (attacker, count, arena) => Array.from({ length: count }, (_, i) => make(attacker, i, arena));
const bytes = (length) => new Uint8Array(randomBytes(length));
const PER_ADDRESS = "budget: handshakes of an address and of the server";
/** The server answers it with a fatal alert: whoever goes on needs a handshake. */
const ENDS = "budget: it ends the connection";
const KEY_UPDATES = "budget: 16 KeyUpdates, then six a minute, else it ends the connection";
/** In a server where several sessions claim one address; measured with a `DtlsConnection` made for each hello. */
const COOKIE = "budget: an eighth of a handshake";
const SIGNALLING = "budget: whoever signals, maxPendingSessions";

/** A datagram from somewhere else than the attacker's address. */
const from = (source, datagram) => ({ source, bytes: datagram });

function check(username, password, carried) {
  return writeBindingRequest({
    transactionId: bytes(12),
    username,
    key: new TextEncoder().encode(password),
    priority: 1,
    tieBreaker: bytes(8),
    role: "controlling",
    useCandidate: true,
    ...(carried && { extra: [{ type: META_DTLS_IN_STUN, value: carried }] }),
  });
}

const nameOf = ({ session }) => `${session.localUfrag}:${session.remoteUfrag}`;

/** A STUN header, then attributes of no length. */
function fullOfAttributes() {
  const body = joined(Array.from({ length: 290 }, () => u16(0x8099, 0)));
  return joined([u16(1, body.length), u32(0x2112a442), bytes(12), body]);
}

export const STUN_KINDS = [
  { name: "garbage of 20 B", make: each((_a, _i, arena) => from(arena.newAddress(), joined([u16(1, 0), bytes(16)]))) },
  {
    name: "garbage of 1,200 B",
    make: each((_a, _i, arena) => from(arena.newAddress(), joined([u16(1, 1_180), bytes(1_196)]))),
  },
  { name: "290 empty attributes", make: each((_a, _i, arena) => from(arena.newAddress(), fullOfAttributes())) },
  {
    name: "check for no session",
    make: each((_a, _i, arena) => from(arena.newAddress(), check("nobody:me", "0".repeat(24)))),
  },
  {
    name: "check with a wrong password",
    make: each((a, _i, arena) => from(arena.newAddress(), check(nameOf(a), "0".repeat(24)))),
  },
  {
    name: "check, the same again",
    prepare: (a) => {
      a.check = a.ice.check();
    },
    make: each((a) => a.check),
  },
  { name: "check", make: each((a) => a.ice.check()) },
  { name: "check from a new address each time", make: each((a, _i, arena) => from(arena.newAddress(), a.ice.check())) },
  {
    name: "check from two addresses in turns",
    prepare: (a, arena) => {
      a.other = arena.newAddress();
    },
    make: each((a, i) => from(i % 2 ? a.other : a.source, a.ice.check())),
  },
  {
    name: "first check of a session",
    budget: PER_ADDRESS,
    limits: { maxHandshakes: 8_192 },
    size: { rounds: 9 },
    make: each((_a, _i, arena) => from(arena.newAddress(), arena.newSession().ice.check())),
  },
];

/** A record of DTLS 1.2 or of epoch 0. */
function plainRecord(type, epoch, content, sequence = 0) {
  return joined([Uint8Array.of(type, 0xfe, 0xfd), u16(epoch), u16(0), u32(sequence), u16(content.length), content]);
}

/** Handshake fragment (RFC 6347 §4.2.2). */
function fragment(type, length, sequence, offset, content) {
  const u24 = (value) => [value >>> 16, (value >>> 8) & 255, value & 255];
  return joined([
    Uint8Array.of(type, ...u24(length)),
    u16(sequence),
    Uint8Array.from([...u24(offset), ...u24(content.length)]),
    content,
  ]);
}

function small(make) {
  const records = [];
  for (let room = 1_180; ; ) {
    const record = make(records.length);
    room -= record.length;
    if (room < 0) return joined(records);
    records.push(record);
  }
}

/** Records of DTLS 1.3 that need their length. */
const unified = (epoch, content) => joined([Uint8Array.of(0x2c | epoch), bytes(2), u16(content.length), content]);

export const RECORD_KINDS = [
  {
    name: "from an address without a check",
    make: each((a, _i, arena) => from(arena.newAddress(), a.record(23, new Uint8Array(100)))),
  },
  { name: "garbage of 100 B", make: each(() => joined([Uint8Array.of(23), bytes(99)])) },
  { name: "forged tag, 60 B", make: each((a) => flipped(a.record(23, new Uint8Array(40)))) },
  { name: "forged tag, 1,200 B", make: each((a) => flipped(a.record(23, new Uint8Array(1_180)))) },
  { name: "forged records of 21 B, a datagram full", make: each(() => small(() => unified(3, bytes(16)))) },
  { name: "records of no content, a datagram full", make: each(() => small(() => unified(3, new Uint8Array(0)))) },
  {
    name: "a record, the same again",
    prepare: (a) => {
      a.recorded = a.record(23, new Uint8Array(100));
    },
    make: each((a) => a.recorded),
  },
  { name: "epoch of the handshake", make: each(() => unified(2, bytes(60))) },
  { name: "epoch that is to come, a datagram full", make: each(() => small(() => unified(0, bytes(16)))) },
  {
    name: "plaintext records, a datagram full",
    make: each(() => small((i) => plainRecord(22, 0, new Uint8Array(0), i))),
  },
  {
    name: "plaintext alerts, a datagram full",
    make: each(() => small((i) => plainRecord(21, 0, Uint8Array.of(2, 40), i))),
  },
  {
    name: "a hello again",
    prepare: (a) => {
      a.hello = helloDatagrams({})[0];
    },
    make: each((a) => a.hello),
  },
  { name: "user_canceled alert", make: each((a) => a.record(21, Uint8Array.of(1, 90))) },
  { name: "alert of no meaning", budget: ENDS, make: each((a) => a.record(21, Uint8Array.of(1))) },
  { name: "padding alone", budget: ENDS, make: each((a) => a.record(0, new Uint8Array(100))) },
  { name: "unknown content type", budget: ENDS, make: each((a) => a.record(99, new Uint8Array(40))) },
  { name: "empty application data", make: each((a) => a.record(23, new Uint8Array(0))) },
  { name: "ACK of nothing", make: each((a) => a.record(26, u16(0))) },
  {
    name: "ACK of 70 records",
    make: each((a) => a.record(26, joined([u16(1_120), ...Array.from({ length: 70 }, (_, i) => u32(0, 3, 0, i))]))),
  },
  { name: "KeyUpdate", budget: KEY_UPDATES, make: each((a) => a.keyUpdates(1, false)) },
  { name: "KeyUpdate that asks for one", budget: KEY_UPDATES, make: each((a) => a.keyUpdates(1, true)) },
  { name: "8 KeyUpdates in a record", budget: KEY_UPDATES, make: each((a) => a.keyUpdates(8, false)) },
  { name: "handshake message again", make: each((a) => a.record(22, fragment(20, 32, 3, 0, new Uint8Array(32)))) },
  { name: "handshake message far ahead", make: each((a) => a.record(22, fragment(24, 1, 9_000, 0, Uint8Array.of(0)))) },
  {
    name: "NewSessionTickets",
    budget: ENDS,
    make: each((a) => a.record(22, fragment(4, 8, 4, 0, new Uint8Array(8)))),
  },
];

function flipped(record) {
  record[record.length - 1] ^= 1;
  return record;
}

/** The datagrams of a ClientHello. */
export function helloDatagrams({ groups = [0x001d], versions = ["1.3"] }) {
  const sent = [];
  const client = new DtlsConnection(
    { role: "client", certificate, datapath, random, versions, groups, verifyPeerCertificate: () => true },
    { transmit: (datagram) => sent.push(datagram.slice()), connected() {}, applicationData() {}, closed() {} },
  );
  client.start(0);
  client.close(0);
  return sent.filter((datagram) => datagram[0] === 22);
}

/** Each hello to a connection of its own, whose first check was not timed. */
function newHandshake(arena) {
  const { ice, session } = arena.newSession();
  const source = arena.newAddress();
  arena.deliver(source, ice.check());
  return { source, session };
}

const handshake = (datagramsOf) => (_attacker, count, arena) => {
  const batch = [];
  while (batch.length < count) {
    const { source } = newHandshake(arena);
    for (const datagram of datagramsOf()) batch.push(from(source, datagram));
  }
  return batch;
};

/** Everything half done goes before the next batch. */
const ends = (attacker) => {
  for (const one of [...attacker.arena.endpoint.connections()])
    if (!one.established) one.close(attacker.arena.now, "closed");
};

/** Checks of a session with SPED, whose handshake has not begun. */
const carrying = (datagramOf) => (_attacker, count, arena) => {
  const { session } = arena.newSession({ sped: true });
  const source = arena.newAddress();
  const [name, password] = [nameOf({ session }), session.localPwd];
  arena.deliver(source, check(name, password, new Uint8Array(0)));
  return Array.from({ length: count }, () => from(source, check(name, password, datagramOf())));
};

/** A client's whole handshake, whose first check was not timed. */
const wholeHandshake =
  (versions) =>
  ({ arena }) => {
    const { meter } = arena;
    arena.meter = undefined;
    const { source, session } = newHandshake(arena);
    arena.meter = meter;
    const inbox = [];
    arena.listen(source, (datagram) => inbox.push(datagram.slice()));
    let connected = false;
    const client = new DtlsConnection(
      { role: "client", certificate, datapath, random, versions, verifyPeerCertificate: () => true },
      {
        transmit: (datagram) => arena.deliver(source, datagram.slice()),
        connected: () => {
          connected = true;
        },
        applicationData() {},
        closed() {},
      },
    );
    client.start(arena.now);
    for (let datagram = inbox.shift(); datagram !== undefined; datagram = inbox.shift()) {
      if (datagram[0] >= 20) client.handleDatagram(arena.now, datagram);
    }
    if (!connected) throw new Error("a handshake does not come through");
    arena.meter = undefined;
    session.connection.close(arena.now, "closed");
    arena.meter = meter;
  };

const ONE_TIME = 1_000;

/** A hello to a server that asks for cookies, of the package's `dtls` alone. */
function askedForCookie(versions, cookies) {
  const helloVerify = { secret: bytes(32), peer: bytes(6) };
  const asked = [];
  const server = (transmit) =>
    new DtlsConnection(
      { role: "server", certificate, datapath, random, versions, helloVerify, verifyPeerCertificate: () => true },
      { transmit, connected() {}, applicationData() {}, closed() {} },
    );
  let hello;
  const client = new DtlsConnection(
    { role: "client", certificate, datapath, random, versions, groups: [0x001d], verifyPeerCertificate: () => true },
    { transmit: (datagram) => asked.push(datagram.slice()), connected() {}, applicationData() {}, closed() {} },
  );
  client.start(0);
  [hello] = asked.splice(0);
  if (cookies) {
    const answers = [];
    server((datagram) => answers.push(datagram.slice())).handleDatagram(ONE_TIME, hello);
    for (const answer of answers) client.handleDatagram(ONE_TIME, answer);
    [hello] = asked;
    // The cookie is somebody else's: the same bytes for another address.
    helloVerify.peer = bytes(6);
  }
  client.close(ONE_TIME);
  return {
    run() {
      const one = server(() => {});
      one.handleDatagram(ONE_TIME, hello);
      one.abandon();
    },
    bytes: hello.length,
  };
}

const opening = {
  budget: PER_ADDRESS,
  limits: { maxHandshakes: 8_192 },
  size: { rounds: 9, datagrams: 40 },
  after: ends,
};

export const HANDSHAKE_KINDS = [
  { name: "ClientHello of 1.3, X25519", ...opening, make: handshake(() => helloDatagrams({})) },
  {
    name: "ClientHello of 1.3, X25519MLKEM768",
    ...opening,
    make: handshake(() => helloDatagrams({ groups: [0x11ec] })),
  },
  { name: "ClientHello of 1.3, P-256", ...opening, make: handshake(() => helloDatagrams({ groups: [0x0017] })) },
  { name: "ClientHello of 1.2", ...opening, make: handshake(() => helloDatagrams({ versions: ["1.2"] })) },
  { name: "whole handshake of DTLS 1.3", ...opening, play: wholeHandshake(["1.3"]) },
  { name: "whole handshake of DTLS 1.2", ...opening, play: wholeHandshake(["1.2"]) },
  {
    name: "ClientHello of 1.3, P-384",
    ...opening,
    make: handshake(() => helloDatagrams({ groups: [0x0018] })),
  },
  { name: "check that carries nothing (SPED)", ...opening, budget: undefined, make: carrying(() => new Uint8Array(0)) },
  {
    name: "check that carries garbage (SPED)",
    ...opening,
    budget: undefined,
    make: carrying(() => joined([Uint8Array.of(22, 0xfe, 0xfd), bytes(90)])),
  },
  { name: "checks that carry ClientHellos (SPED)", ...opening, make: carrying(() => helloDatagrams({})[0]) },
  { name: "HelloVerifyRequest is asked for", budget: COOKIE, ...askedForCookie(["1.2"], false) },
  { name: "somebody else's cookie of HelloVerifyRequest", budget: COOKIE, ...askedForCookie(["1.2"], true) },
  { name: "HelloRetryRequest with a cookie is asked for", budget: COOKIE, ...askedForCookie(["1.3"], false) },
  { name: "somebody else's cookie of HelloRetryRequest", budget: COOKIE, ...askedForCookie(["1.3"], true) },
  {
    name: "11 different ClientHellos to one session",
    ...opening,
    make: handshake(() => Array.from({ length: 11 }, () => helloDatagrams({})).flat()),
  },
  {
    name: "ClientHello, the same 5 times",
    ...opening,
    make: handshake(() => new Array(5).fill(helloDatagrams({})).flat()),
  },
  {
    name: "first fragment of a message of 8 KB",
    ...opening,
    make: handshake(() => [plainRecord(22, 0, fragment(1, 8_000, 0, 0, new Uint8Array(1)))]),
  },
  {
    name: "fragments of 1 B of a message of 8 KB, a datagram full",
    ...opening,
    make: handshake(() => [small((i) => plainRecord(22, 0, fragment(1, 8_000, 0, 2 * i, new Uint8Array(1)), i))]),
  },
  {
    name: "fragments of other messages, a datagram full",
    ...opening,
    make: handshake(() => [small((i) => plainRecord(22, 0, fragment(1, 8_000, i, 0, new Uint8Array(1)), i))]),
  },
  {
    name: "garbage to a new connection",
    ...opening,
    make: handshake(() => Array.from({ length: 20 }, () => joined([Uint8Array.of(22, 0xfe, 0xfd), bytes(90)]))),
  },
  {
    name: "early records to a new connection",
    ...opening,
    make: handshake(() => Array.from({ length: 20 }, () => unified(2, bytes(60)))),
  },
];

const OFFER = [
  "v=0",
  "o=- 1 2 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:0123456789012345678901",
  "a=ice-options:ice2",
  `a=fingerprint:sha-256 ${new Array(32).fill("AB").join(":")}`,
  "a=setup:actpass",
  "a=mid:0",
  "a=sctp-port:5000",
  "a=max-message-size:65536",
];
const offer = (...more) => `${[...OFFER, ...more].join("\r\n")}\r\n`;
const LARGE_BYTES = 60_000;
const upTo = (line, most = Number.POSITIVE_INFINITY) =>
  new Array(Math.min(most, Math.floor(LARGE_BYTES / (line.length + 2)))).fill(line);

function answered(text) {
  return {
    run() {
      const answerer = {
        createSession: () => ({
          ufrag: "abcd",
          pwd: "0".repeat(24),
          fingerprint: "AB",
          candidates: [],
          maxMessageBytes: 65_536,
          sctpInit: undefined,
          refused: "no",
        }),
      };
      return negotiate(text, answerer);
    },
    bytes: text.length,
  };
}

export const OFFER_KINDS = [
  { name: "offer of a browser", ...answered(offer()) },
  { name: "60 KB of attributes that are not read", ...answered(offer(...upTo("a=x:0123456789", 1_900))) },
  { name: "60 KB of long attributes", ...answered(offer(...upTo(`a=x:${"0".repeat(8_000)}`))) },
  {
    name: "60 KB of candidates",
    ...answered(offer(...upTo("a=candidate:1 1 udp 2130706431 192.168.0.1 50000 typ host", 1_900))),
  },
  { name: "60 KB of fingerprints", ...answered(offer(...upTo(OFFER[10]))) },
  { name: "60 KB of groups", ...answered(offer(...upTo("a=group:BUNDLE 0 1 2 3", 1_900))) },
  { name: "32 sections", ...answered(offer(...upTo("m=audio 9 UDP/TLS/RTP/SAVPF 111", 31))) },
  { name: "60 KB of sections", ...answered(offer(...upTo("m=audio 9 UDP/TLS/RTP/SAVPF 111", 1_900))) },
  { name: "60 KB without an end of line", ...answered("v".repeat(LARGE_BYTES)) },
  { name: "60 KB that are no offer", ...answered("\n".repeat(LARGE_BYTES)) },
].map((kind) => ({ ...kind, budget: SIGNALLING, size: { datagrams: 10 } }));
