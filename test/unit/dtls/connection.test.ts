import { createDecipheriv } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { DtlsConnection } from "../../../src/dtls/connection.ts";
import { deriveKeys } from "../../../src/dtls/keys12.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { fromHex } from "../../../src/wire/bytes.ts";
import { clientHello, handshakeTypes, record, splitRecords } from "./records.ts";
import {
  bytes,
  CLIENT_CERTIFICATE,
  connectedPair,
  exchange,
  NOT_BEFORE,
  Party,
  SERVER_CERTIFICATE,
  text,
} from "./support.ts";

describe("a handshake", () => {
  it("connects both sides, which then know the same things", () => {
    const { client, server } = connectedPair();
    for (const { connection, connectedTimes, closedWith } of [client, server]) {
      expect(connection.state).toBe("connected");
      expect(connection.version).toBe("1.2");
      expect(connection.cipherSuite).toBe(0xc02b);
      expect(connection.group).toBe(0x001d);
      expect(connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
      expect(connectedTimes).toBe(1);
      expect(closedWith).toBeUndefined();
    }
    expect(client.connection.peerCertificate).toEqual(SERVER_CERTIFICATE.der);
    expect(server.connection.peerCertificate).toEqual(CLIENT_CERTIFICATE.der);
  });

  it("takes four datagrams: two flights of each side, each in one of at most 1,200 bytes", () => {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    client.connection.start(0);
    const lengths: number[] = [];
    for (const [from, to] of [
      [client, server],
      [server, client],
      [client, server],
      [server, client],
    ]) {
      const datagrams = from.take();
      expect(datagrams).toHaveLength(1);
      lengths.push(datagrams[0].length);
      to.connection.handleDatagram(0, datagrams[0]);
    }
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1200);
    expect(client.connection.state).toBe("connected");
    expect(client.sent).toHaveLength(0);
  });

  it("exchanges data in both directions afterwards", () => {
    const { client, server } = connectedPair();
    expect(client.connection.send(0, bytes("ping"))).toBe(true);
    expect(server.connection.send(0, bytes("pong"))).toBe(true);
    expect(server.connection.send(0, new Uint8Array(0))).toBe(true);
    exchange(client, server);
    expect(server.received).toEqual(["ping"]);
    expect(client.received).toEqual(["pong", ""]);
  });

  it("is fragmented to a small MTU", () => {
    for (const mtuBytes of [128, 200, 256, 500]) {
      const client = new Party({ role: "client", mtuBytes });
      const server = new Party({ role: "server", mtuBytes });
      const lengths: number[] = [];
      client.connection.start(0);
      while (client.sent.length + server.sent.length > 0) {
        lengths.push(...[...client.sent, ...server.sent].map(({ length }) => length));
        for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
        for (const datagram of server.take()) client.connection.handleDatagram(0, datagram);
      }
      expect(client.connection.state, `MTU ${mtuBytes}`).toBe("connected");
      expect(Math.max(...lengths)).toBeLessThanOrEqual(mtuBytes);
      expect(client.connection.maxPlaintextBytes).toBe(mtuBytes - 37);
    }
  });

  it("lets data committed inside connected() ride in the datagram of the server's Finished", () => {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    server.onConnected = () => {
      server.connection.send(0, bytes("at once"));
      server.connection.send(0, bytes("and more"));
    };
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    client.connection.handleDatagram(0, server.take()[0]);
    server.connection.handleDatagram(0, client.take()[0]);
    const last = server.take();
    expect(last).toHaveLength(1);
    expect(splitRecords(last[0]).map(({ type }) => type)).toEqual([20, 22, 23, 23]);
    client.connection.handleDatagram(0, last[0]);
    expect(client.received).toEqual(["at once", "and more"]);
  });

  it("starts a second datagram where what was committed inside connected() does not fit", () => {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    server.onConnected = () => {
      server.connection.send(0, new Uint8Array(server.connection.maxPlaintextBytes).fill(65));
      server.connection.send(0, bytes("after"));
    };
    client.connection.start(0);
    exchange(client, server);
    expect(client.received.map(({ length }) => length)).toEqual([1163, 5]);
  });

  it("derives the same keying material on both sides", () => {
    const { client, server } = connectedPair();
    for (const context of [undefined, bytes("context")]) {
      const material = client.connection.exportKeyingMaterial("EXPORTER-test", 40, context);
      expect(material).toHaveLength(40);
      expect(server.connection.exportKeyingMaterial("EXPORTER-test", 40, context)).toEqual(material);
    }
    expect(() => client.connection.exportKeyingMaterial("EXPORTER-test", 0)).toThrow(RangeError);
    client.connection.close(0);
    expect(client.connection.exportKeyingMaterial("EXPORTER-test", 40)).toBeUndefined();
  });

  it.each(["1.2", "1.3"] as const)(
    "keeps nothing of the %s handshake where it is compact, once connected has returned",
    (version) => {
      const server = new Party({ role: "server", versions: [version], compact: true });
      const client = new Party({ role: "client", versions: [version] });
      let exported: Uint8Array | undefined;
      server.onConnected = () => {
        exported = server.connection.exportKeyingMaterial("EXPORTER-test", 40);
        expect(server.connection.peerCertificate).toEqual(CLIENT_CERTIFICATE.der);
      };
      client.connection.start(0);
      exchange(client, server);
      expect(client.connection.exportKeyingMaterial("EXPORTER-test", 40)).toEqual(exported);
      expect(server.connection.peerCertificate).toBeUndefined();
      expect(() => server.connection.exportKeyingMaterial("EXPORTER-test", 40)).toThrow(/kept/);
      server.connection.send(1, bytes("still here"));
      server.connection.updateKey(1);
      exchange(client, server, 1);
      server.connection.send(2, bytes("and after a key update"));
      exchange(client, server, 2);
      expect(client.received).toEqual(["still here", "and after a key update"]);
    },
  );

  it("logs the master secret in NSS format", () => {
    const { client, server } = connectedPair();
    expect(client.keyLog).toEqual(server.keyLog);
    expect(client.keyLog).toEqual([expect.stringMatching(/^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}$/)]);
  });

  it("takes a certificate from PEM", () => {
    const certificate = Certificate.generate({ notBefore: NOT_BEFORE });
    const pem = certificate.toPem();
    const { client, server } = connectedPair(
      { verifyPeerCertificate: () => true },
      { certificate: Certificate.fromPem(pem.certificate, pem.privateKey) },
    );
    expect(client.connection.state).toBe("connected");
    expect(client.connection.peerCertificate).toEqual(certificate.der);
    expect(server.connection.state).toBe("connected");
  });

  it("asks for no client certificate where none is required", () => {
    const { server } = connectedPair({}, { requireClientCertificate: false, verifyPeerCertificate: () => false });
    expect(server.connection.state).toBe("connected");
    expect(server.connection.peerCertificate).toBeUndefined();
  });

  it("ends before message_seq would wrap, where a client asks for a cookie again and again", () => {
    const helloVerify = { secret: new Uint8Array(32), peer: Uint8Array.of(1) };
    const server = new Party({ role: "server", helloVerify });
    const hello = clientHello();
    let answers = 0;
    for (let sequence = 0; sequence <= 0xffff && server.closedWith === undefined; sequence++) {
      hello[17] = sequence >>> 8;
      hello[18] = sequence;
      server.connection.handleDatagram(0, hello);
      answers += server.take().filter((datagram) => handshakeTypes(datagram)[0] === 3).length;
    }
    expect(server.closedWith).toEqual({ cause: "exhausted" });
    expect(answers).toBeGreaterThan(65_500);
  });

  it("asks for a cookie where that is wanted, and takes only the right one", () => {
    const helloVerify = { secret: new Uint8Array(32).fill(1), peer: Uint8Array.of(127, 0, 0, 1, 4, 5) };
    const { client, server } = connectedPair({}, { helloVerify });
    expect(client.connection.state).toBe("connected");
    expect(server.connection.state).toBe("connected");
    const other = new Party({ role: "server", helloVerify });
    const hello = clientHello();
    hello[10] = 7; // record sequence number
    other.connection.handleDatagram(0, hello);
    const [request] = splitRecords(other.take()[0]);
    expect(request.bytes[13]).toBe(3); // HelloVerifyRequest
    expect(request.sequence).toBe(7); // RFC 6347 §4.2.1
    // RFC 6347 §4.2.1: a wrong cookie counts as none.
    other.connection.handleDatagram(0, clientHello({ cookie: new Uint8Array(32) }, [], 1));
    expect(splitRecords(other.take()[0])[0].bytes.slice(28)).toEqual(request.bytes.slice(28));
    other.connection.handleDatagram(0, clientHello({ cookie: request.bytes.slice(28) }, [], 2));
    expect(handshakeTypes(other.take()[0])[0]).toBe(2);
  });
});

