// Every export of the kernels. All arguments and results are integers of 32 bits; src/wasm/datapath.ts is their typed view.
import { buildRows, crc32c } from "./crc32c";
import { installKey, installNumberKey, placeKeys, wipeKey } from "./keys";
import {
  BAD_CHECKSUM, BAD_LENGTH, BAD_SLOT, BAD_TAG, CHUNK_TABLE, CHUNK_WORDS, IV_INPUT, KEY_BYTES, KEY_INPUT, MAC_BYTES,
  MAC_KEY, MAC_KEY_BYTES, MAX_CHUNKS, RX, RX_BYTES, STATIC_END, TOO_MANY_CHUNKS, TOO_SHORT, TRUNCATED, TX, TX_BYTES,
} from "./layout";
import { encryptBlock, numberMask, open12, open13, openRaw, seal12, seal13, sealRaw } from "./record";
import { finishPacket, parsePacket } from "./sctp";
import { hmacSha1, verifyHmacSha1 } from "./sha1";

export { crc32c, encryptBlock, finishPacket, installKey, installNumberKey, numberMask, open12, open13, openRaw, parsePacket };
export { hmacSha1, seal12, seal13, sealRaw, verifyHmacSha1, wipeKey };
/** For the test that compares src/wasm/layout.ts with layout.ts, and for the build's own check. */
export { CHUNK_TABLE, CHUNK_WORDS, IV_INPUT, KEY_BYTES, KEY_INPUT, MAC_BYTES, MAC_KEY, MAC_KEY_BYTES, MAX_CHUNKS };
export { RX, RX_BYTES, STATIC_END, TX, TX_BYTES };
export { BAD_CHECKSUM, BAD_LENGTH, BAD_SLOT, BAD_TAG, TOO_MANY_CHUNKS, TOO_SHORT, TRUNCATED };

/** Once per instance, before anything else. */
export function initialize(keysOffset: usize, keySlots: u32): void {
  placeKeys(keysOffset, keySlots);
  buildRows();
}
