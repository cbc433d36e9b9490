// CRC32c (RFC 9260 Appendix A; polynomial 0x1EDC6F41, bits reflected). A checksum, not a secret: tables are fine here.
import { CRC_TABLES } from "./layout";

const POLYNOMIAL: u32 = 0x82f63b78;

/** Table k holds the effect of a byte that is followed by k more bytes ("slicing"). */
export function buildTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
    store<u32>(CRC_TABLES + (byte << 2), crc);
  }
  for (let entry = CRC_TABLES; entry < CRC_TABLES + 0x3c00; entry += 4) {
    const crc = load<u32>(entry);
    store<u32>(entry, (crc >> 8) ^ load<u32>(CRC_TABLES + ((crc & 0xff) << 2)), 0x400);
  }
}

function look(table: usize, byte: u32): u32 {
  return load<u32>(CRC_TABLES + (table << 10) + ((byte & 0xff) << 2));
}

/** Continues `crc` (not inverted) over bytes. */
export function update(crc: u32, data: usize, length: u32): u32 {
  const end = data + length;
  for (; data + 16 <= end; data += 16) {
    const a = load<u32>(data) ^ crc;
    const b = load<u32>(data, 4);
    const c = load<u32>(data, 8);
    const d = load<u32>(data, 12);
    crc =
      look(15, a) ^ look(14, a >> 8) ^ look(13, a >> 16) ^ look(12, a >> 24) ^
      look(11, b) ^ look(10, b >> 8) ^ look(9, b >> 16) ^ look(8, b >> 24) ^
      look(7, c) ^ look(6, c >> 8) ^ look(5, c >> 16) ^ look(4, c >> 24) ^
      look(3, d) ^ look(2, d >> 8) ^ look(1, d >> 16) ^ look(0, d >> 24);
  }
  for (; data + 4 <= end; data += 4) {
    const a = load<u32>(data) ^ crc;
    crc = look(3, a) ^ look(2, a >> 8) ^ look(1, a >> 16) ^ look(0, a >> 24);
  }
  for (; data < end; data++) crc = (crc >> 8) ^ look(0, crc ^ load<u8>(data));
  return crc;
}

export function crc32c(data: usize, length: u32): u32 {
  return ~update(0xffffffff, data, length);
}