describe("records", () => {
  it("decrypt with the logged secret as RFC 5288 says", () => {
    const client = new Party({ role: "client" });
    const server = new Party({ role: "server" });
    client.connection.start(0);
    server.connection.handleDatagram(0, client.take()[0]);
    const flight = server.take()[0];
    const serverRandom = splitRecords(flight)[0].bytes.slice(27, 59);
    client.connection.handleDatagram(0, flight);
    exchange(client, server);
    client.connection.send(0, bytes("secret"));
    const { bytes: sealed, sequence } = splitRecords(client.take()[0])[0];
    const [, clientRandom, masterSecret] = client.keyLog[0].split(" ");
    const keys = deriveKeys(fromHex(masterSecret), fromHex(clientRandom), serverRandom);
    const nonce = Buffer.concat([keys.client.salt, sealed.subarray(13, 21)]);
    const decipher = createDecipheriv("aes-128-gcm", keys.client.key, nonce);
    decipher.setAAD(Buffer.concat([sealed.subarray(3, 11), sealed.subarray(0, 3), Buffer.from([0, 6])]));
    decipher.setAuthTag(sealed.subarray(-16));
    expect(text(Buffer.concat([decipher.update(sealed.subarray(21, -16)), decipher.final()]))).toBe("secret");
    expect(sequence).toBe(1); // after Finished
  });

  it("are sealed in place by begin and commit, with room left in front unused", () => {
    const { client, server } = connectedPair();
    const at = client.connection.begin() + 100;
    client.datapath.memory.set(bytes("in place"), at);
    client.connection.commit(0, at, 8);
    expect(client.sent[0]).toHaveLength(8 + 37);
    exchange(client, server);
    expect(server.received).toEqual(["in place"]);
  });

  it("are read where they lie in the datapath's memory", () => {
    const { client, server } = connectedPair();
    client.connection.send(0, bytes("in place"));
    const [datagram] = client.take();
    const { memory, rxOffset } = server.datapath;
    memory.set(datagram, rxOffset + 3);
    server.connection.handleDatagram(0, memory.subarray(rxOffset + 3, rxOffset + 3 + datagram.length));
    expect(server.received).toEqual(["in place"]);
  });

  it("may share a datagram, and a bad one among them is dropped alone", () => {
    const { client, server } = connectedPair();
    for (const message of ["one", "two", "three"]) client.connection.send(0, bytes(message));
    const [one, two, three] = client.take();
    two[two.length - 1] ^= 1;
    server.connection.handleDatagram(0, Buffer.concat([one, two, three]));
    expect(server.received).toEqual(["one", "three"]);
    expect(server.drops.get("dtls-bad-record")).toBe(1);
  });

  it("are taken once, in any order", () => {
    const { client, server } = connectedPair();
    for (const message of ["one", "two", "three"]) client.connection.send(0, bytes(message));
    const [one, two, three] = client.take();
    for (const datagram of [three, one, three, two, one]) server.connection.handleDatagram(0, datagram);
    expect(server.received).toEqual(["three", "one", "two"]);
    expect(server.drops.get("dtls-replayed")).toBe(2);
  });

  it("do not move the replay window unless they are authentic", () => {
    const { client, server } = connectedPair();
    client.connection.send(0, bytes("one"));
    const [one] = client.take();
    const forged = Uint8Array.from(one);
    forged[8] = 0xff; // a sequence number far ahead
    server.connection.handleDatagram(0, forged);
    server.connection.handleDatagram(0, one);
    expect(server.received).toEqual(["one"]);
    expect(server.drops.get("dtls-bad-record")).toBe(1);
  });

  it("of an unknown epoch, of no known type or cut off are dropped and counted", () => {
    const { client, server } = connectedPair();
    client.connection.send(0, bytes("one"));
    const [one] = client.take();
    server.connection.handleDatagram(0, record(23, new Uint8Array(40), 0, 2));
    expect(server.drops.get("dtls-unknown-epoch")).toBe(1);
    server.connection.handleDatagram(0, record(99, new Uint8Array(40)));
    server.connection.handleDatagram(0, record(23, new Uint8Array(40)));
    expect(server.drops.get("dtls-unexpected")).toBe(2);
    for (let length = 1; length < one.length; length++) server.connection.handleDatagram(0, one.subarray(0, length));
    expect(server.drops.get("dtls-malformed")).toBe(one.length - 1);
    server.connection.handleDatagram(0, new Uint8Array(0));
    server.connection.handleDatagram(0, one);
    expect(server.received).toEqual(["one"]);
  });

  it("that are shorter than a tag are dropped", () => {
    const { server } = connectedPair();
    for (let length = 0; length < 24; length++) {
      server.connection.handleDatagram(0, record(23, new Uint8Array(length), 9, 1));
    }
    expect(server.drops.get("dtls-bad-record")).toBe(24);
    expect(server.connection.state).toBe("connected");
  });

  it("end the connection before their numbers do", () => {
    const { client, server } = connectedPair({ maxRecords: 3 });
    expect(client.connection.send(0, bytes("one"))).toBe(true);
    expect(client.connection.send(0, bytes("two"))).toBe(true);
    expect(client.connection.send(0, bytes("three"))).toBe(false); // Finished was the first
    expect(client.closedWith).toEqual({ cause: "exhausted" });
    exchange(client, server);
    expect(server.received).toEqual(["one", "two"]);
    expect(server.closedWith).toEqual({ cause: "peer" });
  });
});

