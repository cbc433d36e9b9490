import { ByteReader, ByteWriter } from "../wire/bytes.ts";
import { type Tsn, tsn } from "../wire/serial.ts";
import {
  chunkEnd,
  COOKIE_PRESERVATIVE,
  FORWARD_TSN,
  FORWARD_TSN_SUPPORTED,
  HOST_NAME_ADDRESS,
  I_DATA,
  I_FORWARD_TSN,
  INIT,
  INIT_ACK,
  IPV4_ADDRESS,
  IPV6_ADDRESS,
  padded,
  parseParameters,
  RE_CONFIG,
  STATE_COOKIE,
  SUPPORTED_ADDRESS_TYPES,
  SUPPORTED_EXTENSIONS,
  UNKNOWN_PARAMETER_REPORT,
  UNKNOWN_PARAMETER_SKIP,
  UNRECOGNIZED_PARAMETER,
  writeChunk,
  writeParameter,
} from "./packet.ts";

/**
 * INIT and INIT ACK (RFC 9260 §3.3.2, §3.3.3):
 *
 * ```
 * +---------------+---------------+-------------------------------+
 * |  type 1 or 2  |       0       |            length             |
 * +---------------+---------------+-------------------------------+
 * |                         initiate tag                          |
 * +---------------------------------------------------------------+
 * |                           a_rwnd                              |
 * +-------------------------------+-------------------------------+
 * |   outbound streams (OS)       |  max inbound streams (MIS)    |
 * +-------------------------------+-------------------------------+
 * |                         initial TSN                           |
 * +---------------------------------------------------------------+
 * |                        parameters …                           |
 * ```
 */
export interface InitFields {
  readonly initiateTag: number;
  /** Advertised receiver window, bytes. */
  readonly receiveWindow: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  readonly initialTsn: Tsn;
  /** Lists I-DATA: its sender takes and sends messages in pieces that alternate (RFC 8260 §2.2.1). */
  readonly interleaving: boolean;
}

/** An INIT or INIT ACK as received. */
export interface ParsedInit extends InitFields {
  /** The peer takes FORWARD TSN (RFC 3758 §3.1). */
  readonly forwardTsn: boolean;
  /** The peer takes I-FORWARD-TSN (RFC 8260 §2.3.1). */
  readonly iForwardTsn: boolean;
  /** The peer takes RE-CONFIG (RFC 6525 §3.1, announced as RFC 5061 §4.2.7 says). */
  readonly reconfig: boolean;
  /** INIT ACK only: the state cookie, as a view. */
  readonly cookie: Uint8Array | undefined;
  /** Unknown parameters that ask to be reported, raw, as views: the first ones, up to 64 bytes of them. */
  readonly unrecognized: readonly Uint8Array[];
  /** A host name address (RFC 9260 §3.3.2.1: "MUST send an ABORT"). */
  readonly hostName: boolean;
}

// What is reported travels back in one packet beside a cookie, and nobody needs more than a few of them.
const MAX_REPORTED_BYTES = 64;

// RFC 3758 §3.1 and RFC 5061 §4.2.7. No zero checksum (RFC 9653): neither browser offers it.
const EXTENSIONS = extensions(RE_CONFIG, FORWARD_TSN);
const EXTENSIONS_WITH_INTERLEAVING = extensions(RE_CONFIG, FORWARD_TSN, I_DATA, I_FORWARD_TSN);

/** An INIT chunk with our extensions. */
export function writeInit(fields: InitFields): Uint8Array {
  return writeChunk(INIT, 0, writeFixed(fields), ...chunkEnd(extensionsOf(fields)));
}

/** An INIT ACK chunk with our extensions, the state cookie, and what of the INIT was not understood. */
export function writeInitAck(
  fields: InitFields,
  cookie: Uint8Array,
  unrecognized: readonly Uint8Array[] = [],
): Uint8Array {
  const reports = unrecognized.map((raw) => writeParameter(UNRECOGNIZED_PARAMETER, raw));
  const parameters = [writeParameter(STATE_COOKIE, cookie), ...extensionsOf(fields), ...reports];
  return writeChunk(INIT_ACK, 0, writeFixed(fields), ...chunkEnd(parameters));
}

/** The value of an INIT or INIT ACK chunk; `undefined` where it is malformed. */
export function parseInit(body: Uint8Array): ParsedInit | undefined {
  const reader = new ByteReader(body);
  const initiateTag = reader.u32();
  const receiveWindow = reader.u32();
  const outboundStreams = reader.u16();
  const inboundStreams = reader.u16();
  const initialTsn = tsn(reader.u32());
  if (reader.failed) return undefined;
  const parameters = parseParameters(body.subarray(reader.offset));
  if (parameters === undefined) return undefined;

  let forwardTsn = false;
  let interleaving = false;
  let iForwardTsn = false;
  let reconfig = false;
  let cookie: Uint8Array | undefined;
  let hostName = false;
  const unrecognized: Uint8Array[] = [];
  let reportedBytes = 0;
  for (const { type, value, raw } of parameters) {
    if (type === FORWARD_TSN_SUPPORTED) forwardTsn = true;
    else if (type === SUPPORTED_EXTENSIONS) {
      forwardTsn ||= value.includes(FORWARD_TSN);
      reconfig ||= value.includes(RE_CONFIG);
      interleaving ||= value.includes(I_DATA);
      iForwardTsn ||= value.includes(I_FORWARD_TSN);
    } else if (type === STATE_COOKIE) cookie = value;
    else if (type === HOST_NAME_ADDRESS) hostName = true;
    else if (!IGNORED.has(type)) {
      // RFC 9260 §3.2.1: the highest bit says skip or stop, the second whether to report.
      // In the answer each stands in a parameter of its own, padded.
      const reportBytes = 4 + padded(raw.length);
      if ((type & UNKNOWN_PARAMETER_REPORT) !== 0 && reportedBytes + reportBytes <= MAX_REPORTED_BYTES) {
        unrecognized.push(raw);
        reportedBytes += reportBytes;
      }
      if ((type & UNKNOWN_PARAMETER_SKIP) === 0) break;
    }
  }
  return {
    initiateTag,
    receiveWindow,
    outboundStreams,
    inboundStreams,
    initialTsn,
    interleaving,
    forwardTsn,
    iForwardTsn,
    reconfig,
    cookie,
    unrecognized,
    hostName,
  };
}

// Understood and of no consequence: addresses mean nothing below DTLS (RFC 8261 §6.1), a cookie's life is ours to decide.
const IGNORED: ReadonlySet<number> = new Set([
  IPV4_ADDRESS,
  IPV6_ADDRESS,
  COOKIE_PRESERVATIVE,
  SUPPORTED_ADDRESS_TYPES,
  UNRECOGNIZED_PARAMETER,
]);

function extensions(...chunkTypes: readonly number[]): readonly Uint8Array[] {
  return [writeParameter(FORWARD_TSN_SUPPORTED), writeParameter(SUPPORTED_EXTENSIONS, Uint8Array.from(chunkTypes))];
}

function extensionsOf({ interleaving }: InitFields): readonly Uint8Array[] {
  return interleaving ? EXTENSIONS_WITH_INTERLEAVING : EXTENSIONS;
}

function writeFixed(fields: InitFields): Uint8Array {
  return new ByteWriter(16)
    .u32(fields.initiateTag)
    .u32(fields.receiveWindow)
    .u16(fields.outboundStreams)
    .u16(fields.inboundStreams)
    .u32(fields.initialTsn)
    .finish();
}
