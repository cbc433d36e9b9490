import { describe, expect, it } from "vitest";
import type { FlightItem } from "../../../src/dtls/flight.ts";
import { ClientStart } from "../../../src/dtls/client-start.ts";
import type { HandshakeMessage } from "../../../src/dtls/handshake.ts";
import type {
  DtlsVersion,
  HandshakeHost,
  HandshakeMachine,
  HandshakeSettings,
  Outcome,
} from "../../../src/dtls/machine.ts";
import { CERTIFICATE_VERIFY, CLIENT_HELLO, FINISHED, SERVER_KEY_EXCHANGE } from "../../../src/dtls/messages.ts";
import { ServerStart } from "../../../src/dtls/server-start.ts";
import { CLIENT_CERTIFICATE, SERVER_CERTIFICATE } from "./support.ts";

const DECRYPT_ERROR = 51;

/** One side's state machine without records: messages go in and out as they are. */
class Side {
  machine: HandshakeMachine;
  readonly out: HandshakeMessage[] = [];
  complete = false;
  failure: Outcome;
  #sequence = 0;

  constructor(role: "client" | "server", version: DtlsVersion, settings: Partial<HandshakeSettings> = {}) {
    const host: HandshakeHost = {
      settings: {
        certificate: role === "client" ? CLIENT_CERTIFICATE : SERVER_CERTIFICATE,
        verifyPeerCertificate: () => true,
        requireClientCertificate: true,
        helloVerify: undefined,
        random: (length) => new Uint8Array(length).fill(role === "client" ? 1 : 2),
        versions: [version],
        groups: [0x001d],
        ...settings,
      },
      facts: { version: undefined, cipherSuite: undefined, group: undefined, peerCertificate: undefined },
      message: (type, body, epoch = 0) => ({ type, body, epoch, sequence: this.#sequence++ }),
      sendFlight: (items: readonly FlightItem[]) => {
        this.out.push(...items.filter((item) => typeof item === "object"));
      },
      installKeys12: () => true,
      installWrite13: () => true,
      installRead13: () => true,
      releaseHandshakeKeys: () => {},
      writable: () => {},
      complete: () => {
        this.complete = true;
      },
      become: (machine) => {
        this.machine = machine;
      },
      logSecret: () => {},
    };
    this.machine = role === "client" ? new ClientStart(host) : new ServerStart(host);
  }

  take(messages: readonly HandshakeMessage[]): void {
    for (const message of messages) this.failure ??= this.machine.handle(message);
  }
}

/** Runs a handshake in which `change` may replace messages; says what both sides made of it. */
function run(
  version: DtlsVersion,
  change: (message: HandshakeMessage, from: "client" | "server") => HandshakeMessage = (message) => message,
  settings: Partial<HandshakeSettings> = {},
) {
  const client = new Side("client", version);
  const server = new Side("server", version, settings);
  client.machine.start?.();
  for (let turn = 0; turn < 4; turn++) {
    server.take(client.out.splice(0).map((message) => change(message, "client")));
    client.take(server.out.splice(0).map((message) => change(message, "server")));
  }
  return { client, server };
}

function flip(message: HandshakeMessage, at: number): HandshakeMessage {
  const body = Uint8Array.from(message.body);
  body[at] ^= 0x40;
  return { ...message, body };
}

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
