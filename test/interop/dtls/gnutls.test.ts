import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../../src/wire/bytes.ts";
import { findCommand } from "../../support/commands.ts";
import { CertificateFiles, Program } from "./program.ts";
import { freePort, UdpPeer } from "./udp-peer.ts";

const PRIORITY = "NORMAL:-VERS-ALL:+VERS-DTLS1.2";

let files: CertificateFiles;
const running: { stop(): Promise<void> }[] = [];

beforeAll(() => {
  files = new CertificateFiles(findCommand(["openssl"]));
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});
afterAll(() => files?.remove());

function program(command: string, ...args: string[]): Program {
  const own = ["--udp", "--x509certfile", files.certificate, "--x509keyfile", files.key, "--priority", PRIORITY];
  const started = new Program(findCommand([command]), [...own, ...args]);
  running.push(started);
  return started;
}

async function ourServer(options: Parameters<typeof UdpPeer.server>[0] = {}): Promise<UdpPeer> {
  const peer = await UdpPeer.server(options);
  running.push(peer);
  return peer;
}

function theirClient(port: number, ...more: string[]): Program {
  return program("gnutls-cli", "--insecure", "-p", `${port}`, ...more, "127.0.0.1");
}

describe("gnutls-cli against our server", () => {
  it("completes a handshake with both certificates and exchanges data", async () => {
    const server = await ourServer();
    const client = theirClient(server.port);
    await server.connected();
    expect(toHex(server.peerCertificate!)).toBe(toHex(files.der));
    await client.wrote("Simple Client Mode");
    client.write("hello from gnutls\n");
    await server.data("hello from gnutls");
    server.send("hello from us\n");
    await client.wrote("hello from us");
    expect(client.text).toContain("(DTLS1.2-X.509)-(ECDHE-X25519)-(ECDSA-SHA256)-(AES-128-GCM)");
    expect(client.text).toMatch(/Options:.*extended master secret/);
  });

  it("connects with a small MTU on both sides", async () => {
    const server = await ourServer({ mtuBytes: 256 });
    const client = theirClient(server.port, "--mtu", "284");
    await server.connected();
    expect(Math.max(...server.sentLengths)).toBeLessThanOrEqual(256);
    await client.wrote("Simple Client Mode");
    client.write("hello from gnutls\n");
    await server.data("hello from gnutls");
  });

  it("connects where our flight is lost six times in a row", async () => {
    const server = await ourServer({ initialTimeoutMs: 20 });
    server.flightsToLose = 6;
    theirClient(server.port);
    await server.connected();
  });

  it("repeats its hello with our cookie where we ask for one", async () => {
    const helloVerify = { secret: new Uint8Array(32).fill(7), peer: Uint8Array.of(127, 0, 0, 1) };
    const server = await ourServer({ helloVerify });
    theirClient(server.port);
    await server.connected();
  });
});

describe("our client against gnutls-serv", () => {
  /** Starts `gnutls-serv`, which always asks for a cookie, and connects. */
  async function connect(
    { flightsToLose = 0, ...clientOptions }: Parameters<typeof UdpPeer.client>[1] & { flightsToLose?: number },
    ...more: string[]
  ) {
    const port = await freePort();
    const server = program("gnutls-serv", "-p", `${port}`, "--echo", ...more);
    await server.wrote(/listening on IPv4 0\.0\.0\.0 port \d+\.\.\.done/);
    const client = await UdpPeer.client(port, clientOptions);
    running.push(client);
    client.flightsToLose = flightsToLose;
    client.start();
    await client.connected();
    return { client, server };
  }

  it("connects where its last flight is lost six times in a row", async () => {
    const { client } = await connect({ initialTimeoutMs: 20, flightsToLose: 6 }, "--require-client-cert");
    client.send("hello from us\n");
    await client.data("hello from us");
  });

  it("completes a handshake with both certificates and exchanges data", async () => {
    const { client, server } = await connect({}, "--require-client-cert");
    client.send("hello from us\n");
    await client.data("hello from us");
    await server.wrote("hello from us");
  });

  it("connects with a small MTU on both sides", async () => {
    const { client } = await connect({ mtuBytes: 256 }, "--require-client-cert", "--mtu", "284");
    expect(Math.max(...client.sentLengths)).toBeLessThanOrEqual(256);
    client.send("hello from us\n");
    await client.data("hello from us");
  });
});
