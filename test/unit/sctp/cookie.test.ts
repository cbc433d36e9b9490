import { describe, expect, it } from "vitest";
import { type CookieState, openCookie, sealCookie } from "../../../src/sctp/cookie.ts";
import { tsn } from "../../../src/wire/serial.ts";

const KEY = new Uint8Array(32).fill(7);
const STATE: CookieState = {
  localTag: 0xdeadbeef,
  peerTag: 0xcafef00d,
  localInitialTsn: tsn(0xffffffff),
  peerInitialTsn: tsn(0),
  peerWindow: 0xffffffff,
  peerOutboundStreams: 65_535,
  peerInboundStreams: 1,
  forwardTsn: true,
  reconfig: false,
  interleaving: true,
  iForwardTsn: false,
  tieLocalTag: 1,
  tiePeerTag: 2,
  createdAt: 123_456.789,
};

describe("the state cookie", () => {
  it("brings back what was put into it", () => {
    expect(openCookie(KEY, sealCookie(KEY, STATE))).toEqual(STATE);
    const other = {
      ...STATE,
      forwardTsn: false,
      reconfig: true,
      interleaving: false,
      iForwardTsn: true,
      createdAt: 0,
    };
    expect(openCookie(KEY, sealCookie(KEY, other))).toEqual(other);
  });

  it("is not ours with one bit changed, wherever it is", () => {
    const cookie = sealCookie(KEY, STATE);
    for (let bit = 0; bit < cookie.length * 8; bit++) {
      const forged = cookie.slice();
      forged[bit >> 3] ^= 1 << (bit & 7);
      expect(openCookie(KEY, forged), `bit ${bit}`).toBeUndefined();
    }
  });

  it("is not ours under another key or with another length", () => {
    const cookie = sealCookie(KEY, STATE);
    expect(openCookie(new Uint8Array(32), cookie)).toBeUndefined();
    for (let length = 0; length < cookie.length; length++) {
      expect(openCookie(KEY, cookie.subarray(0, length))).toBeUndefined();
    }
    expect(openCookie(KEY, Uint8Array.of(...cookie, 0))).toBeUndefined();
  });
});
