/** What an authenticated client may send inside SCTP packets. */
import {
  chunk,
  fill,
  forwardTsn,
  joined,
  outgoingReset,
  parameter,
  reconfigResponse,
  sack,
  u16,
  u32,
} from "./chunks.mjs";

const BYTE = Uint8Array.of(7);
const MANY_CHANNELS = 512;
/** TSNs, beyond the cumulative one, of what never comes. */
const GAP = 2;

const each = (make) => (attacker, count) => Array.from({ length: count }, (_, i) => make(attacker, i));
const full = (make) => each((attacker, i) => attacker.seal(...fill((n) => make(attacker, n, i))));
const channel = (attacker) => attacker.openChannels(1);
const channels = (attacker) => attacker.openChannels(MANY_CHANNELS);

/** The server has sent so many small messages that none of is acknowledged. */
function outstanding(count) {
  return (attacker, arena) => {
    attacker.openChannels(1);
    attacker.acknowledgedTsn = attacker.serverTsn;
    const [first] = attacker.connection.channels.open;
    for (let i = 0; i < count; i++) attacker.connection.send(arena.now, BYTE, first);
    arena.endpoint.flush(arena.now);
    attacker.settle(false);
    attacker.outstanding = count;
  };
}

export const DATA_KINDS = [
  { name: "message of 100 B", prepare: channel, make: each((a) => a.seal(a.data({ data: new Uint8Array(100) }))) },
  { name: "message of 1 B", prepare: channel, make: each((a) => a.seal(a.data({ data: BYTE }))) },
  { name: "messages of 1 B, a packet full", prepare: channel, make: full((a) => a.data({ data: BYTE })) },
  {
    name: "ordered messages of 1 B, a packet full",
    prepare: (a) => {
      channel(a);
      a.ssn = 1;
    },
    make: full((a) => a.data({ flags: 3, ssn: a.ssn++ & 0xffff, data: BYTE })),
  },
  {
    name: "texts of 1 B, a packet full",
    prepare: channel,
    make: full((a) => a.data({ ppid: 51, data: Uint8Array.of(65) })),
  },
  {
    name: "text of 1,100 B, not ASCII",
    prepare: channel,
    make: each((a) => a.seal(a.data({ ppid: 51, data: new TextEncoder().encode("é".repeat(550)) }))),
  },
  {
    name: "text that is not UTF-8",
    prepare: channel,
    make: each((a) => a.seal(a.data({ ppid: 51, data: Uint8Array.of(0xff) }))),
  },
  {
    name: "texts that are not UTF-8, a packet full",
    prepare: channel,
    make: full((a) => a.data({ ppid: 51, data: Uint8Array.of(0xff) })),
  },
  { name: "empty messages, a packet full", prepare: channel, make: full((a) => a.data({ ppid: 57, data: BYTE })) },
  { name: "unknown PPID, a packet full", prepare: channel, make: full((a) => a.data({ ppid: 99, data: BYTE })) },
  { name: "no such channel, a packet full", prepare: channel, make: full((a) => a.data({ streamId: 9, data: BYTE })) },
  {
    name: "no such stream, a packet full",
    prepare: channel,
    make: full((a) => a.data({ streamId: 2_000, data: BYTE })),
  },
  { name: "the I bit in each packet", prepare: channel, make: each((a) => a.seal(a.data({ flags: 15, data: BYTE }))) },
  {
    name: "fragments that never end, 1 B",
    prepare: channel,
    make: each((a) => a.seal(a.data({ flags: 4, data: BYTE }))),
  },
  {
    name: "fragments that never end, a packet full",
    prepare: channel,
    make: full((a) => a.data({ flags: 4, data: BYTE })),
  },
  {
    name: "fragments that all begin, a packet full",
    prepare: channel,
    make: full((a) => a.data({ flags: 6, data: BYTE })),
  },
  {
    name: "fragments of 1 B that end after 64, a packet full",
    prepare: channel,
    make: full((a) => a.data({ flags: 4 | (a.tsn % 64 === 0 ? 2 : 0) | (a.tsn % 64 === 63 ? 1 : 0), data: BYTE })),
  },
  {
    name: "fragments from the last to the first, a packet full",
    prepare: channel,
    make: (a, count) => backwards(a, count),
  },
  {
    name: "every other TSN",
    prepare: channel,
    make: each((a) => {
      a.tsn += 1;
      return a.seal(a.data({ data: BYTE }));
    }),
    after: forgetGaps,
  },
  {
    name: "every other TSN, a packet full",
    prepare: channel,
    make: full((a) => {
      a.tsn += 1;
      return a.data({ data: BYTE });
    }),
    after: forgetGaps,
  },
  {
    name: "256 gaps, and ever another TSN",
    prepare: gaps,
    make: each((a, i) => a.seal(a.data({ tsn: a.tsn + 2 * 300 + i, data: BYTE }))),
  },
  {
    name: "256 gaps, and ever another TSN, a packet full",
    prepare: gaps,
    make: full((a, n) => a.data({ tsn: a.tsn + 2 * 300 + 2 * n, data: BYTE })),
  },
  {
    name: "TSN 65,000 ahead",
    prepare: channel,
    make: each((a, i) => a.seal(a.data({ tsn: a.tsn + 65_000 + i, data: BYTE }))),
  },
  { name: "duplicates", prepare: channel, make: each((a) => a.seal(a.data({ tsn: a.tsn - 1, data: BYTE }))) },
  { name: "duplicates, a packet full", prepare: channel, make: full((a) => a.data({ tsn: a.tsn - 1, data: BYTE })) },
  {
    name: "duplicates from the first of 256 blocks, a packet full",
    prepare: gaps,
    make: full((a) => a.data({ tsn: a.tsn + GAP, data: BYTE })),
  },
  {
    name: "TSNs between 256 blocks",
    prepare: gaps,
    make: full((a, n) => a.data({ tsn: a.tsn + GAP * (128 - n) + 1, data: BYTE })),
    after: (a) => {
      forgetGaps(a);
      gaps(a);
    },
  },
  {
    name: "SSNs that never come up, a packet full",
    prepare: channel,
    make: full((a) => a.data({ flags: 3, ssn: (a.tsn & 0x3fff) + 1, data: BYTE })),
    after: freeStream,
  },
  {
    name: "SSNs that never come up, 1,024 waiting",
    prepare: channel,
    make: full((a) => a.data({ flags: 3, ssn: (a.tsn & 0x3fff) + 1, data: BYTE })),
  },
  {
    name: "an ordered message on each of 1,024 streams, a packet full",
    prepare: channel,
    make: full((a) => a.data({ streamId: a.tsn % 1_024, flags: 3, ssn: 7, data: BYTE })),
    after: freeStream,
  },
];

