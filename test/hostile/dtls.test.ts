import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readPublicKey } from "../../src/crypto/platform.ts";
import { parseAlert } from "../../src/dtls/alert.ts";
import { subjectPublicKeyInfo } from "../../src/dtls/certificate.ts";
import {
  encodeClientHello,
  parseCertificate12,
  parseCertificateRequest12,
  parseCertificateVerify,
  parseClientHello,
  parseClientKeyExchange,
  parseHelloVerifyRequest,
  parseServerHello,
  parseServerKeyExchange,
} from "../../src/dtls/messages.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import {
  converse,
  endPair,
  handshakeRecord,
  makePair,
  type Pair,
  plainRecord,
  recordedHellos,
  RogueClient,
  Side,
} from "./support/dtls.ts";
import { EditScript } from "./support/edit-script.ts";
import { fuzzTests } from "./support/fuzz.ts";
import { growthOf } from "./support/memory.ts";
import { bitFlips, extremeBytes, type LengthField, readField, truncations, wrongLengths } from "./support/variants.ts";

const PARSERS: Record<string, (body: Uint8Array) => unknown> = {
  parseClientHello,
  parseServerHello,
  parseHelloVerifyRequest,
  parseCertificate12,
  parseServerKeyExchange,
  parseCertificateRequest12,
  parseClientKeyExchange,
  parseCertificateVerify,
  parseAlert,
  subjectPublicKeyInfo,
  readPublicKey,
};

const chromium = recordedHellos("chromium");
const firefox = recordedHellos("firefox");

/** The body of a browser's ClientHello, put together from its two fragments. */
function helloBody([first, second]: readonly Uint8Array[]): Uint8Array {
  return concatBytes(first.subarray(25), second.subarray(25));
}

/** Every length field of a ClientHello's body (RFC 6347 §4.2.1), those inside the lists of extensions included. */
function helloLengthFields(body: Uint8Array): LengthField[] {
  const fields: LengthField[] = [];
  let at = 34;
  for (const bytes of [1, 1, 2, 1] as const) {
    fields.push({ offset: at, bytes });
    at += bytes + readField(body, at, bytes);
  }
  fields.push({ offset: at, bytes: 2 });
  for (at += 2; at < body.length; at += 4 + readField(body, at + 2, 2)) {
    fields.push({ offset: at + 2, bytes: 2 });
    if (readField(body, at + 2, 2) > 2) fields.push({ offset: at + 4, bytes: 2 });
  }
  return fields;
}

/** Feeds datagrams to a fresh server; afterwards the true client tries. Says whether it still got through. */
function feedServer(datagrams: readonly Uint8Array[]): "connected" | "not connected" {
  const pair = makePair();
  for (const datagram of datagrams) {
    pair.server.connection.handleDatagram(0, datagram);
    pair.server.check();
  }
  const fed = datagrams.reduce((sum, { length }) => sum + length, 0);
  assert(pair.server.sentBytes <= 800 + 3 * fed, "more out than a flight");
  pair.server.take();
  converse(pair);
  const connected = pair.server.connection.state === "connected" && pair.client.connection.state === "connected";
  endPair(pair);
  return connected ? "connected" : "not connected";
}

test("what the browsers sent is answered", () => {
  for (const hellos of [chromium, firefox]) {
    const server = new Side("server");
    for (const datagram of hellos.slice(0, 2)) server.connection.handleDatagram(0, datagram);
    expect(server.sent.length).toBeGreaterThan(0);
    expect(server.connection.state).toBe("handshaking");
    server.connection.close(0);
  }
});

test("any bytes leave every parser with a value or none", () => {
  for (const [name, parse] of Object.entries(PARSERS)) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        parse(bytes);
      }),
      { numRuns: 3_000, seed: 1, examples: [[new Uint8Array(0)]] },
    );
    expect(name).toBeTruthy();
  }
});

test("a hello whose length fields are wrong is never taken for one that runs past its end", () => {
  for (const hellos of [chromium, firefox]) {
    const body = helloBody(hellos);
    const fields = helloLengthFields(body);
    expect(fields.length).toBeGreaterThan(15);
    for (const wrong of wrongLengths(body, fields)) {
      const hello = parseClientHello(wrong);
      if (hello === undefined) continue;
      for (const content of hello.extensions.values()) assert(content.length <= wrong.length);
      assert.equal(hello.random.length, 32);
    }
    for (const cut of truncations(body)) parseClientHello(cut);
    expect(parseClientHello(concatBytes(body, Uint8Array.of(0)))).toBeUndefined();
  }
});

