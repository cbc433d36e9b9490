import { type RandomSource, randomBytes } from "../crypto/platform.ts";
import { checkNames, type Names } from "../application/names.ts";
import type { Datapath } from "../wasm/datapath.ts";
import { DropCounters } from "../wire/drops.ts";
import type { MemoryAccount } from "../wire/memory-ledger.ts";
import type { AlertDescription } from "./alert.ts";
import type { Certificate } from "./certificate.ts";
import { GROUPS_13 } from "./groups.ts";
import type { KeyLog } from "./keylog.ts";
import type { DtlsVersion, HandshakeSettings } from "./machine.ts";
import { MAX_SEQUENCE } from "./record.ts";
import type { HelloVerify } from "./retry-cookie.ts";

export interface DtlsOptions {
  role: "client" | "server";
  /** Ours. Always shown as server; as client, when the server asks. */
  certificate: Certificate;
  /**
   * Asked before any application data passes: is this (DER) the certificate that signalling announced? Compare its
   * SHA-256 with the fingerprint (RFC 8827 §6.5). `false` ends the handshake with bad_certificate.
   */
  verifyPeerCertificate(der: Uint8Array): boolean;
  /** Seals and opens records. May be shared by any number of connections that do not call each other synchronously. */
  datapath: Datapath;
  /** Protocol versions, the preferred first. Default `["1.2"]`. */
  versions?: readonly DtlsVersion[];
  /**
   * Key exchange groups of DTLS 1.3 by their IANA numbers, the preferred first. Default X25519MLKEM768 (0x11ec), X25519
   * (0x001d), P-256 (0x0017), P-384 (0x0018). In DTLS 1.2 a server has X25519 and P-256, a client P-384 as well.
   */
  groups?: readonly number[];
  /** Largest UDP payload, in bytes, 128 … 2,048. Default 1,200, which passes every path in use. */
  mtuBytes?: number;
  /** The same until the handshake is complete, where less is wanted then. Default `mtuBytes`. */
  handshakeMtuBytes?: number;
  /**
   * First retransmission timeout, in milliseconds; it doubles with each further one, up to 60,000. Default 200.
   * RFC 6347 §4.2.4.1 says 1 s and allows less for real time; RFC 9147 §5.8.2 recommends 400 ms for DTLS-SRTP. Browsers
   * begin at 50 … 130 ms (measured), and a repeated flight costs a server one datagram of 700 bytes.
   */
  initialTimeoutMs?: number;
  /** A handshake that takes longer is given up, in milliseconds. Default 30,000. */
  handshakeTimeoutMs?: number;
  /** Server: ask for the client's certificate and refuse a client without. Default true; WebRTC needs it. */
  requireClientCertificate?: boolean;
  /**
   * Server: make an unknown client repeat its hello with a cookie (HelloVerifyRequest or HelloRetryRequest), bound to `peer`,
   * the bytes of its address and port. Costs a round trip; not needed where a STUN check has verified the address. Nothing is kept
   * meanwhile: another connection with the same `secret` and `peer` takes the repeated hello as well, as the first that it is given.
   * `mayBegin` is asked when the right cookie has come back, before any signature or key agreement: `false` drops the hello, which
   * may come again.
   */
  helloVerify?: HelloVerify;
  /** Given each secret in NSS key log format: for Wireshark, never in production. */
  keyLog?: KeyLog;
  /** Where what is held of unfinished messages and early records is accounted for. Default: no budget. */
  memory?: MemoryAccount;
  /** Where dropped records and messages are counted. Default: a table of its own. */
  drops?: DropCounters;
  /** Source of hello randoms. Default: the platform's secure random source. */
  random?: RandomSource;
  /**
   * Records sent with one key. DTLS 1.2 closes the connection then: default and limit 2^48 − 16. DTLS 1.3 changes the key:
   * default and limit 2^24, before the 2^24.5 of RFC 9147 §4.5.3.
   */
  maxRecords?: number;
  /**
   * Keeps nothing of the handshake that records do not need, once `connected` has returned: then there is no `peerCertificate` any
   * more, and `exportKeyingMaterial` throws. It takes 0.7 KB less, and no secret stays in memory that nobody uses. Default false.
   */
  compact?: boolean;
}

/** What a connection tells its owner. Called synchronously, from inside the call that caused it. */
export interface DtlsEvents {
  /** Send this UDP datagram, of at most `mtuBytes`. Borrowed: a view that is valid until some datagrams later. */
  transmit(datagram: Uint8Array): void;
  /**
   * Authentic data of the verified peer, one record's worth. Borrowed: valid until this call returns.
   */
  applicationData(plaintext: Uint8Array): void;
  /**
   * The same without a view, which costs more than all else on the way: `length` bytes at `offset` of the datapath's memory. Where it
   * is there, `applicationData` is called only for what had to wait elsewhere for the end of the handshake.
   */
  applicationDataAt?(offset: number, length: number): void;
  /**
   * DTLS 1.3, server only, before `connected`: data may be sent from now on, half a round trip ahead; it leaves with the first
   * flight. Whoever completes the handshake can read it, and the peer's certificate was not seen yet: only for what
   * needs no such trust. Nothing is received before `connected`.
   */
  writable?(): void;
  /**
   * The handshake is complete and the peer verified. Called before our last flight leaves, so that what is sent from
   * inside this call rides in the same datagram.
   */
  connected(): void;
  /** The end, whoever brought it about; called once, last. */
  closed(reason: DtlsCloseReason): void;
}