describe("a connected server", () => {
  it("is not disturbed by a ClientHello, an alert or a ChangeCipherSpec that anybody could send", () => {
    const { client, server } = connectedPair();
    server.connection.handleDatagram(0, clientHello());
    server.connection.handleDatagram(0, record(21, Uint8Array.of(2, 40)));
    server.connection.handleDatagram(0, record(21, Uint8Array.of(1, 0)));
    server.connection.handleDatagram(0, record(20, Uint8Array.of(1)));
    expect(server.sent).toHaveLength(0);
    expect(server.drops.get("dtls-unexpected")).toBe(4);
    client.connection.send(0, bytes("still here"));
    exchange(client, server);
    expect(server.received).toEqual(["still here"]);
  });
});

describe("closing", () => {
  it("sends close_notify, which is answered, and ends both sides once", () => {
    const { client, server } = connectedPair();
    client.connection.close(0);
    client.connection.close(0);
    expect(client.sent).toHaveLength(1);
    expect(client.closedWith).toEqual({ cause: "local" });
    exchange(client, server);
    expect(server.closedWith).toEqual({ cause: "peer" });
    expect(client.connection.send(0, bytes("late"))).toBe(false);
    expect(server.connection.nextDeadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("gives all key slots back, wiped", () => {
    const datapath = new Datapath({ keySlots: 4 });
    const before = datapath.freeKeySlots;
    const { client, server } = connectedPair({ datapath }, { datapath: new Datapath({ keySlots: 4 }) });
    expect(datapath.freeKeySlots).toBe(before - 2);
    client.connection.close(0);
    exchange(client, server);
    expect(datapath.freeKeySlots).toBe(before);
    expect(server.datapath.freeKeySlots).toBe(4);
  });

  it("says nothing where nothing was said before", () => {
    const server = new Party({ role: "server" });
    server.connection.close(0);
    expect(server.sent).toHaveLength(0);
    expect(server.closedWith).toEqual({ cause: "local" });
    server.connection.handleDatagram(0, clientHello());
    server.connection.handleTimeout(1e9);
    expect(server.sent).toHaveLength(0);
  });

  it("may happen inside any event", () => {
    for (const role of ["client", "server"] as const) {
      const client = new Party({ role: "client" });
      const server = new Party({ role: "server" });
      const closing = role === "client" ? client : server;
      closing.onConnected = () => closing.connection.close(0);
      client.connection.start(0);
      exchange(client, server);
      expect(closing.closedWith).toEqual({ cause: "local" });
      expect(client.connection.state).toBe("closed");
      expect(server.connection.state).toBe("closed");
    }
  });

  it("follows a fatal alert of the peer, protected or, before any keys, in the clear", () => {
    const server = new Party({ role: "server" });
    server.connection.handleDatagram(0, clientHello());
    server.connection.handleDatagram(0, record(21, Uint8Array.of(1, 90))); // a warning
    expect(server.closedWith).toBeUndefined();
    server.connection.handleDatagram(0, record(21, Uint8Array.of(2, 47)));
    expect(server.closedWith).toEqual({ cause: "peer-alert", alert: 47 });
  });
});

describe("options", () => {
  const datapath = new Datapath({ keySlots: 1 });
  const options = {
    role: "server",
    certificate: SERVER_CERTIFICATE,
    verifyPeerCertificate: () => true,
    datapath,
  } as const;
  const events = { transmit: () => {}, applicationData: () => {}, connected: () => {}, closed: () => {} };

  it("outside their limits are refused by name", () => {
    const cases = [
      { role: "both" as "server" },
      { mtuBytes: 127 },
      { mtuBytes: 2049 },
      { mtuBytes: 200.5 },
      { initialTimeoutMs: 0 },
      { initialTimeoutMs: Number.NaN },
      { handshakeTimeoutMs: 0 },
      { maxRecords: 0 },
    ];
    for (const wrong of cases) {
      const [name] = Object.keys(wrong);
      expect(() => new DtlsConnection({ ...options, ...wrong }, events)).toThrow(new RegExp(name));
    }
  });

  it("bound what send takes", () => {
    const { client } = connectedPair();
    const { maxPlaintextBytes } = client.connection;
    expect(client.connection.send(0, new Uint8Array(maxPlaintextBytes + 1))).toBe(false);
    expect(client.connection.send(0, new Uint8Array(maxPlaintextBytes))).toBe(true);
  });

  it("with too few key slots end the handshake with internal_error, not with an exception", () => {
    const { client, server } = connectedPair({}, { datapath: new Datapath({ keySlots: 1 }) });
    expect(server.closedWith).toEqual({ cause: "alert", alert: 80 });
    expect(client.closedWith).toEqual({ cause: "peer-alert", alert: 80 });
    expect(server.datapath.freeKeySlots).toBe(1);
  });
});
