// The order of bytes in which the AES kernels keep the state. ShiftRows is never carried out ("fixslicing", A. Adomnicai
// and T. Peyrin, 2020): the state stays in unshifted order, and MixColumns of round i collects its bytes from where i
// ShiftRows would have taken them. Four ShiftRows are none, so there are four such orders.

/** Per round i = 1, 2, 3, 4: where the byte one row on stands, then those two and three rows on. */
// prettier-ignore
export const MIX: usize = memory.data<u8>([
  5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
  15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10,
  9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
  11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6,
  13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
  7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2,
  1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
  3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,
]);

/** ShiftRows undone i = 1, 2, 3, 4 times; undoing it twice and doing it twice are the same. */
// prettier-ignore
export const UNSHIFT: usize = memory.data<u8>([
  0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3,
  0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7,
  0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
]);

// The first round of a counter block. Byte 15 of it, the counter, reaches four bytes: 15 doubled, 0 and 5 as it is, 10 threefold,
// which is both. 0x80 makes `pick` give zero.

/** Per counter b of four: where SubBytes of it goes once, then where doubled. */
// prettier-ignore
export const OWN: usize = memory.data<u8>([
  0, 128, 128, 128, 128, 0, 128, 128, 128, 128, 0, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0, 128, 128, 128, 128, 0,
  1, 128, 128, 128, 128, 1, 128, 128, 128, 128, 1, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1, 128, 128, 128, 128, 1,
  2, 128, 128, 128, 128, 2, 128, 128, 128, 128, 2, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 2, 128, 128, 128, 128, 2,
  3, 128, 128, 128, 128, 3, 128, 128, 128, 128, 3, 128, 128, 128, 128, 128,
  128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 3, 128, 128, 128, 128, 3,
]);

/** Per plane k of four: the same from a row of four planes once, four doubled, four threefold. */
// prettier-ignore
export const OWN_PLANES: usize = memory.data<u8>([
  0, 128, 128, 128, 128, 0, 128, 128, 128, 128, 8, 128, 128, 128, 128, 4,
  1, 128, 128, 128, 128, 1, 128, 128, 128, 128, 9, 128, 128, 128, 128, 5,
  2, 128, 128, 128, 128, 2, 128, 128, 128, 128, 10, 128, 128, 128, 128, 6,
  3, 128, 128, 128, 128, 3, 128, 128, 128, 128, 11, 128, 128, 128, 128, 7,
]);