/** A message whose fragments come in reverse. */
function backwards(attacker, count) {
  const datagrams = [];
  for (let i = 0; i < count; i++) {
    const most = 48;
    const first = attacker.tsn;
    attacker.tsn += most;
    datagrams.push(
      attacker.seal(
        ...Array.from({ length: most }, (_, n) =>
          attacker.data({
            tsn: first + most - 1 - n,
            flags: 4 | (n === 0 ? 1 : 0) | (n === most - 1 ? 2 : 0),
            data: BYTE,
          }),
        ),
      ),
    );
  }
  return datagrams;
}

function forgetGaps(attacker) {
  attacker.deliver(attacker.seal(forwardTsn(attacker.tsn - 1)));
}

function gaps(attacker) {
  attacker.openChannels(1);
  for (let i = 0; i < 256; i++)
    attacker.deliver(attacker.seal(attacker.data({ tsn: attacker.tsn + GAP * (i + 1), data: BYTE })));
}

/** What waits for an earlier SSN goes, with its streams. */
function freeStream(attacker) {
  attacker.deliver(attacker.seal(outgoingReset(attacker.requestSequence++, attacker.tsn - 1)));
}

export const CONTROL_KINDS = [
  { name: "SACK, nothing new", prepare: channel, make: each((a) => a.seal(sack(a.serverTsn))) },
  { name: "SACKs, nothing new, a packet full", prepare: channel, make: full((a) => sack(a.serverTsn)) },
  {
    name: "SACK of 270 blocks, nothing sent",
    prepare: channel,
    make: each((a) =>
      a.seal(sack(a.serverTsn, { gaps: Array.from({ length: 270 }, (_, i) => [2 + 2 * i, 2 + 2 * i]) })),
    ),
  },
  {
    name: "SACK of 270 duplicates",
    prepare: channel,
    make: each((a) => a.seal(sack(a.serverTsn, { duplicates: Array.from({ length: 270 }, (_, i) => i) }))),
  },
  {
    name: "SACK, the last of 4,000 messages",
    prepare: outstanding(4_000),
    acknowledges: false,
    make: each((a) => a.seal(sack(a.acknowledgedTsn, { gaps: [[a.outstanding, a.outstanding]] }))),
  },
  {
    name: "SACK, another one of 4,000 messages each time",
    prepare: outstanding(4_000),
    acknowledges: false,
    make: each((a, i) => a.seal(sack(a.acknowledgedTsn, { gaps: [[a.outstanding - 2 * i, a.outstanding]] }))),
  },
  {
    name: "SACK, all but the first of 4,000, and none, in turns",
    prepare: outstanding(4_000),
    acknowledges: false,
    make: each((a, i) =>
      a.seal(sack(a.acknowledgedTsn, { gaps: [i % 2 ? [2, a.outstanding] : [a.outstanding, a.outstanding]] })),
    ),
  },
  {
    name: "SACK of 270 blocks, 4,000 messages sent, in turns",
    prepare: outstanding(4_000),
    acknowledges: false,
    make: each((a, i) =>
      a.seal(
        sack(a.acknowledgedTsn, {
          gaps: Array.from({ length: 270 }, (_, n) => [14 * n + 2 + (i % 2) * 6, 14 * n + 7 + (i % 2) * 6]),
        }),
      ),
    ),
  },
  { name: "FORWARD TSN, old", prepare: channel, make: each((a) => a.seal(forwardTsn(a.tsn - 1))) },
  { name: "FORWARD TSNs, a packet full", prepare: channel, make: full((a) => forwardTsn(a.nextTsn())) },
  {
    name: "FORWARD TSN of 280 streams",
    prepare: channel,
    make: each((a, i) =>
      a.seal(forwardTsn(a.nextTsn(), ...Array.from({ length: 280 }, (_, n) => [(280 * i + n) % 1_024, i & 0xff]))),
    ),
    after: freeStream,
  },
  { name: "FORWARD TSNs over 1,024 half messages", prepare: channel, make: halfMessages },
  {
    name: "FORWARD TSN, 900 half messages further on",
    prepare: halfFurtherOn,
    make: each((a) => a.seal(forwardTsn(a.nextTsn()))),
  },
  {
    name: "FORWARD TSNs, 900 half messages further on",
    prepare: halfFurtherOn,
    make: full((a) => forwardTsn(a.nextTsn())),
  },
  {
    name: "FORWARD TSN that names a stream 280 times, 900 wait on it",
    prepare: waitingFurtherOn,
    make: each((a) => a.seal(forwardTsn(a.nextTsn(), ...Array.from({ length: 280 }, () => [6, a.skip++ & 0xffff])))),
  },
  {
    name: "the same in leaps",
    prepare: waitingFurtherOn,
    make: each((a) =>
      a.seal(forwardTsn(a.nextTsn(), ...Array.from({ length: 280 }, () => [6, (1_000 * a.skip++) & 0xffff]))),
    ),
  },
  { name: "HEARTBEAT", prepare: channel, make: each((a) => a.seal(chunk(4, 0, parameter(1, u32(1, 2))))) },
  { name: "HEARTBEATs, a packet full", prepare: channel, make: full(() => chunk(4, 0)) },
  {
    name: "HEARTBEAT of 1,100 B",
    prepare: channel,
    make: each((a) => a.seal(chunk(4, 0, parameter(1, new Uint8Array(1_100))))),
  },
  { name: "HEARTBEAT ACKs, a packet full", prepare: channel, make: full(() => chunk(5, 0, parameter(1, u32(1, 2)))) },
  {
    name: "HEARTBEAT ACK of 270 parameters",
    prepare: channel,
    make: each((a) => a.seal(chunk(5, 0, ...Array.from({ length: 270 }, () => parameter(9))))),
  },
  { name: "INIT", prepare: channel, make: each((a) => a.sealWithTag(0, a.initChunk)) },
  {
    name: "INIT of 270 parameters",
    prepare: channel,
    make: each((a) =>
      a.sealWithTag(
        0,
        chunk(1, 0, a.initChunk.subarray(4, 20), ...Array.from({ length: 270 }, () => parameter(0xc077))),
      ),
    ),
  },
  { name: "INIT ACK", prepare: channel, make: each((a) => a.seal(chunk(2, 0, a.initChunk.subarray(4)))) },
  { name: "COOKIE ECHO, its own", prepare: channel, make: each((a) => a.seal(chunk(10, 0, a.cookie))) },
  { name: "COOKIE ECHO, forged", prepare: channel, make: each((a) => a.seal(chunk(10, 0, new Uint8Array(74)))) },
  { name: "COOKIE ACKs, a packet full", prepare: channel, make: full(() => chunk(11, 0)) },
  { name: "ERROR", prepare: channel, make: each((a) => a.seal(chunk(9, 0, parameter(3, u32(1))))) },
  { name: "ERRORs, a packet full", prepare: channel, make: full(() => chunk(9, 0)) },
  {
    name: "ERROR of 270 causes",
    prepare: channel,
    make: each((a) => a.seal(chunk(9, 0, ...Array.from({ length: 270 }, () => parameter(6))))),
  },
  { name: "SHUTDOWN ACKs, a packet full", prepare: channel, make: full(() => chunk(8, 0)) },
  { name: "SHUTDOWNs, a packet full", prepare: channel, make: full((a) => chunk(7, 0, u32(a.serverTsn))) },
  { name: "SHUTDOWN", prepare: channel, make: each((a) => a.seal(chunk(7, 0, u32(a.serverTsn)))) },
  { name: "unknown chunks to skip, a packet full", prepare: channel, make: full(() => chunk(0xbf, 0)) },
  { name: "unknown chunks to report, a packet full", prepare: channel, make: full(() => chunk(0xff, 0)) },
  { name: "unknown chunk to report, 4 B", prepare: channel, make: each((a) => a.seal(chunk(0xff, 0))) },
  {
    name: "a checksum that is wrong",
    prepare: channel,
    make: each((a) => a.record(23, joined([u32(0x13881388, 1, 2), new Uint8Array(100)]))),
  },
  { name: "a tag that is wrong", prepare: channel, make: each((a) => a.sealWithTag(99, chunk(11, 0))) },
];

