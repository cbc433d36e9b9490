import { ByteReader, ByteWriter } from "../wire/bytes.ts";
import { type Tsn, tsn } from "../wire/serial.ts";
import {
  chunkEnd,
  OUTGOING_SSN_RESET,
  parseParameters,
  RE_CONFIG,
  RECONFIG_RESPONSE,
  writeChunk,
  writeParameter,
} from "./packet.ts";

/** Results of a RE-CONFIG request (RFC 6525 §4.4). */
export const RESULT_NOTHING_TO_DO = 0x0;
export const RESULT_PERFORMED = 0x1;
export const RESULT_DENIED = 0x2;
export const RESULT_BAD_SEQUENCE = 0x5;
export const RESULT_IN_PROGRESS = 0x6;

/**
 * Outgoing SSN Reset Request (RFC 6525 §4.1), inside a RE-CONFIG chunk (§3.1: type 130, no flags, one or two parameters):
 *
 * ```
 * +-------------------------------+-------------------------------+
 * |       parameter type 13       |     length (16 + 2 · streams) |
 * +-------------------------------+-------------------------------+
 * |                    request sequence number                    |
 * +---------------------------------------------------------------+
 * |                    response sequence number                   |
 * +---------------------------------------------------------------+
 * |                 sender's last assigned TSN                    |
 * +-------------------------------+-------------------------------+
 * |   stream (none: all of them)  |              …                |
 * ```
 */
export interface OutgoingReset {
  readonly requestSequence: Tsn;
  readonly responseSequence: Tsn;
  readonly lastTsn: Tsn;
  /** Empty: every stream. */
  readonly streamIds: readonly number[];
}

/** Re-configuration Response (RFC 6525 §4.4): response sequence number, result, nothing else we ask for. */
export interface ResetResponse {
  readonly responseSequence: Tsn;
  readonly result: number;
}

/** One parameter of a RE-CONFIG chunk; `other` is a request we do not serve. */
export type ReconfigParameter =
  | { readonly kind: "outgoing-reset"; readonly reset: OutgoingReset }
  | { readonly kind: "response"; readonly response: ResetResponse }
  | { readonly kind: "other"; readonly requestSequence: Tsn };

export function writeOutgoingReset(reset: OutgoingReset): Uint8Array {
  const value = new ByteWriter(12 + 2 * reset.streamIds.length)
    .u32(reset.requestSequence)
    .u32(reset.responseSequence)
    .u32(reset.lastTsn);
  for (const streamId of reset.streamIds) value.u16(streamId);
  return writeChunk(RE_CONFIG, 0, ...chunkEnd([writeParameter(OUTGOING_SSN_RESET, value.finish())]));
}

export function writeResetResponse(response: ResetResponse): Uint8Array {
  const value = new ByteWriter(8).u32(response.responseSequence).u32(response.result).finish();
  return writeChunk(RE_CONFIG, 0, writeParameter(RECONFIG_RESPONSE, value));
}

/** The value of a RE-CONFIG chunk; `undefined` where it is malformed or holds more than the two parameters allowed. */
export function parseReconfig(body: Uint8Array): ReconfigParameter[] | undefined {
  const parameters = parseParameters(body);
  if (parameters === undefined || parameters.length < 1 || parameters.length > 2) return undefined;
  const parsed: ReconfigParameter[] = [];
  for (const { type, value } of parameters) {
    const reader = new ByteReader(value);
    const sequence = tsn(reader.u32());
    if (type === OUTGOING_SSN_RESET) {
      const responseSequence = tsn(reader.u32());
      const lastTsn = tsn(reader.u32());
      const streamIds: number[] = [];
      while (reader.remaining > 0) streamIds.push(reader.u16());
      parsed.push({
        kind: "outgoing-reset",
        reset: { requestSequence: sequence, responseSequence, lastTsn, streamIds },
      });
    } else if (type === RECONFIG_RESPONSE) {
      parsed.push({ kind: "response", response: { responseSequence: sequence, result: reader.u32() } });
    } else {
      parsed.push({ kind: "other", requestSequence: sequence });
    }
    if (reader.failed) return undefined;
  }
  return parsed;
}
