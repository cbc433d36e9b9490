import { expect, test } from "vitest";
import { ByteWriter, toHex } from "../../../src/wire/bytes.ts";

test("a writer that has to grow keeps every field, whichever one it is that does not fit", () => {
  const writers: ((writer: ByteWriter) => void)[] = [
    (writer) => writer.u8(0xab),
    (writer) => writer.u16(0xabcd),
    (writer) => writer.u24(0xabcdef),
    (writer) => writer.u32(0xabcdef01),
    (writer) => writer.u48(0xabcdef012345),
    (writer) => writer.bytes(Uint8Array.of(0xab, 0xcd, 0xef)),
    (writer) => writer.vector(2, (inner) => inner.u8(0xab)),
  ];
  for (const [index, write] of writers.entries()) {
    const roomy = new ByteWriter(64).u8(1);
    const tight = new ByteWriter(1).u8(1);
    write(roomy);
    write(tight);
    expect(toHex(tight.finish()), `writer ${index}`).toBe(toHex(roomy.finish()));
  }
});
