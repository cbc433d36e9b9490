// SCTP packets (RFC 9260 section 3): checksum, and the walk over the chunks.
import { checksum } from "./crc32c";
import { BAD_CHECKSUM, BAD_LENGTH, CHUNK_TABLE, CHUNK_WORDS, MAX_CHUNKS, TOO_MANY_CHUNKS, TOO_SHORT, TRUNCATED } from "./layout";

/** Section 3.1: ports (4), verification tag (4), checksum (4). */
const COMMON_HEADER: u32 = 12;
const CHECKSUM: usize = 8;
/** Section 3.2: type (1), flags (1), length (2). */
const CHUNK_HEADER: u32 = 4;

const DATA: u32 = 0;
const SACK: u32 = 3;
const I_DATA: u32 = 64;
const FORWARD_TSN: u32 = 192;
const I_FORWARD_TSN: u32 = 194;

/** A mask for {@link checksum}: section 6.8 has the checksum field taken as zero. In memory it stays as it is. */
// prettier-ignore
const ALL_BUT_CHECKSUM: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
]);

function packetChecksum(packet: usize, length: u32): u32 {
  return checksum(packet, length, ALL_BUT_CHECKSUM);
}

/** The checksum travels least significant byte first (Appendix A). */
export function finishPacket(packet: usize, length: u32): void {
  if (length >= COMMON_HEADER) store<u32>(packet, packetChecksum(packet, length), CHECKSUM);
}

/** Returns the number of chunks described in the chunk table; src/wasm/layout.ts has its fields. */
export function parsePacket(packet: usize, length: u32, acceptZero: u32): i32 {
  if (length < COMMON_HEADER) return TOO_SHORT;
  const sum = load<u32>(packet, CHECKSUM);
  // RFC 9653 section 5.3: zero stands for "not computed" where both sides agreed on it, else it is a checksum like any other.
  if (!(acceptZero && sum == 0) && sum != packetChecksum(packet, length)) return BAD_CHECKSUM;

  const end = packet + length;
  let chunk = packet + COMMON_HEADER;
  let entry = CHUNK_TABLE;
  while (chunk < end) {
    const left = <u32>(end - chunk);
    if (left < CHUNK_HEADER) return TRUNCATED;
    const size = <u32>bswap<u16>(load<u16>(chunk, 2));
    if (size < CHUNK_HEADER) return BAD_LENGTH;
    if (size > left) return TRUNCATED;
    if (entry == CHUNK_TABLE + MAX_CHUNKS * CHUNK_WORDS * 4) return TOO_MANY_CHUNKS;
    if (!describe(entry, chunk, size)) return BAD_LENGTH;
    entry += CHUNK_WORDS * 4;
    // The length excludes the padding to a multiple of four (section 3.2). Padding missing at the very end is forgiven.
    chunk += (size + 3) & ~3;
  }
  return <i32>((entry - CHUNK_TABLE) / (CHUNK_WORDS * 4));
}

/** Fills one descriptor; false where the chunk is too short for its type. */
function describe(entry: usize, chunk: usize, size: u32): bool {
  const type = <u32>load<u8>(chunk);
  let fixed = CHUNK_HEADER;
  let tsn: u32 = 0;
  let second: u32 = 0;
  let third: u32 = 0;
  let fourth: u32 = 0;
  if (type == DATA) {
    // Section 3.3.1: TSN (4), stream identifier (2), stream sequence number (2), PPID (4), user data.
    fixed = 16;
    if (size < fixed) return false;
    tsn = bswap(load<u32>(chunk, 4));
    second = bswap<u16>(load<u16>(chunk, 8));
    third = bswap<u16>(load<u16>(chunk, 10));
    fourth = bswap(load<u32>(chunk, 12));
  } else if (type == SACK) {
    // Section 3.3.4: cumulative TSN ack (4), window (4), number of gap ack blocks (2), of duplicate TSNs (2), both lists.
    fixed = 16;
    if (size < fixed) return false;
    tsn = bswap(load<u32>(chunk, 4));
    second = bswap(load<u32>(chunk, 8));
    third = bswap<u16>(load<u16>(chunk, 12));
    fourth = bswap<u16>(load<u16>(chunk, 14));
    if (size != fixed + 4 * (third + fourth)) return false;
  } else if (type == FORWARD_TSN) {
    // RFC 3758 section 3.2: new cumulative TSN (4), then stream (2) and stream sequence number (2) each.
    fixed = 8;
    if (size < fixed || (size & 3)) return false;
    tsn = bswap(load<u32>(chunk, 4));
  } else if (type == I_DATA) {
    // RFC 8260 section 2.1: TSN (4), stream identifier (2), reserved (2), message identifier (4), PPID of a first fragment or
    // fragment sequence number of another (4), user data.
    fixed = 20;
    if (size < fixed) return false;
    tsn = bswap(load<u32>(chunk, 4));
    second = bswap<u16>(load<u16>(chunk, 8));
    third = bswap(load<u32>(chunk, 12));
    fourth = bswap(load<u32>(chunk, 16));
  } else if (type == I_FORWARD_TSN) {
    // RFC 8260 section 2.3.1: new cumulative TSN (4), then stream (2), flags (2) and message identifier (4) each.
    fixed = 8;
    if (size < fixed || (size & 7)) return false;
    tsn = bswap(load<u32>(chunk, 4));
  }
  store<u32>(entry, type | (<u32>load<u8>(chunk, 1) << 8) | (size << 16));
  store<u32>(entry, <u32>chunk + fixed, 4);
  store<u32>(entry, size - fixed, 8);
  store<u32>(entry, tsn, 12);
  store<u32>(entry, second, 16);
  store<u32>(entry, third, 20);
  store<u32>(entry, fourth, 24);
  store<u32>(entry, <u32>chunk, 28);
  return true;
}