test("a hello is read back as it was written, whatever its lists hold", () => {
  const bytes = (maxLength: number, minLength = 0) => fc.uint8Array({ minLength, maxLength });
  const hello = fc.record(
    {
      version: fc.nat(0xffff),
      random: bytes(32, 32),
      sessionId: bytes(32),
      cookie: bytes(255),
      cipherSuites: fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 40 }),
      compressionMethods: bytes(5, 1),
      extensions: fc
        .uniqueArray(fc.tuple(fc.nat(0xffff), bytes(40)), { selector: ([type]) => type, maxLength: 12 })
        .map((list) => new Map(list)),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(hello, (written) => {
      assert.deepEqual(parseClientHello(encodeClientHello(written)), written);
    }),
    { numRuns: 2_000, seed: 2 },
  );
});

test("a damaged first datagram, each way a length can be wrong, leaves room for the true client", () => {
  for (const [datagram] of [chromium, firefox]) {
    // Record length; then of the fragment: length of the message, offset, length of the fragment.
    const fields: LengthField[] = [
      { offset: 11, bytes: 2 },
      { offset: 14, bytes: 3 },
      { offset: 19, bytes: 3 },
      { offset: 22, bytes: 3 },
    ];
    let connected = 0;
    let tried = 0;
    for (const wrong of wrongLengths(datagram, fields)) {
      tried++;
      if (feedServer([wrong]) === "connected") connected++;
    }
    expect(connected, `of ${tried}`).toBeGreaterThan(tried / 2);
  }
});

test("every truncation of the browsers' first flight leaves room for the true client", () => {
  // A cut datagram is a record without its end: nothing of it is believed.
  for (const [first] of [chromium, firefox]) {
    for (const length of [0, 1, 2, 3, 12, 13, 14, 24, 25, 26, 100, first.length - 1]) {
      expect(feedServer([first.slice(0, length)]), `${length} bytes`).toBe("connected");
    }
  }
});

test("handshake messages of every type, empty, tiny and huge, at a server that waits for a hello", () => {
  for (let type = 0; type < 256; type += type < 32 ? 1 : 37) {
    for (const bytes of [0, 1, 2, 3, 64, 1_000]) feedServer([handshakeRecord(type, 0, new Uint8Array(bytes))]);
  }
});

test("fragments that overlap, contradict each other, or announce more than is allowed cost bounded memory", () => {
  const server = new Side("server");
  const fragment = (length: number, sequence: number, offset: number, bytes: number) => {
    const content = new Uint8Array(12 + bytes);
    const u24 = (value: number) => [value >>> 16, (value >>> 8) & 0xff, value & 0xff];
    content.set([1, ...u24(length), sequence >>> 8, sequence & 0xff, ...u24(offset), ...u24(bytes)]);
    return plainRecord(22, content);
  };
  const flood = () => {
    for (let i = 0; i < 20_000; i++) {
      server.connection.handleDatagram(0, fragment(8_192, i & 7, (i * 97) % 8_000, 1 + (i % 100)));
      server.connection.handleDatagram(0, fragment(0xffffff, i & 0xffff, i, 1));
      server.connection.handleDatagram(0, fragment(i & 0x3fff, i & 15, 0xffffff - (i & 0xff), 20));
      server.take();
    }
  };
  flood();
  expect(growthOf(flood)).toBeLessThan(500_000);
  server.check();
  server.connection.close(0);
});

test("alerts of every kind before the handshake end at most the connection they are for", () => {
  for (const level of [0, 1, 2, 3, 255]) {
    for (const description of [0, 10, 40, 90, 100, 255])
      feedServer([plainRecord(21, Uint8Array.of(level, description))]);
  }
  for (const bytes of [0, 1, 3, 100]) expect(feedServer([plainRecord(21, new Uint8Array(bytes))])).toBe("connected");
});

test("records of every type and epoch in front of a handshake do no harm", () => {
  for (const type of [0, 19, 20, 23, 24, 25, 26, 31, 32, 63, 64, 255]) {
    expect(feedServer([plainRecord(type, new Uint8Array(40))]), `type ${type}`).toBe("connected");
  }
  for (const epoch of [1, 2, 3, 255, 65_535]) {
    const record = plainRecord(23, new Uint8Array(40));
    record[3] = epoch >>> 8;
    record[4] = epoch;
    expect(feedServer([record, record, record]), `epoch ${epoch}`).toBe("connected");
  }
});

function connectedPair(): Pair {
  const pair = makePair();
  converse(pair);
  assert.equal(pair.server.connection.state, "connected");
  pair.client.take();
  pair.server.take();
  return pair;
}

/** The client sends one message; the server must have got it. */
function expectWorking({ client, server }: Pair, text: string): void {
  client.connection.send(5_000, new TextEncoder().encode(text));
  for (const datagram of client.take()) server.connection.handleDatagram(5_000, datagram);
  assert.equal(new TextDecoder().decode(server.received.at(-1)), text);
}

