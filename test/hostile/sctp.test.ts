import { expect, test } from "vitest";
import { checkMemory, initChunk, packetOf, SctpSide } from "./support/sctp.ts";

test("an INIT full of parameters that ask to be reported is answered with one packet, not with what fits nowhere", () => {
  for (const count of [1, 200, 400, 5_000, 15_000]) {
    const side = new SctpSide("init");
    const unknown = Uint8Array.of(0xc0, 0x77, 0, 4);
    side.handle(0, packetOf(0, initChunk(...Array.from({ length: count }, () => unknown))));
    checkMemory();
    expect(side.sent.length).toBe(1);
  }
});