function halfFurtherOn(attacker) {
  attacker.openChannels(1);
  for (let i = 0; i < 900; i++)
    attacker.deliver(attacker.seal(attacker.data({ tsn: attacker.tsn + 40_000 + i, flags: 6, data: BYTE })));
}

function waitingFurtherOn(attacker) {
  attacker.openChannels(1);
  attacker.skip = 0;
  for (let i = 0; i < 900; i++)
    attacker.deliver(attacker.seal(attacker.data({ streamId: 6, flags: 3, ssn: 25_000 + i, data: BYTE })));
}

function halfMessages(attacker, count) {
  const datagrams = [];
  for (let i = 0; i < count; i++) {
    datagrams.push(
      i % 20 < 18
        ? attacker.seal(...fill(() => attacker.data({ tsn: attacker.nextTsn() + 1, flags: 6, data: BYTE })))
        : attacker.seal(...fill((n) => forwardTsn(attacker.tsn - 1_000 + n))),
    );
  }
  return datagrams;
}

const allStreams = (a) => outgoingReset(a.requestSequence++, a.tsn - 1);

/** Channels that the server closes while its messages on them still wait. */
function closingBehindMessages(attacker, arena) {
  attacker.openChannels(300);
  attacker.acknowledgedTsn = attacker.serverTsn;
  attacker.deliver(attacker.seal(sack(attacker.serverTsn, { window: 0 })));
  for (const channel of attacker.connection.channels.open) {
    attacker.connection.send(arena.now, BYTE, channel);
    attacker.connection.send(arena.now, BYTE, channel);
  }
  attacker.deliver(attacker.seal(outgoingReset(attacker.requestSequence++, attacker.tsn - 1)));
}