/** Why a connection ended. */
export interface DtlsCloseReason {
  /**
   * `local`: {@link DtlsConnection.close}. `peer`: its close_notify. `peer-alert`: its fatal alert. `alert`: we refused what
   * it sent. `timeout`: the handshake took too long. `exhausted`: the key may not be used any more, or no message_seq is left.
   */
  readonly cause: "local" | "peer" | "peer-alert" | "alert" | "timeout" | "exhausted";
  /** With `alert` and `peer-alert`: the description's number (RFC 8446 §6); `alertName` gives its name. */
  readonly alert?: AlertDescription;
}

const DEFAULT_MTU_BYTES = 1_200;
const MIN_MTU_BYTES = 128;
/** Chromium breaks on records over 2,048 bytes (measured). */
const MAX_MTU_BYTES = 2_048;
const DEFAULT_INITIAL_TIMEOUT_MS = 200;
/** RFC 6347 §4.2.4.1: doubled "up to no less than the RFC 6298 maximum of 60 seconds". */
export const MAX_TIMEOUT_MS = 60_000;
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 30_000;
/** Left over when the limit is reached, for the alert that says so. */
const RESERVED_SEQUENCES = 16;
const MAX_RECORDS_12 = MAX_SEQUENCE + 1 - RESERVED_SEQUENCES;
export const MAX_RECORDS_13 = 2 ** 24;

const DTLS_OPTIONS: Names<DtlsOptions> = {
  role: true,
  certificate: true,
  verifyPeerCertificate: true,
  datapath: true,
  versions: true,
  groups: true,
  mtuBytes: true,
  handshakeMtuBytes: true,
  initialTimeoutMs: true,
  handshakeTimeoutMs: true,
  requireClientCertificate: true,
  helloVerify: true,
  keyLog: true,
  memory: true,
  drops: true,
  random: true,
  maxRecords: true,
  compact: true,
};

/** The options with every default filled in. */
export interface ResolvedOptions {
  readonly role: "client" | "server";
  readonly mtuBytes: number;
  readonly handshakeMtuBytes: number;
  readonly initialTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly maxRecords: number;
  readonly keyLog: KeyLog | undefined;
  readonly compact: boolean;
  readonly drops: DropCounters;
  readonly settings: HandshakeSettings;
}

/** @throws RangeError or TypeError naming the option and its limit. */
export function resolveOptions(options: DtlsOptions): ResolvedOptions {
  checkNames("options", options, DTLS_OPTIONS, "an option of DtlsConnection");
  const {
    role,
    mtuBytes = DEFAULT_MTU_BYTES,
    handshakeMtuBytes = mtuBytes,
    initialTimeoutMs = DEFAULT_INITIAL_TIMEOUT_MS,
    handshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS,
    maxRecords = MAX_RECORDS_12,
    drops = new DropCounters(),
  } = options;
  if (role !== "client" && role !== "server") throw new TypeError('role must be "client" or "server"');
  if (!(Number.isInteger(mtuBytes) && mtuBytes >= MIN_MTU_BYTES && mtuBytes <= MAX_MTU_BYTES)) {
    throw new RangeError(`mtuBytes must be an integer, ${MIN_MTU_BYTES} … ${MAX_MTU_BYTES}`);
  }
  if (!(Number.isInteger(handshakeMtuBytes) && handshakeMtuBytes >= MIN_MTU_BYTES && handshakeMtuBytes <= mtuBytes)) {
    throw new RangeError(`handshakeMtuBytes must be an integer, ${MIN_MTU_BYTES} … mtuBytes`);
  }
  if (!(initialTimeoutMs >= 1 && initialTimeoutMs <= MAX_TIMEOUT_MS)) {
    throw new RangeError(`initialTimeoutMs must be 1 … ${MAX_TIMEOUT_MS}`);
  }
  if (!(handshakeTimeoutMs >= 1)) throw new RangeError("handshakeTimeoutMs must be at least 1");
  if (!(maxRecords >= 1 && maxRecords <= MAX_RECORDS_12)) throw new RangeError("maxRecords must be 1 … 2^48 - 16");
  return {
    role,
    mtuBytes,
    handshakeMtuBytes,
    initialTimeoutMs,
    handshakeTimeoutMs,
    maxRecords,
    keyLog: options.keyLog,
    compact: options.compact === true,
    drops,
    settings: resolveSettings(options),
  };
}

function resolveSettings(options: DtlsOptions): HandshakeSettings {
  const {
    certificate,
    requireClientCertificate = true,
    helloVerify,
    random = randomBytes,
    versions = ["1.2"],
    groups = GROUPS_13,
  } = options;
  if (versions.length === 0 || !versions.every((version) => version === "1.2" || version === "1.3")) {
    throw new TypeError('versions must name "1.3", "1.2" or both');
  }
  if (groups.length === 0 || !groups.every((group) => GROUPS_13.includes(group))) {
    throw new TypeError("groups must name at least one of 0x11ec, 0x001d, 0x0017 and 0x0018");
  }
  return {
    certificate,
    verifyPeerCertificate: (der) => options.verifyPeerCertificate(der),
    requireClientCertificate,
    helloVerify,
    random,
    versions,
    groups,
  };
}
