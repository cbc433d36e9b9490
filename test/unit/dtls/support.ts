import { Certificate } from "../../../src/dtls/certificate.ts";
import {
  type DtlsCloseReason,
  DtlsConnection,
  type DtlsEvents,
  type DtlsOptions,
} from "../../../src/dtls/connection.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { toHex } from "../../../src/wire/bytes.ts";

export const NOT_BEFORE = Date.UTC(2026, 10, 22);
export const SERVER_CERTIFICATE = Certificate.generate({ notBefore: NOT_BEFORE, commonName: "server" });
export const CLIENT_CERTIFICATE = Certificate.generate({ notBefore: NOT_BEFORE, commonName: "client" });

/** One side of a connection and everything it has said. */
export class Party implements DtlsEvents {
  readonly connection: DtlsConnection;
  readonly datapath: Datapath;
  readonly drops = new DropCounters();
  /** Datagrams sent and not yet taken away. */
  readonly sent: Uint8Array[] = [];
  readonly received: string[] = [];
  readonly keyLog: string[] = [];
  connectedTimes = 0;
  closedWith: DtlsCloseReason | undefined;
  onConnected: (() => void) | undefined;
  onWritable: (() => void) | undefined;

  constructor(options: Partial<DtlsOptions> & Pick<DtlsOptions, "role">) {
    const server = options.role === "server";
    this.datapath = options.datapath ?? new Datapath({ keySlots: 16, txSlots: 16 });
    const expected = server ? CLIENT_CERTIFICATE : SERVER_CERTIFICATE;
    this.connection = new DtlsConnection(
      {
        certificate: server ? SERVER_CERTIFICATE : CLIENT_CERTIFICATE,
        verifyPeerCertificate: (der) => toHex(der) === toHex(expected.der),
        drops: this.drops,
        keyLog: (line) => this.keyLog.push(line),
        versions: ["1.2"],
        ...options,
        datapath: this.datapath,
      },
      this,
    );
  }

  transmit(datagram: Uint8Array): void {
    this.sent.push(datagram.slice());
  }

  applicationData(plaintext: Uint8Array): void {
    this.received.push(text(plaintext));
  }

  applicationDataAt(offset: number, length: number): void {
    this.applicationData(this.datapath.memory.subarray(offset, offset + length));
  }

  writable(): void {
    this.onWritable?.();
  }

  connected(): void {
    this.connectedTimes++;
    this.onConnected?.();
  }

  closed(reason: DtlsCloseReason): void {
    this.closedWith = reason;
  }

  /** Takes away what was sent. */
  take(): Uint8Array[] {
    return this.sent.splice(0);
  }
}

/** Carries datagrams both ways, without loss or delay, until neither side has anything to say. */
export function exchange(a: Party, b: Party, now = 0): void {
  for (let datagrams = 0; a.sent.length > 0 || b.sent.length > 0; datagrams++) {
    if (datagrams > 200) throw new Error("they never stop talking");
    for (const datagram of a.take()) b.connection.handleDatagram(now, datagram);
    for (const datagram of b.take()) a.connection.handleDatagram(now, datagram);
  }
}

/** A client and a server that are connected with each other. */
export function connectedPair(
  clientOptions: Partial<DtlsOptions> = {},
  serverOptions: Partial<DtlsOptions> = {},
): { client: Party; server: Party } {
  const client = new Party({ role: "client", ...clientOptions });
  const server = new Party({ role: "server", ...serverOptions });
  client.connection.start(0);
  exchange(client, server);
  return { client, server };
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}