export const RESET_KINDS = [
  {
    name: "COOKIE ACK, 300 channels that wait to be closed",
    prepare: closingBehindMessages,
    acknowledges: false,
    make: each((a) => a.seal(chunk(11, 0))),
  },
  { name: "RE-CONFIG of all streams, no channel left", prepare: channel, make: each((a) => a.seal(allStreams(a))) },
  { name: "RE-CONFIGs of all streams, a packet full", prepare: channel, make: full(allStreams) },
  { name: "RE-CONFIGs of all streams, 512 channels, a packet full", prepare: channels, make: full(allStreams) },
  {
    name: "RE-CONFIGs of all streams, 512 channels that do not close",
    prepare: channels,
    acknowledges: false,
    make: full(allStreams),
  },
  {
    name: "RE-CONFIG of all streams, 512 channels that do not close",
    prepare: channels,
    acknowledges: false,
    make: each((a) => a.seal(allStreams(a))),
  },
  {
    name: "RE-CONFIG of 560 streams, none of them open",
    prepare: channel,
    make: each((a) =>
      a.seal(
        outgoingReset(
          a.requestSequence++,
          a.tsn - 1,
          Array.from({ length: 560 }, (_, i) => 2 * i),
        ),
      ),
    ),
  },
  {
    name: "RE-CONFIG of one stream 560 times",
    prepare: channels,
    acknowledges: false,
    make: each((a) => a.seal(outgoingReset(a.requestSequence++, a.tsn - 1, new Array(560).fill(4)))),
  },
  {
    name: "the same RE-CONFIG again, a packet full",
    prepare: (a) => {
      channel(a);
      a.deliver(a.seal(allStreams(a)));
    },
    make: full((a) => outgoingReset(a.requestSequence - 1, a.tsn - 1)),
  },
  {
    name: "RE-CONFIGs out of sequence, a packet full",
    prepare: channel,
    make: full((a) => outgoingReset(a.requestSequence + 99, a.tsn - 1)),
  },
  {
    name: "RE-CONFIGs before their DATA, a packet full",
    prepare: channel,
    make: full((a) => outgoingReset(a.requestSequence, a.tsn + 1_000)),
  },
  {
    name: "RE-CONFIG of 560 streams before its DATA",
    prepare: channel,
    make: each((a) =>
      a.seal(
        outgoingReset(
          a.requestSequence,
          a.tsn + 1_000,
          Array.from({ length: 560 }, (_, i) => 2 * i),
        ),
      ),
    ),
  },
  {
    name: "RE-CONFIGs for our streams, a packet full",
    prepare: channels,
    make: full((a) => chunk(130, 0, parameter(14, u32(a.requestSequence++)))),
  },
  {
    name: "RE-CONFIGs for more streams, a packet full",
    prepare: channel,
    make: full((a) => chunk(130, 0, parameter(17, u32(a.requestSequence++), u16(100, 0)))),
  },
  {
    name: "RE-CONFIGs for all TSNs, a packet full",
    prepare: channel,
    make: full((a) => chunk(130, 0, parameter(15, u32(a.requestSequence++)))),
  },
  {
    name: "RE-CONFIGs of two requests, a packet full",
    prepare: channel,
    make: full((a) =>
      chunk(
        130,
        0,
        parameter(13, u32(a.requestSequence++, 0, a.tsn - 1)),
        parameter(13, u32(a.requestSequence++, 0, a.tsn - 1)),
      ),
    ),
  },
  { name: "RE-CONFIG responses, a packet full", prepare: channel, make: full(() => reconfigResponse(99, 1)) },
  {
    name: "RE-CONFIG of 270 parameters",
    prepare: channel,
    make: each((a) => a.seal(chunk(130, 0, ...Array.from({ length: 270 }, () => parameter(99))))),
  },
];

