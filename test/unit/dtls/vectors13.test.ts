import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readPublicKey, verifySignature } from "../../../src/crypto/platform.ts";
import { parseAck } from "../../../src/dtls/ack.ts";
import { subjectPublicKeyInfo } from "../../../src/dtls/certificate.ts";
import { parseKeyShare, parseKeyShares, parseNumber } from "../../../src/dtls/extensions.ts";
import { type HandshakeMessage, Reassembly } from "../../../src/dtls/reassembly.ts";
import { exportKeyingMaterial13, signedContent, verifyData13 } from "../../../src/dtls/keys13.ts";
import {
  parseCertificate13,
  parseCertificateRequest13,
  parseCertificateVerify,
  parseClientHello,
  parseEncryptedExtensions,
  parseServerHello,
} from "../../../src/dtls/messages.ts";
import { RecordLayer } from "../../../src/dtls/record.ts";
import { Transcript13 } from "../../../src/dtls/transcript13.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";
import { DropCounters } from "../../../src/wire/drops.ts";

interface Recording {
  readonly datagrams: { readonly from: "client" | "server"; readonly bytes: Uint8Array }[];
  readonly secrets: ReadonlyMap<string, Uint8Array>;
}

/** Recorded between the two browsers; the file says which is the client. */
function recording(name: string): Recording {
  const text = readFileSync(new URL(`../../fixtures/dtls/${name}.dtls13.txt`, import.meta.url), "utf8");
  const datagrams: Recording["datagrams"] = [];
  const secrets = new Map<string, Uint8Array>();
  for (const line of text.trim().split("\n")) {
    const [kind, first, , last] = line.split(" ");
    if (kind === "client" || kind === "server") datagrams.push({ from: kind, bytes: fromHex(first) });
    else if (kind === "secret") secrets.set(first, fromHex(last));
  }
  return { datagrams, secrets };
}

/** What one side sent, read with its secrets. */
class Listener {
  readonly messages: HandshakeMessage[] = [];
  readonly data: Uint8Array[] = [];
  readonly acks: unknown[] = [];
  readonly alerts: Uint8Array[] = [];
  readonly drops = new DropCounters();
  readonly #layer: RecordLayer;

  constructor(handshakeSecret: Uint8Array, applicationSecret: Uint8Array) {
    const datapath = new Datapath({ keySlots: 4 });
    const reassembly = new Reassembly();
    const events = {
      unreadable: () => expect.unreachable("a record of an unknown epoch"),
      refused: () => expect.unreachable("a record that is not allowed"),
      forgeryLimit: () => {},
      content: (_now: number, epoch: number, type: number, offset: number, length: number) => {
        const content = datapath.memory.slice(offset, offset + length);
        if (type === 22) reassembly.addRecord(epoch, content, (result) => expect(result).not.toHaveProperty("drop"));
        else if (type === 23) this.data.push(content);
        else if (type === 26) this.acks.push(parseAck(content));
        else if (type === 21) this.alerts.push(content);
        for (let message = reassembly.take(); message !== undefined; message = reassembly.take()) {
          this.messages.push(message);
        }
      },
    };
    this.#layer = new RecordLayer(datapath, 1200, this.drops, events, { transmit: () => {} });
    this.#layer.epochs.installRead13(2, handshakeSecret);
    this.#layer.epochs.installRead13(3, applicationSecret);
  }

  hear(datagram: Uint8Array): void {
    this.#layer.read(0, datagram);
  }

  one(type: number): HandshakeMessage {
    const found = this.messages.filter((message) => message.type === type);
    expect(found, `messages of type ${type}`).toHaveLength(1);
    return found[0];
  }
}

// In the first, Firefox is the client and Chromium the server; in the second it is the other way round.
describe.each(["chromium-to-firefox", "firefox-to-chromium"])("the recorded handshake %s", (name) => {
  const { datagrams, secrets } = recording(name);
  const secret = (label: string) => secrets.get(label)!;
  const client = new Listener(secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), secret("CLIENT_TRAFFIC_SECRET_0"));
  const server = new Listener(secret("SERVER_HANDSHAKE_TRAFFIC_SECRET"), secret("SERVER_TRAFFIC_SECRET_0"));
  for (const { from, bytes } of datagrams) (from === "client" ? client : server).hear(bytes);

  it("opens every record, whatever form its header has", () => {
    expect(client.drops.snapshot()).toEqual({});
    expect(server.drops.snapshot()).toEqual({});
    expect(client.data.length).toBeGreaterThan(4);
    expect(server.data.length).toBeGreaterThan(4);
    expect(client.messages.map(({ type, epoch }) => [type, epoch])).toEqual([
      [1, 0],
      [11, 2],
      [15, 2],
      [20, 2],
    ]);
    expect(server.messages.map(({ type, epoch }) => [type, epoch]).slice(0, 6)).toEqual([
      [2, 0],
      [8, 2],
      [13, 2],
      [11, 2],
      [15, 2],
      [20, 2],
    ]);
  });

  it("agrees on DTLS 1.3, X25519MLKEM768 and TLS_AES_128_GCM_SHA256", () => {
    const hello = parseServerHello(server.one(2).body)!;
    expect(parseNumber(hello.extensions.get(0x2b))).toBe(0xfefc);
    expect(hello.cipherSuite).toBe(0x1301);
    const share = parseKeyShare(hello.extensions.get(0x33)!)!;
    expect([share.group, share.publicKey.length]).toEqual([0x11ec, 1120]);
    const offered = parseKeyShares(parseClientHello(client.one(1).body)!.extensions.get(0x33)!)!;
    expect(offered.map(({ group, publicKey }) => [group, publicKey.length])).toEqual([
      [0x11ec, 1216],
      [0x001d, 32],
    ]);
    expect(parseEncryptedExtensions(server.one(8).body)).toBeDefined();
    expect(parseCertificateRequest13(server.one(13).body)?.extensions.has(0x0d)).toBe(true);
  });

  it("has the signatures and Finished messages that our transcript and key schedule expect", () => {
    const transcript = new Transcript13();
    transcript.add(client.one(1));
    for (const type of [2, 8, 13, 11]) transcript.add(server.one(type));
    const check = (sender: "client" | "server", listener: Listener) => {
      const key = subjectPublicKeyInfo(parseCertificate13(listener.one(11).body)!.der)!;
      const verify = parseCertificateVerify(listener.one(15).body)!;
      expect(verify.scheme).toBe(0x0403);
      const signed = signedContent(sender, transcript.hash());
      expect(verifySignature(readPublicKey(key)!, { hash: "sha256" }, signed, verify.signature)).toBe(true);
      transcript.add(listener.one(15));
      const handshakeSecret = secret(`${sender.toUpperCase()}_HANDSHAKE_TRAFFIC_SECRET`);
      expect(toHex(listener.one(20).body)).toBe(toHex(verifyData13(handshakeSecret, transcript.hash())));
      transcript.add(listener.one(20));
    };
    check("server", server);
    transcript.add(client.one(11));
    check("client", client);
  });

  it("acknowledges the client's last flight", () => {
    expect(server.acks.length).toBeGreaterThan(0);
    expect(server.acks[0]).toContainEqual({ epoch: 2, sequence: 0 });
    expect(exportKeyingMaterial13(secret("EXPORTER_SECRET"), "EXPORTER-test", 20)).toHaveLength(20);
  });
});
