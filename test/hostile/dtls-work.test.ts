import { expect, test } from "vitest";
import type { Certificate } from "../../src/dtls/certificate.ts";
import type { DtlsVersion } from "../../src/dtls/connection.ts";
import { Random } from "../sim/random.ts";
import { Party, SERVER_CERTIFICATE } from "../unit/dtls/support.ts";

const X25519 = 0x001d;
const SECP256R1 = 0x0017;
const BOTH: readonly DtlsVersion[] = ["1.3", "1.2"];

/** ClientHellos of many clients: of either version and both, with a key that the server takes, and with one it has to ask for. */
const HELLOS = Array.from({ length: 24 }, (_, i) => {
  const versions: readonly DtlsVersion[] = [BOTH, ["1.2"], ["1.3"]][i % 3] as readonly DtlsVersion[];
  const client = new Party({ role: "client", versions, groups: i % 2 === 0 ? [X25519] : [SECP256R1, X25519] });
  client.connection.start(0);
  return client.take()[0];
});

/** The hello as a message with another number. */
function numbered(hello: Uint8Array, sequence: number): Uint8Array {
  const copy = hello.slice();
  copy[10] = sequence;
  copy[18] = sequence;
  return copy;
}

function newServer(versions: readonly DtlsVersion[], cookie: boolean) {
  const counts = { signatures: 0 };
  const certificate = {
    der: SERVER_CERTIFICATE.der,
    sign(data: Uint8Array) {
      counts.signatures++;
      return SERVER_CERTIFICATE.sign(data);
    },
  } as Certificate;
  const helloVerify = cookie ? { helloVerify: { secret: new Uint8Array(32), peer: new Uint8Array(6) } } : {};
  return { counts, server: new Party({ role: "server", versions, groups: [X25519], certificate, ...helloVerify }) };
}

test("a session signs once before its client has proven anything, whatever hellos come and how often", () => {
  let signed = 0;
  for (let trial = 0; trial < 300; trial++) {
    const random = new Random(`hellos ${trial}`);
    const { server, counts } = newServer([BOTH, ["1.2"], ["1.3"]][trial % 3] as readonly DtlsVersion[], false);
    for (let i = 0, now = 0; i < 40; i++, now += random.below(200)) {
      const hello = numbered(HELLOS[random.below(HELLOS.length)], random.below(4));
      server.connection.handleDatagram(now, hello);
      if (random.chance(0.2)) server.connection.handleTimeout(now);
    }
    expect(counts.signatures, random.seed).toBeLessThanOrEqual(1);
    signed += counts.signatures;
    server.connection.close(1e6);
  }
  expect(signed).toBeGreaterThan(100);
});

test("a session that asks for cookies signs nothing before one has come back", () => {
  for (let trial = 0; trial < 60; trial++) {
    const random = new Random(`cookies ${trial}`);
    const { server, counts } = newServer([BOTH, ["1.2"], ["1.3"]][trial % 3] as readonly DtlsVersion[], true);
    for (let i = 0; i < 40; i++) {
      server.connection.handleDatagram(i, numbered(HELLOS[random.below(HELLOS.length)], random.below(4)));
    }
    expect(counts.signatures, random.seed).toBe(0);
    server.connection.close(1e6);
  }
});

test("the same hello again has the same flight sent again, which is not signed anew", () => {
  for (const versions of [["1.2"], ["1.3"]] as const) {
    const { server, counts } = newServer(versions, false);
    const hello = HELLOS[versions[0] === "1.2" ? 4 : 2];
    let datagrams = 0;
    for (let i = 0; i < 20; i++) {
      server.connection.handleDatagram(100 * i, hello);
      datagrams += server.take().length;
    }
    expect(datagrams).toBeGreaterThanOrEqual(20);
    expect(counts.signatures).toBe(1);
    server.connection.close(1e6);
  }
});