test("nothing that is not authentic reaches or ends a connection: every bit, byte, cut and replay", () => {
  const pair = connectedPair();
  const { client, server } = pair;
  client.connection.send(4_000, Uint8Array.of(1, 2, 3, 4, 5));
  const [record] = client.take();
  const forged = [...bitFlips(record), ...extremeBytes(record), ...truncations(record)];
  for (const datagram of forged) server.connection.handleDatagram(4_000, datagram);
  expect(server.received).toEqual([]);
  server.connection.handleDatagram(4_000, record);
  for (let i = 0; i < 10; i++) server.connection.handleDatagram(4_000, record);
  expect(server.received).toEqual([Uint8Array.of(1, 2, 3, 4, 5)]);
  expect(server.connection.state).toBe("connected");
  expect(server.sent).toEqual([]);
  expectWorking(pair, "still here");
  endPair(pair);
});

test("unprotected hellos, alerts and handshakes of others do not touch a connection", () => {
  const pair = connectedPair();
  const others = [
    ...chromium,
    ...firefox,
    plainRecord(21, Uint8Array.of(2, 40)),
    plainRecord(21, Uint8Array.of(1, 0)),
    handshakeRecord(0, 0, new Uint8Array(0)),
    handshakeRecord(20, 5, new Uint8Array(12)),
    plainRecord(20, Uint8Array.of(1)),
    plainRecord(23, new Uint8Array(100)),
  ];
  for (const datagram of others) pair.server.connection.handleDatagram(4_000, datagram);
  for (const datagram of others) pair.client.connection.handleDatagram(4_000, datagram);
  expect(pair.server.sent).toEqual([]);
  expectWorking(pair, "still here");
  endPair(pair);
});

test("an authentic peer that sends handshakes, alerts and types of its own invention ends nobody but itself", () => {
  const bystander = connectedPair();
  const contents: Uint8Array[] = [0, 1, 2, 3, 12, 13, 24, 100, 1_000].map((length) =>
    new Uint8Array(length).fill(length),
  );
  for (const [datagram] of [chromium, firefox]) contents.push(datagram.subarray(13), datagram.subarray(25));
  for (const type of [0, 20, 21, 22, 24, 25, 26, 255]) {
    for (const content of contents) {
      const flights: Uint8Array[] = [];
      const pair = makePair();
      converse(pair, undefined, (datagram) => {
        flights.push(datagram);
        return [datagram];
      });
      const rogue = new RogueClient(pair.server, flights[0]);
      pair.server.connection.handleDatagram(4_000, rogue.record(type, content.subarray(0, 1_150)));
      pair.server.check();
      rogue.end();
      pair.client.connection.close(4_000);
      pair.server.connection.close(4_000);
    }
  }
  expectWorking(bystander, "still here");
  endPair(bystander);
});

test("50,000 records nobody has keys for leave memory as it was", () => {
  const pair = connectedPair();
  const junk = new Uint8Array(600).fill(7);
  const flood = () => {
    for (let i = 0; i < 50_000; i++) {
      const record = plainRecord(23, junk.subarray(0, i % 600), i);
      record[4] = i % 3;
      pair.server.connection.handleDatagram(4_000, record);
    }
  };
  flood();
  expect(growthOf(flood)).toBeLessThan(500_000);
  expectWorking(pair, "still here");
  endPair(pair);
});

fuzzTests(() => ({
  name: "dtls-hello",
  recorded: [...chromium.slice(0, 4), ...firefox.slice(0, 8)],
  iterations: 60_000,
  run(input, random) {
    // Alone, in front of the rest of the true flight, and behind it.
    const hellos = random.chance(0.5) ? chromium : firefox;
    const server = new Side("server");
    const order = [[input], [input, hellos[1]], [hellos[0], input], [hellos[0], hellos[1], input]][random.below(4)];
    for (const datagram of order) {
      server.connection.handleDatagram(0, datagram);
      server.check();
    }
    assert(server.sentBytes <= 2_000, "more out than a flight and an alert");
    server.connection.close(1);
  },
}));

fuzzTests(() => ({
  name: "dtls-handshake",
  // Scripts of edits: single ones of every kind, at the datagrams of every flight, and some of several.
  recorded: Array.from({ length: 130 }, (_, i) =>
    Uint8Array.of(i % 5, i, (i * 53) & 0xff, (i * 29) & 0xff, i * 11, (i + 2) % 7, i * 3, 1, i, i),
  ),
  iterations: 6_000,
  run(input, random) {
    const pair = makePair();
    const inbound = new EditScript(input);
    const outbound = random.chance(0.3) ? new EditScript(input.subarray(3)) : undefined;
    converse(
      pair,
      (datagram) => inbound.apply(datagram),
      outbound === undefined ? undefined : (datagram) => outbound.apply(datagram),
    );
    const { client, server } = pair;
    if (server.connection.state === "connected" && client.connection.state === "connected") {
      expectWorking(pair, "through");
    }
    endPair(pair);
  },
}));
