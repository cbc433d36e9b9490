/** What JavaScript needs to know of `assembly/layout.ts`; a test compares the two. */

/** Where a key and its iv are handed over; wiped by the call that reads them. */
export const KEY_INPUT = 0x2000;
export const IV_INPUT = 0x2010;

/** Where the key of an HMAC is handed over; wiped by the call that reads it. */
export const MAC_KEY = 0x2600;
/** RFC 8839 section 5.4: the longest password of ICE. */
export const MAC_KEY_BYTES = 256;
/** An HMAC-SHA1. */
export const MAC_BYTES = 20;

export const RX = 0x7000;
/** A UDP payload has at most 65,507 bytes. */
export const RX_BYTES = 0x10000;

export const TX = 0x18000;
export const TX_BYTES = 2432;

/** What a record may put in front of its packet, and behind it (`dtls/record.ts`: 21 and 17 bytes at most). */
export const RECORD_MARGIN_BYTES = 32;
/**
 * A slot for a packet under construction: DATA stands in its second half, so that whatever the packet gets in front of it when it
 * leaves has room, and nothing is moved. 1,464 bytes of chunks, twice, and the common header between two margins; a multiple of
 * the cache line.
 */
export const PACKET_SLOT_BYTES = 3008;

export const KEY_BYTES = 1216;

export const CHUNK_TABLE = 0x2a00;
export const MAX_CHUNKS = 512;

/**
 * Words (32 bits) of one descriptor in the chunk table.
 *
 * | word | every chunk | DATA (0), I-DATA (64) | SACK (3) | FORWARD TSN (192), I-FORWARD-TSN (194) |
 * |---|---|---|---|---|
 * | 0 | type, flags << 8, length field << 16 | | | |
 * | 1 | body offset: the value, absolute in memory | user data | gap ack blocks, then duplicate TSNs | streams, 4 or 8 bytes each |
 * | 2 | body length, without padding | of the user data | of both | of the streams |
 * | 3 | 0 | TSN | cumulative TSN ack | new cumulative TSN |
 * | 4 | 0 | stream identifier | advertised receiver window | 0 |
 * | 5 | 0 | stream sequence number; I-DATA: message identifier | number of gap ack blocks | 0 |
 * | 6 | 0 | PPID; I-DATA that does not begin a message: fragment sequence number | number of duplicate TSNs | 0 |
 * | 7 | chunk offset: its type byte, absolute in memory | | | |
 *
 * A DATA or I-DATA chunk without user data is reported with body length 0; what to do about it is the association's business.
 */
export const CHUNK_WORDS = 8;
export const CHUNK_HEAD = 0;
export const CHUNK_BODY = 1;
export const CHUNK_BODY_LENGTH = 2;
export const CHUNK_TSN = 3;
export const CHUNK_STREAM = 4;
export const CHUNK_SSN = 5;
export const CHUNK_PPID = 6;
export const CHUNK_WINDOW = 4;
export const CHUNK_GAPS = 5;
export const CHUNK_DUPLICATES = 6;
export const CHUNK_OFFSET = 7;

/** The tag does not fit: forged, damaged, or another key. The record is left as it was. */
export const BAD_TAG = -1;
/** Shorter than its own headers. */
export const TOO_SHORT = -2;
/** A length field that contradicts itself or what is around it. */
export const BAD_LENGTH = -3;
/** The packet's CRC32c does not fit. */
export const BAD_CHECKSUM = -4;
/** A chunk reaches past the end of its packet. */
export const TRUNCATED = -5;
/** More than {@link MAX_CHUNKS} chunks. */
export const TOO_MANY_CHUNKS = -6;
/** The key slot is free, or lacks the key this call needs. */
export const BAD_SLOT = -7;