const dcep = (a, streamId, data) => a.data({ streamId, ppid: 50, flags: 7, data });
const openMessage = (label) => joined([Uint8Array.of(3, 0x81), u16(256), u32(0), u16(label.length, 0), label]);
const LABEL = Uint8Array.of(120);

export const CHANNEL_KINDS = [
  { name: "OPEN of one channel, then its reset", play: openAndReset(1) },
  { name: "OPENs, a packet full, then their reset", play: openAndReset(28) },
  {
    name: "OPENs, a packet full, then their reset, beside 400 channels",
    prepare: (a) => {
      a.openChannels(400);
      a.firstStream = 800;
    },
    play: openAndReset(28),
  },
  { name: "500 channels opened, then reset", play: openAndReset(500) },
  {
    name: "OPENs on streams of our parity, then once more, a packet full",
    prepare: channel,
    make: full((a, n) => dcep(a, 2 * n + 1, openMessage(LABEL))),
  },
  {
    name: "OPENs on all streams of our parity, then once more, a packet full",
    prepare: (a) => {
      channel(a);
      a.stream = 0;
    },
    make: full((a) => dcep(a, (a.stream++ * 2 + 1) % 1_024, openMessage(LABEL))),
  },
  { name: "OPENs once more, a packet full", prepare: channel, make: full((a) => dcep(a, 0, openMessage(LABEL))) },
  { name: "OPEN of a label of 1,024 B, then its reset", play: openAndReset(1, new Uint8Array(1_024).fill(120)) },
  {
    name: "OPEN of a label that is not UTF-8",
    prepare: channel,
    make: full((a, n) => dcep(a, 2 * n + 2, openMessage(Uint8Array.of(255)))),
  },
  {
    name: "OPEN of a label of 1,100 B, refused",
    prepare: channel,
    make: each((a) => a.seal(dcep(a, 2, openMessage(new Uint8Array(1_090).fill(120))))),
  },
  { name: "DCEP of an unknown type, a packet full", prepare: channel, make: full((a) => dcep(a, 0, Uint8Array.of(9))) },
  {
    name: "DCEP ACKs that nobody waits for, a packet full",
    prepare: channel,
    make: full((a) => dcep(a, 0, Uint8Array.of(2))),
  },
];

/** Channels opened in full packets, then closed by one request; the server's own requests are answered. */
function openAndReset(channels, label = LABEL) {
  return (attacker) => {
    const first = attacker.firstStream ?? 0;
    const streams = Array.from({ length: channels }, (_, n) => first + 2 * n);
    for (let from = 0; from < channels; ) {
      const opens = fill((n) => dcep(attacker, streams[from + n] ?? 0, openMessage(label)), channels - from);
      attacker.deliver(attacker.seal(...opens));
      from += opens.length;
    }
    attacker.deliver(attacker.seal(outgoingReset(attacker.requestSequence++, attacker.tsn - 1, streams)));
    attacker.settle();
  };
}
