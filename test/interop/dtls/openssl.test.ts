import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../../src/wire/bytes.ts";
import { findCommand } from "../../support/commands.ts";
import { CertificateFiles, type CertificateKind, Program } from "./program.ts";
import { freePort, UdpPeer } from "./udp-peer.ts";

let openssl: string;
let files: CertificateFiles;
const running: { stop(): Promise<void> }[] = [];

beforeAll(() => {
  openssl = findCommand(["openssl"]);
  files = new CertificateFiles(openssl);
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});
afterAll(() => files?.remove());

/** Certificates of other kinds, made when they are first asked for. */
const filesByKind = new Map<CertificateKind, CertificateFiles>();
afterAll(() => {
  for (const others of filesByKind.values()) others.remove();
});

function filesOf(kind: CertificateKind): CertificateFiles {
  const known = filesByKind.get(kind) ?? new CertificateFiles(openssl, kind);
  filesByKind.set(kind, known);
  return known;
}

function program(...args: string[]): Program {
  const started = new Program(openssl, args);
  running.push(started);
  return started;
}

async function ourServer(options: Parameters<typeof UdpPeer.server>[0] = {}): Promise<UdpPeer> {
  const peer = await UdpPeer.server(options);
  running.push(peer);
  return peer;
}

function clientArguments(port: number, ...more: string[]): string[] {
  return clientArgumentsWith(files, port, ...more);
}

function clientArgumentsWith({ certificate, key }: CertificateFiles, port: number, ...more: string[]): string[] {
  const own = ["-cert", certificate, "-key", key];
  return ["s_client", "-dtls1_2", "-connect", `127.0.0.1:${port}`, ...own, ...more];
}

/** Starts `openssl s_server` and waits until it listens. */
async function theirServer(...more: string[]): Promise<number> {
  return theirServerWith(files, ...more);
}

async function theirServerWith({ certificate, key }: CertificateFiles, ...more: string[]): Promise<number> {
  const port = await freePort();
  const own = ["-cert", certificate, "-key", key];
  theirs = program("s_server", "-dtls1_2", "-accept", `127.0.0.1:${port}`, ...own, ...more);
  await theirs.wrote("ACCEPT");
  return port;
}
let theirs: Program;

async function ourClient(
  port: number,
  { flightsToLose = 0, ...options }: Parameters<typeof UdpPeer.client>[1] & { flightsToLose?: number } = {},
): Promise<UdpPeer> {
  const peer = await UdpPeer.client(port, options);
  peer.flightsToLose = flightsToLose;
  running.push(peer);
  peer.start();
  return peer;
}

