// Where everything lives in linear memory. src/wasm/layout.ts repeats the numbers that JavaScript needs; a test compares
// the two through the globals exported by index.ts.
//
//   0x00000  constants placed by the compiler (permutation tables, masks)
//   0x02000  scratch: where key material enters (wiped at once), block buffers of the record kernels
//   0x02700  CRC32c rows
//   0x02a00  chunk table, 512 x 32 B; the first entries share a page with what is in front
//   0x07000  RX: one received datagram
//   0x18000  TX: ring of slots, one finished datagram each
//   …        key slots
//   …        slots for packets under construction
//
// The ring's length and the number of slots are chosen by JavaScript, so everything behind TX is computed there.

/** The compiler's own data must end below this address; the build checks it. */
export const STATIC_END: usize = 0x2000;

/** Key (16 B), then salt or iv (12 B): written by JavaScript, wiped by the call that reads it. */
export const KEY_INPUT: usize = 0x2000;
export const IV_INPUT: usize = 0x2010;
/** Key stream on its way to the data: 8 blocks, wiped at the end of each call. */
export const STREAM: usize = 0x2040;
/** Blocks of a record put together for GHASH; wiped at the end of each call. */
export const BLOCKS: usize = 0x20c0;
/** Written and never read, ghash.ts says why; wiped at the end of each call. */
export const ANCHORS: usize = 0x2100;
/** Factors of SubBytes, in the build for JavaScriptCore; wiped at the end of each call. */
export const ASIDE: usize = 0x2300;
export const ASIDE_BYTES: usize = 18 * 16;

/** SHA-1: the words of one block, expanded to 80; the state (20 B); the result (20 B). Wiped at the end of each call, with the key. */
export const SHA_SCHEDULE: usize = 0x2480;
export const SHA_STATE: usize = 0x25c0;
export const SHA_DIGEST: usize = 0x25e0;
/** The key of an HMAC: written by JavaScript, wiped by the call that reads it. */
export const MAC_KEY: usize = 0x2600;
/** RFC 8839 section 5.4: the longest password of ICE. */
export const MAC_KEY_BYTES: u32 = 256;
export const MAC_BYTES: u32 = 20;

/** Rows of CRC32c for six distances, 8 x 16 B each: 12 cache lines. */
export const CRC_ROWS: usize = 0x2700;

export const CHUNK_TABLE: usize = 0x2a00;
/** Words of 32 bits per descriptor; the fields are described in src/wasm/layout.ts. */
export const CHUNK_WORDS: u32 = 8;
/** A packet of 2 KiB holds at most (2048 - 12) / 4 = 509 chunks. */
export const MAX_CHUNKS: u32 = 512;

export const RX: usize = 0x7000;
export const RX_BYTES: u32 = 0x10000;

export const TX: usize = 0x18000;
/** Room for a datagram on any path in use (1,500 B) with headers and tags, and a multiple of the cache line. */
export const TX_BYTES: u32 = 2432;

// One key slot: the expanded keys of one epoch in one direction, in 19 cache lines. A short record reads 16 of them, and three
// more for its number in DTLS 1.3.
/** 0: free; see the KEY_… bits. */
export const KEY_STATE: usize = 0;
/** DTLS 1.2: salt in the first 4 bytes; DTLS 1.3: the iv, 12 bytes; the rest is zero. */
export const KEY_IV: usize = 4;
/** The first round's SubBytes of the counters 8n + 1 … 8n + 8, as planes: 8 B for each n below KEY_BATCHES. */
export const KEY_COUNTERS: usize = 16;
/** Up to 1,264 B of data. */
export const KEY_BATCHES: u32 = 10;
/** DTLS 1.3's record number key, as KEY_ROUNDS. */
export const KEY_NUMBER: usize = 96;
/** AES-128 round keys, 11 x 16 B, in the order of sliced.ts. */
export const KEY_ROUNDS: usize = 272;
/** GHASH: products of H, H², H³. */
export const KEY_HASH: usize = 448;
/** One power: 16 rows of 16 B. */
export const HASH_BYTES: u32 = 256;
export const KEY_BYTES: u32 = 1216;

export const KEY_HAS_AEAD: u32 = 1;
export const KEY_HAS_NUMBER: u32 = 2;

// Results below zero.
export const BAD_TAG: i32 = -1;
export const TOO_SHORT: i32 = -2;
export const BAD_LENGTH: i32 = -3;
export const BAD_CHECKSUM: i32 = -4;
export const TRUNCATED: i32 = -5;
export const TOO_MANY_CHUNKS: i32 = -6;
export const BAD_SLOT: i32 = -7;
