import { describe, expect, it } from "vitest";
import { encodeWhole, writeFragment } from "../../../src/dtls/reassembly.ts";
import type { DtlsVersion } from "../../../src/dtls/machine.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";
import { record } from "./records.ts";
import { overheard, Rogue, type Role } from "./rogue.ts";

const UNEXPECTED_MESSAGE = 10;
const RECORD_OVERFLOW = 22;
const ILLEGAL_PARAMETER = 47;
const DECODE_ERROR = 50;

const CHANGE_CIPHER_SPEC = 20;
const ALERT = 21;
const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
const HEARTBEAT = 24;
const ACK = 26;

interface Rubbish {
  readonly what: string;
  readonly alert: number;
  readonly type: number;
  readonly content: Uint8Array;
  /** Where it is rubbish: not everywhere in each version. */
  readonly versions?: readonly DtlsVersion[];
  readonly epochs?: readonly number[];
  /** Where it is so before the handshake is complete, or after it, only. */
  readonly connected?: boolean;
}

const zeros = (length: number) => new Uint8Array(length);

function fragment(length: number, start: number, end: number, type = 11, sequence = 7): Uint8Array {
  const content = zeros(12 + end - start);
  writeFragment(content, 0, { type, sequence, epoch: 0, body: zeros(Math.max(length, end)) }, start, end);
  content.set([length >>> 16, length >>> 8, length & 0xff], 1);
  return content;
}

const RUBBISH: readonly Rubbish[] = [
  { what: "a type nobody knows", alert: UNEXPECTED_MESSAGE, type: 99, content: zeros(4) },
  { what: "a heartbeat, which nobody agreed on", alert: UNEXPECTED_MESSAGE, type: HEARTBEAT, content: zeros(20) },
  { what: "a protected ChangeCipherSpec", alert: UNEXPECTED_MESSAGE, type: CHANGE_CIPHER_SPEC, content: zeros(1) },
  { what: "an ACK in DTLS 1.2", alert: UNEXPECTED_MESSAGE, type: ACK, content: zeros(2), versions: ["1.2"] },
  { what: "a malformed ACK", alert: DECODE_ERROR, type: ACK, content: zeros(5), versions: ["1.3"] },
  {
    what: "application data in the epoch of the handshake",
    alert: UNEXPECTED_MESSAGE,
    type: APPLICATION_DATA,
    content: zeros(4),
    versions: ["1.3"],
    epochs: [2],
  },
  { what: "an empty alert", alert: UNEXPECTED_MESSAGE, type: ALERT, content: zeros(0) },
  { what: "an alert of one byte", alert: DECODE_ERROR, type: ALERT, content: Uint8Array.of(1) },
  { what: "two alerts in one record", alert: DECODE_ERROR, type: ALERT, content: Uint8Array.of(1, 90, 1, 90) },
  {
    what: "an alert of an unknown level",
    alert: ILLEGAL_PARAMETER,
    type: ALERT,
    content: Uint8Array.of(3, 90),
    versions: ["1.2"],
  },
  { what: "an empty handshake record", alert: UNEXPECTED_MESSAGE, type: HANDSHAKE, content: zeros(0) },
  { what: "a handshake header cut off", alert: DECODE_ERROR, type: HANDSHAKE, content: zeros(11).fill(20) },
  {
    what: "a fragment longer than its record",
    alert: DECODE_ERROR,
    type: HANDSHAKE,
    content: fragment(9, 0, 9).slice(0, 20),
  },
  {
    what: "a fragment behind the end of its message",
    alert: DECODE_ERROR,
    type: HANDSHAKE,
    content: fragment(9, 5, 10),
  },
  {
    what: "fragments that contradict each other",
    alert: ILLEGAL_PARAMETER,
    type: HANDSHAKE,
    content: concatBytes(fragment(1, 0, 0), fragment(1, 0, 0, 12)),
  },
  {
    what: "a message too long for anybody",
    alert: ILLEGAL_PARAMETER,
    type: HANDSHAKE,
    content: fragment(70_000, 0, 1),
    connected: false,
  },
  {
    what: "a message too long for anybody, after the handshake",
    alert: UNEXPECTED_MESSAGE,
    type: HANDSHAKE,
    content: fragment(70_000, 0, 1),
    connected: true,
  },
  {
    what: "content of more than 2^14 bytes",
    alert: RECORD_OVERFLOW,
    type: APPLICATION_DATA,
    content: zeros(2 ** 14 + 1),
  },
];

