import { createCipheriv } from "node:crypto";
import type { DtlsVersion } from "../../../src/dtls/connection.ts";
import { deriveKeys } from "../../../src/dtls/keys12.ts";
import { nextTrafficSecret, trafficKeys } from "../../../src/dtls/keys13.ts";
import { concatBytes, fromHex } from "../../../src/wire/bytes.ts";
import { splitRecords } from "./records.ts";
import { exchange, Party } from "./support.ts";

export type Role = "client" | "server";

/** A client and a server, and what the wire shows of them. */
export interface Overheard {
  readonly client: Party;
  readonly server: Party;
  /** Of the ServerHello. */
  readonly serverRandom: Uint8Array;
}

/**
 * A handshake up to where `victim` has the keys of its peer's `epoch` and, unless it is to be connected, still waits for the rest of
 * the peer's flight.
 */
export function overheard(version: DtlsVersion, victim: Role, isConnected: boolean): Overheard {
  const client = new Party({ role: "client", versions: [version], groups: [0x001d] });
  const server = new Party({ role: "server", versions: [version], groups: [0x001d] });
  client.connection.start(0);
  for (const datagram of client.take()) server.connection.handleDatagram(0, datagram);
  const flight = server.take();
  const serverRandom = splitRecords(flight[0])[0].bytes.slice(27, 59);
  if (!isConnected && victim === "client" && version === "1.3") {
    // The ServerHello alone.
    client.connection.handleDatagram(0, splitFirst(flight[0]));
  } else {
    for (const datagram of flight) client.connection.handleDatagram(0, datagram);
    if (isConnected) exchange(client, server);
    else if (victim === "server" && version === "1.2") {
      // Up to CertificateVerify; the Finished is lost.
      for (const { bytes, epoch } of splitRecords(client.take()[0])) {
        if (epoch === 0) server.connection.handleDatagram(0, bytes);
      }
    }
  }
  client.take();
  server.take();
  return { client, server, serverRandom };
}

function splitFirst(datagram: Uint8Array): Uint8Array {
  return datagram.subarray(0, 13 + ((datagram[11] << 8) | datagram[12]));
}

/** Seals records in the name of one side, whose secrets its key log has told, as a peer could that is out for mischief. */
export class Rogue {
  readonly #version: DtlsVersion;
  readonly #key: Uint8Array;
  readonly #iv: Uint8Array;
  readonly #numberKey: Uint8Array;
  readonly #epoch: number;
  /** Ahead of what the true one sends, so that nothing counts as replayed. */
  #sequence = 100;

  constructor(version: DtlsVersion, role: Role, { client, server, serverRandom }: Overheard, epoch: number) {
    this.#version = version;
    this.#epoch = epoch;
    const lines = [...client.keyLog, ...server.keyLog];
    if (version === "1.2") {
      const [, clientRandom, masterSecret] = lines.find((line) => line.startsWith("CLIENT_RANDOM"))!.split(" ");
      const keys = deriveKeys(fromHex(masterSecret), fromHex(clientRandom), serverRandom);
      this.#key = keys[role].key;
      this.#iv = keys[role].salt;
      this.#numberKey = new Uint8Array(0);
      return;
    }
    const label = `${role.toUpperCase()}_${epoch === 2 ? "HANDSHAKE_TRAFFIC_SECRET" : "TRAFFIC_SECRET_0"}`;
    let secret = fromHex(lines.find((line) => line.startsWith(label))!.split(" ")[2]);
    for (let update = 3; update < epoch; update++) secret = nextTrafficSecret(secret);
    const { key, iv, numberKey } = trafficKeys(secret);
    this.#key = key;
    this.#iv = iv;
    this.#numberKey = numberKey;
  }

  /** @param padding zeros behind the type (DTLS 1.3) */
  record(type: number, content: Uint8Array, padding = 0): Uint8Array {
    const sequence = this.#sequence++;
    return this.#version === "1.2"
      ? this.#record12(type, content, sequence)
      : this.#record13(concatBytes(content, Uint8Array.of(type), new Uint8Array(padding)), sequence);
  }

  /** A record of DTLS 1.3 that has no type at all. */
  paddingOnly(length: number): Uint8Array {
    return this.#record13(new Uint8Array(length), this.#sequence++);
  }

  /** RFC 5288 §3. */
  #record12(type: number, content: Uint8Array, sequence: number): Uint8Array {
    const numbers = new Uint8Array(8);
    numbers.set([0, this.#epoch]);
    new DataView(numbers.buffer).setUint32(4, sequence);
    const head = Uint8Array.of(type, 0xfe, 0xfd);
    const size = (length: number) => Uint8Array.of(length >>> 8, length);
    const sealed = seal(
      this.#key,
      concatBytes(this.#iv, numbers),
      concatBytes(numbers, head, size(content.length)),
      content,
    );
    return concatBytes(head, numbers, size(8 + sealed.length), numbers, sealed);
  }

  /** RFC 9147 §4. */
  #record13(inner: Uint8Array, sequence: number): Uint8Array {
    const length = inner.length + 16;
    const header = Uint8Array.of(0x2c | (this.#epoch & 3), sequence >>> 8, sequence, length >>> 8, length);
    const nonce = Uint8Array.from(this.#iv);
    nonce[10] ^= sequence >>> 8;
    nonce[11] ^= sequence;
    const sealed = seal(this.#key, nonce, header, inner);
    const mask = createCipheriv("aes-128-ecb", this.#numberKey, null).update(sealed.subarray(0, 16));
    header[1] ^= mask[0];
    header[2] ^= mask[1];
    return concatBytes(header, sealed);
  }
}

function seal(key: Uint8Array, nonce: Uint8Array, additional: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-128-gcm", key, nonce).setAAD(additional);
  return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}
