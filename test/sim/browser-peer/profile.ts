/**
 * What sets the two browsers apart, as measured on Chromium 156 and Firefox ESR 153. Times in milliseconds, sizes in bytes.
 */
export interface BrowserProfile {
  readonly name: "chromium" | "firefox";
  readonly ice: IceProfile;
  readonly dtls: {
    /** First retransmission of a flight; doubles from there. */
    readonly retransmitMs: number;
    /** Largest datagram: a full SCTP packet of 1188 bytes in its record has 1225. */
    readonly mtuBytes: number;
  };
  readonly sctp: SctpProfile;
  /** Whether `onopen` waits for the DCEP ACK. */
  readonly openNeedsAck: boolean;
}

export interface IceProfile {
  readonly ufragLength: number;
  /** Whether an unanswered check is repeated as the same transaction (RFC 8489 §6.2.1) or as a new one. */
  readonly sameTransaction: boolean;
  /** When checks leave while none was ever answered, counted from the first one … */
  readonly unansweredAt: readonly number[];
  /** … and the gap between all further ones. */
  readonly unansweredGapMs: number;
  /** A check of a connection that works goes unanswered for this long: then checks leave at `unansweredGapMs` again. */
  readonly patienceMs: number;
  /** The gaps between checks after the first answer … */
  readonly answeredGapsMs: readonly number[];
  /** … and from then on: uniform between these two. */
  readonly steadyGapMs: readonly [least: number, most: number];
  /** Whether the very first check nominates, or only those after the first answer. */
  readonly nominatesAtOnce: boolean;
  /** No answer for this long: the connection failed. */
  readonly failedAfterMs: number;
}

export interface SctpProfile {
  readonly windowBytes: number;
  /** Share of the window that is announced in SACKs. */
  readonly announcedShare: number;
  readonly delayedSackMs: number;
  /** Supported Extensions parameter of INIT (RFC 5061 §4.2.7): chunk types. */
  readonly extensions: readonly number[];
  readonly heartbeatMs: number;
}

const RE_CONFIG = 0x82;
const FORWARD_TSN = 0xc0;
const I_DATA = 0x40;
const I_FORWARD_TSN = 0xc2;

export const CHROMIUM: BrowserProfile = {
  name: "chromium",
  ice: {
    ufragLength: 4,
    sameTransaction: false,
    unansweredAt: [0, 49],
    unansweredGapMs: 62.5,
    patienceMs: 532,
    answeredGapsMs: [56, 63, 1125, 1062],
    steadyGapMs: [2660, 2660],
    nominatesAtOnce: false,
    failedAfterMs: 15_900,
  },
  dtls: { retransmitMs: 100, mtuBytes: 1225 },
  sctp: {
    windowBytes: 5_242_880,
    announcedShare: 0.9,
    delayedSackMs: 200,
    extensions: [RE_CONFIG, FORWARD_TSN],
    heartbeatMs: 30_000,
  },
  openNeedsAck: false,
};

export const FIREFOX: BrowserProfile = {
  name: "firefox",
  ice: {
    ufragLength: 8,
    sameTransaction: true,
    unansweredAt: [0, 100, 300, 700, 1500, 3100, 6300],
    unansweredGapMs: Number.POSITIVE_INFINITY,
    patienceMs: Number.POSITIVE_INFINITY,
    answeredGapsMs: [4100],
    steadyGapMs: [4000, 6000],
    nominatesAtOnce: true,
    failedAfterMs: 29_700,
  },
  dtls: { retransmitMs: 50, mtuBytes: 1408 },
  sctp: {
    windowBytes: 16_777_216,
    announcedShare: 0.9,
    delayedSackMs: 50,
    extensions: [RE_CONFIG, FORWARD_TSN, I_DATA, I_FORWARD_TSN],
    heartbeatMs: 30_000,
  },
  openNeedsAck: true,
};

export const PROFILES = { chromium: CHROMIUM, firefox: FIREFOX } as const;
