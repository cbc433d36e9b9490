// GHASH (NIST SP 800-38D section 6.4), constant time.

/** Bytes of a block turned round: bit 0 of the standard becomes the top bit of the high half. */
function high(block: v128): u64 {
  return bswap(v128.extract_lane<u64>(block, 0));
}

function low(block: v128): u64 {
  return bswap(v128.extract_lane<u64>(block, 1));
}

function join(high: u64, low: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(bswap(high)), 1, bswap(low));
}

/** SP 800-38D algorithm 1, with masks in place of its branches. */
export function multiply(x: v128, h: v128): v128 {
  let vh = high(h);
  let vl = low(h);
  let zh: u64 = 0;
  let zl: u64 = 0;
  let bits = high(x);
  for (let i = 0; i < 128; i++) {
    if (i == 64) bits = low(x); // a public condition
    const take = <u64>(<i64>bits >> 63);
    bits <<= 1;
    zh ^= vh & take;
    zl ^= vl & take;
    const carry = 0 - (vl & 1);
    vl = (vl >> 1) | (vh << 63);
    vh = (vh >> 1) ^ (carry & 0xe100000000000000);
  }
  return join(zh, zl);
}
