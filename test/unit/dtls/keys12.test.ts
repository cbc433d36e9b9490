import { describe, expect, it } from "vitest";
import { deriveKeys, exportKeyingMaterial12, prf, verifyData } from "../../../src/dtls/keys12.ts";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";

describe("the pseudorandom function of TLS 1.2", () => {
  it("gives the published SHA-256 vector", () => {
    // Published on the IETF TLS working group's list in 2009 as test vector for P_SHA256.
    const secret = fromHex("9bbe436ba940f017b17652849a71db35");
    const seed = fromHex("a0ba9f936cda311827a6f796ffd5198c");
    const expected =
      "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17" +
      "abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66";
    expect(toHex(prf(secret, "test label", seed, 100))).toBe(expected);
    for (const length of [1, 12, 31, 32, 33, 64]) {
      expect(toHex(prf(secret, "test label", seed, length))).toBe(expected.slice(0, 2 * length));
    }
  });

  it("cuts the key block in the order of RFC 5246 §6.3", () => {
    const secret = new Uint8Array(48).fill(1);
    const client = new Uint8Array(32).fill(2);
    const server = new Uint8Array(32).fill(3);
    const block = toHex(prf(secret, "key expansion", new Uint8Array([...server, ...client]), 40));
    const keys = deriveKeys(secret, client, server);
    expect([keys.client.key, keys.server.key, keys.client.salt, keys.server.salt].map(toHex).join("")).toBe(block);
    expect(keys.client.salt).toHaveLength(4);
  });

  it("gives different verify data for each side and transcript", () => {
    const secret = new Uint8Array(48).fill(1);
    const transcript = [Uint8Array.of(1), Uint8Array.of(2, 3)];
    expect(verifyData(secret, "client", transcript)).toHaveLength(12);
    expect(verifyData(secret, "client", transcript)).not.toEqual(verifyData(secret, "server", transcript));
    expect(verifyData(secret, "client", transcript)).toEqual(verifyData(secret, "client", [Uint8Array.of(1, 2, 3)]));
  });

  it("tells no context from an empty one in the exporter (RFC 5705 §4)", () => {
    const secret = new Uint8Array(48).fill(1);
    const random = new Uint8Array(32);
    const material = (context?: Uint8Array) =>
      toHex(exportKeyingMaterial12(secret, random, random, "EXPORTER-test", 32, context));
    expect(material()).not.toBe(material(new Uint8Array(0)));
    expect(material()).toBe(toHex(prf(secret, "EXPORTER-test", new Uint8Array(64), 32)));
    const seed = new Uint8Array([...new Uint8Array(64), 0, 2, 8, 9]);
    expect(material(Uint8Array.of(8, 9))).toBe(toHex(prf(secret, "EXPORTER-test", seed, 32)));
  });
});
