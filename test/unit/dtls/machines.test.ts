import { describe, expect, it } from "vitest";
import type { HandshakeMessage } from "../../../src/dtls/reassembly.ts";
import type { DtlsVersion } from "../../../src/dtls/machine.ts";
import { CERTIFICATE_VERIFY, CLIENT_HELLO, FINISHED, SERVER_KEY_EXCHANGE } from "../../../src/dtls/messages.ts";
import { flip, run } from "./machine-side.ts";

const DECRYPT_ERROR = 51;

describe.each<DtlsVersion>(["1.2", "1.3"])("the state machines of DTLS %s", (version) => {
  it("complete a handshake with each other", () => {
    const { client, server } = run(version);
    expect([client.complete, server.complete]).toEqual([true, true]);
    expect([client.failure, server.failure]).toEqual([undefined, undefined]);
  });

  it.each(["client", "server"] as const)("refuse another Finished of the %s with decrypt_error", (liar) => {
    // Without a CertificateVerify that could notice something first.
    for (const requireClientCertificate of [true, false]) {
      for (const at of [0, 11]) {
        const lie = (message: HandshakeMessage, from: string) =>
          from === liar && message.type === FINISHED ? flip(message, at) : message;
        const { client, server } = run(version, lie, { requireClientCertificate });
        const victim = liar === "client" ? server : client;
        expect(victim.failure).toBe(DECRYPT_ERROR);
        expect(victim.complete).toBe(false);
      }
    }
  });

  it.each(["client", "server"] as const)("refuse a shorter Finished of the %s", (liar) => {
    const cut = (message: HandshakeMessage, from: string) =>
      from === liar && message.type === FINISHED ? { ...message, body: message.body.subarray(0, 4) } : message;
    const { client, server } = run(version, cut);
    expect((liar === "client" ? server : client).failure).toBe(DECRYPT_ERROR);
  });

  it.each(["client", "server"] as const)("refuse another signature of the %s with decrypt_error", (liar) => {
    const signed = version === "1.2" && liar === "server" ? SERVER_KEY_EXCHANGE : CERTIFICATE_VERIFY;
    const lie = (message: HandshakeMessage, from: string) =>
      from === liar && message.type === signed ? flip(message, message.body.length - 1) : message;
    const { client, server } = run(version, lie);
    expect((liar === "client" ? server : client).failure).toBe(DECRYPT_ERROR);
  });

  it("never both complete when any byte of any message was changed on the way", () => {
    const lengths: number[] = [];
    run(version, (message) => {
      lengths.push(message.body.length);
      return message;
    });
    for (const [index, length] of lengths.entries()) {
      // Each byte of short messages, some of long ones.
      const step = Math.max(1, Math.floor(length / 40));
      for (let at = 0; at < length; at += step) {
        let count = 0;
        let changed = false;
        const { client, server } = run(version, (message) => {
          // A signature has not always the same length.
          if (count++ !== index || at >= message.body.length) return message;
          changed = true;
          return flip(message, at);
        });
        if (changed) expect(client.complete && server.complete, `byte ${at} of message ${index}`).toBe(false);
      }
    }
  });

  it("take no message in another epoch than its own", () => {
    const types: [number, string][] = [];
    run(version, (message, from) => {
      types.push([message.type, from]);
      return message;
    });
    for (const [wrong, sender] of types) {
      if (wrong === CLIENT_HELLO) continue; // what epoch it may come in, the connection knows
      const { client, server } = run(version, (message, from) =>
        message.type === wrong && from === sender ? { ...message, epoch: message.epoch === 0 ? 1 : 0 } : message,
      );
      expect(client.complete && server.complete, `message ${wrong} of the ${sender}`).toBe(false);
    }
  });

  it("take no message out of turn, twice or left out", () => {
    const total = { count: 0 };
    run(version, (message) => {
      total.count++;
      return message;
    });
    for (let index = 1; index < total.count; index++) {
      let count = 0;
      let held: HandshakeMessage | undefined;
      const swap = (message: HandshakeMessage) => {
        // The message before stands in for this one.
        const replaced = count++ === index && held !== undefined ? held : message;
        held = message;
        return replaced;
      };
      const { client, server } = run(version, swap);
      expect(client.complete && server.complete, `message ${index}`).toBe(false);
    }
  });
});