describe("openssl s_client against our server", () => {
  it("completes a handshake with both certificates and exchanges data", async () => {
    const server = await ourServer();
    const client = program(...clientArguments(server.port));
    await server.connected();
    expect(toHex(server.peerCertificate!)).toBe(toHex(files.der));
    client.write("hello from openssl\n");
    await server.data("hello from openssl");
    server.send("hello from us\n");
    await client.wrote("hello from us");
    expect(client.text).toContain("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256");
    expect(client.text).toContain("Extended master secret: yes");
    expect(client.text).toContain("Server Temp Key: X25519");
  });

  it("agrees on P-256 when that is all it offers", async () => {
    const server = await ourServer();
    const client = program(...clientArguments(server.port, "-groups", "P-256"));
    await server.connected();
    server.send("hello from us\n");
    await client.wrote("hello from us");
    expect(server.connection.group).toBe(0x0017);
  });

  it("repeats its hello with our cookie where we ask for one", async () => {
    const helloVerify = { secret: new Uint8Array(32).fill(7), peer: Uint8Array.of(127, 0, 0, 1) };
    const server = await ourServer({ helloVerify });
    const client = program(...clientArguments(server.port));
    await server.connected();
    server.send("hello from us\n");
    await client.wrote("hello from us");
  });

  it("connects where our flight is lost six times in a row", async () => {
    const server = await ourServer({ initialTimeoutMs: 20 });
    server.flightsToLose = 6;
    program(...clientArguments(server.port));
    await server.connected();
  });

  it("connects with a small MTU on both sides", async () => {
    const server = await ourServer({ mtuBytes: 256 });
    const client = program(...clientArguments(server.port, "-mtu", "284"));
    await server.connected();
    expect(Math.max(...server.sentLengths)).toBeLessThanOrEqual(256);
    client.write("hello from openssl\n");
    await server.data("hello from openssl");
    server.send("hello from us\n");
    await client.wrote("hello from us");
  });

  it("derives the same keying material", async () => {
    const server = await ourServer();
    const client = program(...clientArguments(server.port, "-keymatexport", "EXPORTER-test", "-keymatexportlen", "24"));
    await server.connected();
    const material = toHex(server.connection.exportKeyingMaterial("EXPORTER-test", 24)!);
    await client.wrote(/Keying material: \w+/);
    expect(client.text.toLowerCase()).toContain(`keying material: ${material}`);
  });

  it("connects where it offers what Safari of 2022 is known to offer", async () => {
    const server = await ourServer();
    const suites =
      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:" +
      "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:" +
      "ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES128-SHA:AES256-SHA";
    const schemes =
      "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA384:RSA+SHA384:RSA-PSS+SHA512:RSA+SHA512:RSA+SHA1";
    const offer = ["-cipher", suites, "-groups", "X25519:P-256:P-384", "-sigalgs", schemes];
    const profiles = ["-use_srtp", "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM"];
    const client = program(...clientArguments(server.port, ...offer, ...profiles));
    await server.connected();
    client.write("hello from openssl\n");
    await server.data("hello from openssl");
    server.send("hello from us\n");
    await client.wrote("hello from us");
    expect(client.text).toContain("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256");
  });

  it("is refused with handshake_failure when it shows no certificate", async () => {
    const server = await ourServer();
    const client = program("s_client", "-dtls1_2", "-connect", `127.0.0.1:${server.port}`);
    expect(await server.closed()).toEqual({ cause: "alert", alert: 40 });
    await client.wrote("alert handshake failure");
  });

  it("connects without a certificate where the server does not ask for one", async () => {
    const server = await ourServer({ requireClientCertificate: false });
    const client = program("s_client", "-dtls1_2", "-connect", `127.0.0.1:${server.port}`);
    await server.connected();
    server.send("hello from us\n");
    await client.wrote("hello from us");
  });

  it.each<CertificateKind>(["RSA 2048", "RSA 3072", "RSA 4096", "P-384", "Ed25519"])(
    "connects with a certificate for %s",
    async (kind) => {
      const server = await ourServer();
      const client = program(...clientArgumentsWith(filesOf(kind), server.port));
      await server.connected();
      expect(toHex(server.peerCertificate!)).toBe(toHex(filesOf(kind).der));
      server.send("hello from us\n");
      await client.wrote("hello from us");
    },
  );

  it.each(["RSA+SHA256", "RSA+SHA384", "RSA+SHA512", "RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512"])(
    "connects with an RSA certificate and a signature by %s",
    async (scheme) => {
      const server = await ourServer();
      // Our own certificate is ECDSA, so the client must take that, too.
      const schemes = ["-sigalgs", `ECDSA+SHA256:${scheme}`, "-client_sigalgs", scheme];
      const client = program(...clientArgumentsWith(filesOf("RSA 2048"), server.port, ...schemes));
      await server.connected();
      server.send("hello from us\n");
      await client.wrote("hello from us");
    },
  );

  it.each<CertificateKind>(["RSA 1024", "P-521"])(
    "is refused with unsupported_certificate when its certificate is for %s",
    async (kind) => {
      const server = await ourServer();
      const anyStrength = ["-cipher", "DEFAULT:@SECLEVEL=0", "-sigalgs", "ECDSA+SHA256:ECDSA+SHA512:RSA+SHA256"];
      const client = program(...clientArgumentsWith(filesOf(kind), server.port, ...anyStrength));
      expect(await server.closed()).toEqual({ cause: "alert", alert: 43 });
      await client.wrote("alert unsupported certificate");
    },
  );

  it("is refused with bad_certificate when the fingerprint is another one", async () => {
    const server = await ourServer({ verifyPeerCertificate: () => false });
    const client = program(...clientArguments(server.port));
    expect(await server.closed()).toEqual({ cause: "alert", alert: 42 });
    await client.wrote("alert bad certificate");
  });

  it("is refused with handshake_failure without our cipher suite or our signature scheme", async () => {
    for (const offer of [
      ["-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
      ["-sigalgs", "RSA-PSS+SHA256"],
    ]) {
      const server = await ourServer();
      const client = program(...clientArguments(server.port, ...offer));
      expect(await server.closed()).toEqual({ cause: "alert", alert: 40 });
      await client.wrote("alert handshake failure");
    }
  });

  it("is refused with protocol_version when it only speaks DTLS 1.0", async () => {
    const server = await ourServer();
    const own = ["-cert", files.certificate, "-key", files.key, "-cipher", "ALL:@SECLEVEL=0"];
    program("s_client", "-dtls1", "-connect", `127.0.0.1:${server.port}`, ...own);
    expect(await server.closed()).toEqual({ cause: "alert", alert: 70 });
  });

  it("asks for a renegotiation, which we refuse without ending the connection ourselves", async () => {
    const server = await ourServer();
    const client = program(...clientArguments(server.port));
    await server.connected();
    client.write("R\n");
    await client.wrote("RENEGOTIATING");
    await client.wrote("no renegotiation");
    // openssl itself gives up then, and says so with an alert.
    expect((await server.closed()).cause).toBe("peer-alert");
  });

  it("ends with its close_notify, and ours ends it", async () => {
    const server = await ourServer();
    const client = program(...clientArguments(server.port));
    await server.connected();
    client.write("Q\n");
    expect(await server.closed()).toEqual({ cause: "peer" });

    const second = await ourServer();
    const other = program(...clientArguments(second.port));
    await second.connected();
    second.connection.close(performance.now());
    await other.wrote(/closed|CLOSED|DONE/);
  });
});

describe("our client against openssl s_server", () => {
  it("completes a handshake with both certificates and exchanges data", async () => {
    const client = await ourClient(await theirServer("-Verify", "1"));
    await client.connected();
    expect(toHex(client.peerCertificate!)).toBe(toHex(files.der));
    client.send("hello from us\n");
    await theirs.wrote("hello from us");
    theirs.write("hello from openssl\n");
    await client.data("hello from openssl");
    expect(theirs.text).toContain("CN = ours");
  });

  it("connects where its last flight is lost six times in a row", async () => {
    const client = await ourClient(await theirServer("-Verify", "1"), { initialTimeoutMs: 20, flightsToLose: 6 });
    await client.connected();
    client.send("hello from us\n");
    await theirs.wrote("hello from us");
  });

  it("answers a HelloVerifyRequest", async () => {
    const client = await ourClient(await theirServer("-Verify", "1", "-listen"));
    await client.connected();
    client.send("hello from us\n");
    await theirs.wrote("hello from us");
  });

  it("connects with a small MTU on both sides", async () => {
    const client = await ourClient(await theirServer("-Verify", "1", "-mtu", "284"), { mtuBytes: 256 });
    await client.connected();
    expect(Math.max(...client.sentLengths)).toBeLessThanOrEqual(256);
    client.send("hello from us\n");
    await theirs.wrote("hello from us");
  });

  it("sends no certificate where none is asked for", async () => {
    const client = await ourClient(await theirServer());
    await client.connected();
    client.send("hello from us\n");
    await theirs.wrote("hello from us");
  });

  it("agrees on P-256", async () => {
    const client = await ourClient(await theirServer("-Verify", "1", "-groups", "P-256"));
    await client.connected();
    expect(client.connection.group).toBe(0x0017);
  });

  it.each<CertificateKind>(["RSA 2048", "RSA 4096", "P-384"])("connects to a server with %s", async (kind) => {
    const client = await ourClient(await theirServerWith(filesOf(kind), "-Verify", "1"));
    await client.connected();
    expect(toHex(client.peerCertificate!)).toBe(toHex(filesOf(kind).der));
    expect(client.connection.cipherSuite).toBe(kind.startsWith("RSA") ? 0xc02f : 0xc02b);
    client.send("hello from us\n");
    await theirs.wrote("hello from us");
  });

  it("refuses a server with another fingerprint", async () => {
    const client = await ourClient(await theirServer(), { verifyPeerCertificate: () => false });
    expect(await client.closed()).toEqual({ cause: "alert", alert: 42 });
    await theirs.wrote("alert bad certificate");
  });
});
