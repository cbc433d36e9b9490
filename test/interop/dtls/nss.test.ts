import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { randomBytes } from "../../../src/crypto/platform.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import { buildPeer } from "./nss/build.ts";
import { Program } from "./program.ts";
import { UdpPeer } from "./udp-peer.ts";

const X25519 = 0x001d;
const SECP256R1 = 0x0017;

let peer: string;
let folder: string;
let database: string;
let certificate: Uint8Array;
const running: { stop(): Promise<void> }[] = [];

beforeAll(() => {
  peer = buildPeer();
  folder = mkdtempSync(join(tmpdir(), "nss-database-"));
  database = `sql:${folder}`;
  const noise = join(folder, "noise");
  writeFileSync(noise, randomBytes(64));
  const certutil = (...args: string[]) => execFileSync("certutil", [...args, "-d", database], { stdio: "pipe" });
  certutil("-N", "--empty-password");
  certutil("-S", "-x", "-k", "ec", "-q", "nistp256", "-n", "peer", "-s", "CN=theirs", "-t", ",,", "-z", noise);
  certificate = certutil("-L", "-n", "peer", "-r");
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function program(...args: string[]): Program {
  const started = new Program(peer, [database, ...args]);
  running.push(started);
  return started;
}

type Options = Parameters<typeof UdpPeer.server>[0];

async function nssClient(options: Options = {}, group?: number) {
  const server = await UdpPeer.server({ versions: ["1.3"], ...options });
  running.push(server);
  const client = program("client", `${server.port}`, ...(group === undefined ? [] : [`${group}`]));
  await server.connected();
  return { ours: server, theirs: client };
}

async function nssServer(options: Options = {}, group?: number) {
  const server = program("server", ...(group === undefined ? [] : [`${group}`]));
  await server.wrote(/port \d+\n/);
  const client = await UdpPeer.client(Number(/port (\d+)/.exec(server.text)?.[1]), { versions: ["1.3"], ...options });
  running.push(client);
  client.start();
  await client.connected();
  return { ours: client, theirs: server };
}

describe.each([
  ["an NSS client and our server", nssClient],
  ["our client and an NSS server", nssServer],
])("%s", (_who, connect) => {
  it("complete a handshake of DTLS 1.3 with both certificates, exchange data and part", async () => {
    const { ours, theirs } = await connect();
    expect(toHex(ours.peerCertificate!)).toBe(toHex(certificate));
    expect(ours.connection.version).toBe("1.3");
    ours.send("hello from us\n");
    await theirs.wrote("data hello from us");
    expect(theirs.text).toContain("connected 0x0304 0x1301 0x11ec");
    theirs.write("hello from nss\n");
    await ours.data("hello from nss");
    ours.connection.close(performance.now());
    await theirs.wrote("closed");
  });

  it("change keys", async () => {
    const { ours, theirs } = await connect();
    for (const request of [false, true]) {
      ours.connection.updateKey(performance.now(), request);
      theirs.write(`before ${request}\n`);
      await ours.data(`before ${request}`);
      ours.send(`after ${request}\n`);
      await theirs.wrote(`data after ${request}`);
      theirs.write(`after ${request}\n`);
      await ours.data(`after ${request}`);
    }
  });

  it("connect in small datagrams", async () => {
    const { ours, theirs } = await connect({ mtuBytes: 256 });
    expect(Math.max(...ours.sentLengths)).toBeLessThanOrEqual(256);
    theirs.write("hello from nss\n");
    await ours.data("hello from nss");
  });
});

it("an NSS client repeats its hello for a group that we have, and with our cookie", async () => {
  const helloVerify = { secret: new Uint8Array(32).fill(7), peer: Uint8Array.of(127, 0, 0, 1) };
  await nssClient({ helloVerify });
  const { ours } = await nssClient({ groups: [SECP256R1] });
  expect(ours.connection.group).toBe(SECP256R1);
});

it("our client repeats its hello for a group that the NSS server has", async () => {
  const { ours } = await nssServer({ groups: [X25519, SECP256R1] }, SECP256R1);
  expect(ours.connection.group).toBe(SECP256R1);
});
