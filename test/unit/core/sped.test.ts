import { expect, test } from "vitest";
import { Endpoint } from "../../../src/core/server-endpoint.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { DtlsConnection } from "../../../src/dtls/connection.ts";
import { crc32 } from "../../../src/ice/crc32.ts";
import {
  attributeValue,
  META_DTLS_IN_STUN,
  META_DTLS_IN_STUN_ACK,
  parseStun,
  type StunAttribute,
  type StunMessage,
} from "../../../src/ice/stun.ts";
import { writeBindingRequest } from "../../../src/ice/stun-write.ts";
import { DEFAULT_ASSOCIATION_LIMITS, DEFAULT_ENDPOINT_LIMITS } from "../../../src/limits.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { Random } from "../../sim/random.ts";
import { ScriptedPage, ScriptedServer } from "./support/scripted-page.ts";

const SOURCE = { address: "198.51.100.1", port: 50_000 };
const certificate = Certificate.generate();
const clientCertificate = Certificate.generate();
const limits = {
  ...DEFAULT_ENDPOINT_LIMITS,
  ...DEFAULT_ASSOCIATION_LIMITS,
  maxConnections: 4,
  maxHandshakes: 4,
};

/** A server with one session, and a client's DTLS beside it. */
function scene(sped: boolean) {
  const random = new Random("sped").bytes;
  const sent: Uint8Array[] = [];
  const endpoint = new Endpoint(
    { certificate, limits, random },
    { transmit: (datagram) => sent.push(datagram.slice()), opened() {}, message() {}, closed() {} },
  );
  const { fingerprintBytes: fingerprint } = clientCertificate;
  const session = endpoint.createSession(0, { ufrag: "page", fingerprint, sctpPort: 5000, maxMessageBytes: 0, sped })!;
  const flight: Uint8Array[] = [];
  const client = new DtlsConnection(
    {
      role: "client",
      certificate: clientCertificate,
      datapath: new Datapath({ keySlots: 4 }),
      versions: ["1.3"],
      mtuBytes: 900,
      random,
      verifyPeerCertificate: () => true,
    },
    { transmit: (datagram) => flight.push(datagram.slice()), applicationData() {}, connected() {}, closed() {} },
  );
  const check = (now: number, extra: StunAttribute[]): StunMessage => {
    const request = writeBindingRequest({
      transactionId: random(12),
      username: `${session.localUfrag}:page`,
      key: new TextEncoder().encode(session.localPwd),
      priority: 1,
      tieBreaker: random(8),
      role: "controlling",
      useCandidate: false,
      extra,
    });
    sent.length = 0;
    endpoint.handleDatagram(now, SOURCE, request);
    const answer = parseStun(sent[0]);
    if (typeof answer === "string") throw new Error(answer);
    return answer;
  };
  return { endpoint, session, client, flight, sent, check };
}

const carried = (value: Uint8Array): StunAttribute => ({ type: META_DTLS_IN_STUN, value });

function checksums(...datagrams: Uint8Array[]): Uint8Array {
  const value = new DataView(new ArrayBuffer(4 * datagrams.length));
  for (const [i, datagram] of datagrams.entries()) value.setUint32(4 * i, crc32(datagram));
  return new Uint8Array(value.buffer);
}

test("a ClientHello in two checks is answered in the second one's answer, and what does not fit follows it", () => {
  const { endpoint, session, client, flight, sent, check } = scene(true);
  client.start(0);
  const [first, second, third] = flight.splice(0);
  expect(third).toBeUndefined();

  const halfway = check(0, [carried(first)]);
  expect(attributeValue(halfway, META_DTLS_IN_STUN)).toBeUndefined();
  expect(attributeValue(halfway, META_DTLS_IN_STUN_ACK)).toEqual(checksums(first));
  // A repetition is acknowledged once.
  expect(attributeValue(check(20, [carried(first)]), META_DTLS_IN_STUN_ACK)).toEqual(checksums(first));

  const answer = check(50, [carried(second)]);
  expect(attributeValue(answer, META_DTLS_IN_STUN_ACK)).toEqual(checksums(first, second));
  const serverHello = attributeValue(answer, META_DTLS_IN_STUN)!;
  expect(sent.length).toBeGreaterThan(1);
  for (const datagram of sent) expect(datagram.length).toBeLessThanOrEqual(limits.mtuBytes);
  // What the answer carried does not come again.
  expect(sent.slice(1)).not.toContainEqual(serverHello);

  client.handleDatagram(60, serverHello);
  for (const datagram of sent.slice(1)) client.handleDatagram(60, datagram);
  expect(client.state).toBe("connected");
  // The client's last flight may come either way.
  for (const datagram of flight.splice(0)) check(70, [carried(datagram)]);
  expect(session.connection?.dtls?.state).toBe("connected");
  // Nobody asks any more for what the offer said.
  expect(session.remote).toBeUndefined();
  expect([...endpoint.connections()]).toHaveLength(1);
});

test("who announced nothing, or says nothing of it in a check, is answered as ever", () => {
  const { client, flight, sent, check } = scene(false);
  client.start(0);
  expect(attributeValue(check(0, [carried(flight[0])]), META_DTLS_IN_STUN_ACK)).toBeUndefined();
  expect(sent).toHaveLength(1);
  expect(attributeValue(scene(true).check(0, []), META_DTLS_IN_STUN_ACK)).toBeUndefined();
});

test("rubbish in place of DTLS is answered as a check is, and the handshake still succeeds", () => {
  const { session, client, flight, sent, check } = scene(true);
  const { bytes } = new Random("rubbish");
  for (let length = 0; length < 600; length += 7) {
    const answer = check(0, [carried(bytes(length)), { type: META_DTLS_IN_STUN_ACK, value: bytes(length % 40) }]);
    expect(attributeValue(answer, META_DTLS_IN_STUN_ACK)!.length).toBeLessThanOrEqual(16);
    expect(sent).toHaveLength(1);
  }
  client.start(1_000);
  for (const datagram of flight.splice(0)) {
    const carriedBack = attributeValue(check(1_000, [carried(datagram)]), META_DTLS_IN_STUN);
    if (carriedBack !== undefined) client.handleDatagram(1_000, carriedBack);
    for (const rest of sent.slice(1)) client.handleDatagram(1_000, rest);
  }
  for (const datagram of flight.splice(0)) check(1_000, [carried(datagram)]);
  expect(session.connection?.dtls?.state).toBe("connected");
});

test("what answers carry counts as sent to an address at which nothing has been heard yet", () => {
  const server = new ScriptedServer("limited");
  const page = new ScriptedPage(server, true);
  page.dtls.start(server.now);
  const [hello] = page.outbox;
  const ROUNDS = 100;
  let bytesIn = 0;
  for (let round = 0; round < ROUNDS; round++) {
    server.runUntil(100 * round);
    bytesIn += page.check(SOURCE, true, [carried(hello)]);
    expect(server.allBytesTo(SOURCE)).toBeLessThanOrEqual(3 * bytesIn + 128);
  }
  // The limit is made use of.
  expect(server.allBytesTo(SOURCE)).toBeGreaterThan(2.5 * bytesIn);
  expect(server.endpoint.drops.get("address-unproven")).toBeGreaterThan(0);
});