/** Where a record can come in: the version, the epoch, and whether the handshake is complete. */
const PLACES: readonly { version: DtlsVersion; epoch: number; isConnected: boolean }[] = [
  { version: "1.2", epoch: 1, isConnected: false },
  { version: "1.2", epoch: 1, isConnected: true },
  { version: "1.3", epoch: 2, isConnected: false },
  { version: "1.3", epoch: 2, isConnected: true },
  { version: "1.3", epoch: 3, isConnected: true },
];

const OTHER: Readonly<Record<Role, Role>> = { client: "server", server: "client" };

describe.each(PLACES)("DTLS $version, epoch $epoch, connected: $isConnected", (place) => {
  const { version, epoch, isConnected } = place;
  const isHere = ({ versions, epochs, connected = isConnected }: Rubbish) =>
    (versions?.includes(version) ?? true) && (epochs?.includes(epoch) ?? true) && connected === isConnected;

  for (const victim of ["client", "server"] as const) {
    // A connected client of DTLS 1.3 has no keys of the handshake any more.
    if (version === "1.3" && epoch === 2 && isConnected && victim === "client") continue;

    it.each(RUBBISH.filter(isHere))(
      `ends the connection of a ${victim} that is sent $what by its peer, with alert $alert`,
      ({ alert, type, content }) => {
        const pair = overheard(version, victim, isConnected);
        const rogue = new Rogue(version, OTHER[victim], pair, epoch);
        pair[victim].connection.handleDatagram(1, rogue.record(type, content));
        expect(pair[victim].closedWith).toEqual({ cause: "alert", alert });
        expect(pair[victim].received).toEqual([]);
      },
    );

    it.runIf(version === "1.3")(`ends the connection of a ${victim} that is sent nothing but padding`, () => {
      for (const length of [1, 2, 300, 2 ** 14 + 1]) {
        const pair = overheard(version, victim, isConnected);
        const rogue = new Rogue(version, OTHER[victim], pair, epoch);
        pair[victim].connection.handleDatagram(1, rogue.paddingOnly(length));
        expect(pair[victim].closedWith, `${length} bytes`).toEqual({ cause: "alert", alert: UNEXPECTED_MESSAGE });
      }
      const pair = overheard(version, victim, isConnected);
      const rogue = new Rogue(version, OTHER[victim], pair, epoch);
      pair[victim].connection.handleDatagram(1, rogue.record(APPLICATION_DATA, zeros(2 ** 14), 1));
      expect(pair[victim].closedWith).toEqual({ cause: "alert", alert: RECORD_OVERFLOW });
    });

    it(`leaves a ${victim} as it was where it is sent the same by anybody, without the key`, () => {
      for (const { what, type, content } of RUBBISH.filter(isHere)) {
        const pair = overheard(version, victim, isConnected);
        const rogue = new Rogue(version, OTHER[victim], pair, epoch);
        const forged = rogue.record(type, content);
        forged[forged.length - 1] ^= 1;
        const { state } = pair[victim].connection;
        for (const datagram of [forged, record(type, content, 200)])
          pair[victim].connection.handleDatagram(1, datagram);
        expect(pair[victim].connection.state, what).toBe(state);
        expect(pair[victim].sent, what).toEqual([]);
      }
    });
  }

  it.runIf(isConnected && epoch !== 2)("takes the longest content that is allowed, and padding", () => {
    const pair = overheard(version, "server", true);
    const rogue = new Rogue(version, "client", pair, epoch);
    pair.server.connection.handleDatagram(1, rogue.record(APPLICATION_DATA, zeros(2 ** 14)));
    if (version === "1.3") pair.server.connection.handleDatagram(1, rogue.record(APPLICATION_DATA, zeros(7), 900));
    expect(pair.server.received.map(({ length }) => length)).toEqual(version === "1.3" ? [2 ** 14, 7] : [2 ** 14]);
  });
});

it("a ticket is ignored by a client of DTLS 1.3 and refused by a server", () => {
  const ticket = encodeWhole({ type: 4, sequence: 6, epoch: 3, body: zeros(100) });
  for (const victim of ["client", "server"] as const) {
    const pair = overheard("1.3", victim, true);
    const rogue = new Rogue("1.3", OTHER[victim], pair, 3);
    const content = Uint8Array.from(ticket);
    content[5] = victim === "client" ? 6 : 4;
    pair[victim].connection.handleDatagram(1, rogue.record(HANDSHAKE, content));
    expect(pair[victim].connection.state).toBe(victim === "client" ? "connected" : "closed");
  }
});
