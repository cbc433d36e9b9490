import { encodeWhole } from "../../../src/dtls/reassembly.ts";
import { type ClientHello, encodeClientHello } from "../../../src/dtls/messages.ts";
import { encodeNumbers, type Extensions } from "../../../src/dtls/extensions.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";

/** What stands in a record's header. */
export interface RecordHeader {
  readonly type: number;
  readonly epoch: number;
  readonly sequence: number;
  /** Header and all. */
  readonly bytes: Uint8Array;
}

/** An unprotected record. */
export function record(type: number, content: Uint8Array, sequence = 0, epoch = 0): Uint8Array {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  header[0] = type;
  view.setUint16(1, 0xfefd);
  view.setUint16(3, epoch);
  view.setUint32(7, sequence);
  view.setUint16(11, content.length);
  return concatBytes(header, content);
}

/** The records of a datagram (13-byte headers). */
export function splitRecords(datagram: Uint8Array): RecordHeader[] {
  const records: RecordHeader[] = [];
  for (let at = 0; at < datagram.length; ) {
    const view = new DataView(datagram.buffer, datagram.byteOffset + at);
    const length = 13 + view.getUint16(11);
    records.push({
      type: view.getUint8(0),
      epoch: view.getUint16(3),
      sequence: view.getUint16(5) * 2 ** 32 + view.getUint32(7),
      bytes: datagram.subarray(at, at + length),
    });
    at += length;
  }
  return records;
}

/** Type and message_seq of the handshake messages in a datagram's unprotected records. */
export function handshakeTypes(datagram: Uint8Array): number[] {
  return splitRecords(datagram)
    .filter(({ type, epoch }) => type === 22 && epoch === 0)
    .map(({ bytes }) => bytes[13]);
}

/** A ClientHello as a browser would send it for DTLS 1.2, with changes, in a record of its own. */
export function clientHello(
  changes: Partial<ClientHello> = {},
  without: readonly number[] = [],
  messageSequence = 0,
): Uint8Array {
  const hello: ClientHello = {
    version: 0xfefd,
    random: new Uint8Array(32).fill(1),
    sessionId: new Uint8Array(0),
    cookie: new Uint8Array(0),
    cipherSuites: [0xc02b],
    compressionMethods: Uint8Array.of(0),
    extensions: HELLO_EXTENSIONS,
    ...changes,
  };
  const extensions = new Map([...hello.extensions].filter(([type]) => !without.includes(type)));
  const body = encodeClientHello({ ...hello, extensions });
  return record(22, encodeWhole({ type: 1, sequence: messageSequence, epoch: 0, body }), messageSequence);
}

/** Extensions of a hello that we accept, with the given ones changed. */
export function helloExtensions(changes: Record<number, Uint8Array>): Extensions {
  const changed = Object.entries(changes).map(([type, content]) => [Number(type), content] as const);
  return new Map([...HELLO_EXTENSIONS, ...changed]);
}

const HELLO_EXTENSIONS: Extensions = new Map([
  [0x0017, new Uint8Array(0)],
  [0xff01, Uint8Array.of(0)],
  [0x000a, encodeNumbers([0x001d, 0x0017])],
  [0x000b, Uint8Array.of(1, 0)],
  [0x000d, encodeNumbers([0x0403])],
]);
