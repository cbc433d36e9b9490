import type { FlightItem } from "../../../src/dtls/flight.ts";
import { ClientStart } from "../../../src/dtls/client-start.ts";
import type { HandshakeMessage } from "../../../src/dtls/reassembly.ts";
import type {
  DtlsVersion,
  HandshakeHost,
  HandshakeMachine,
  HandshakeSettings,
  Outcome,
} from "../../../src/dtls/machine.ts";
import { ServerStart } from "../../../src/dtls/server-start.ts";
import { CLIENT_CERTIFICATE, SERVER_CERTIFICATE } from "./support.ts";

/** One side's state machine without records: messages go in and out as they are. */
export class Side {
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
      now: 0,
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
export function run(
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

export function flip(message: HandshakeMessage, at: number): HandshakeMessage {
  const body = Uint8Array.from(message.body);
  body[at] ^= 0x40;
  return { ...message, body };
}
