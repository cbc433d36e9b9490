import "./relaxed.ts";
import { expect, describe, test } from "vitest";
import { BAD_LENGTH, BAD_SLOT, BAD_TAG, Datapath, TOO_SHORT } from "../../../src/wasm/datapath.ts";
import { instantiateKernels, preferredBuild } from "../../../src/wasm/kernels.ts";
import * as layout from "../../../src/wasm/layout.ts";
import { Random } from "./random.ts";

function occurrences(memory: Uint8Array, bytes: Uint8Array): number {
  const haystack = Buffer.from(memory.buffer);
  let count = 0;
  for (let at = haystack.indexOf(bytes); at >= 0; at = haystack.indexOf(bytes, at + 1)) count++;
  return count;
}

describe.each(["simd", "relaxed", "jsc"] as const)("Datapath, %s build", (build) => {
  const random = new Random(1);
  const key = random.bytes(16);
  const iv = random.bytes(12);

  test("no byte of linear memory differs once a key has been used and released", () => {
    const path = new Datapath({ build, keySlots: 3, txSlots: 2 });
    const before = path.memory.slice();
    const slot = path.acquireKey(key, iv);
    path.setRecordNumberKey(slot, random.bytes(16));
    path.memory.set(random.bytes(700), path.rxOffset + 21);
    const length = path.seal12(slot, path.rxOffset, 23, 1, 1, 700);
    expect(path.open12(slot, path.rxOffset, length)).toBe(700);
    path.seal13(slot, path.rxOffset, 5, 1, 40);
    path.recordNumberMask(slot, path.rxOffset + 5);
    path.hmacSha1("p".repeat(70), path.rxOffset, 100, path.rxOffset);
    path.verifyHmacSha1("p".repeat(24), path.rxOffset, 100, path.rxOffset);
    path.memory.fill(0, path.rxOffset, path.rxOffset + 1000);
    path.releaseKey(slot);
    const differences: number[] = [];
    path.memory.forEach((byte, at) => {
      if (byte !== before[at]) differences.push(at);
    });
    expect(differences).toEqual([]);
  });

  test("neither key nor iv stays where it was handed over, not even while the slot is in use", () => {
    const path = new Datapath({ build, keySlots: 2 });
    const slot = path.acquireKey(key, iv);
    // The first round key of FIPS 197 is the key itself: once in the slot, nowhere else. The same for the record number key.
    expect(occurrences(path.memory, key)).toBe(1);
    expect(occurrences(path.memory, iv)).toBe(1);
    const numberKey = random.bytes(16);
    path.setRecordNumberKey(slot, numberKey);
    expect(occurrences(path.memory, numberKey)).toBe(1);
    path.releaseKey(slot);
    expect(occurrences(path.memory, key)).toBe(0);
    expect(occurrences(path.memory, numberKey)).toBe(0);
    expect(occurrences(path.memory, iv)).toBe(0);
  });

  test("a 4-byte salt behind a 12-byte iv leaves nothing of the iv", () => {
    const path = new Datapath({ build, keySlots: 1 });
    path.releaseKey(path.acquireKey(key, new Uint8Array(12).fill(0xee)));
    path.acquireKey(key, new Uint8Array(4).fill(0xdd));
    expect(occurrences(path.memory, new Uint8Array(8).fill(0xee))).toBe(0);
  });

  test("acquireKey gives each slot once, then -1, and takes a released one again", () => {
    const path = new Datapath({ build, keySlots: 3 });
    const slots = [0, 1, 2].map(() => path.acquireKey(key, iv));
    expect(new Set(slots).size).toBe(3);
    expect(path.freeKeySlots).toBe(0);
    expect(path.acquireKey(key, iv)).toBe(-1);
    path.releaseKey(slots[1] as number);
    expect(path.freeKeySlots).toBe(1);
    expect(path.acquireKey(key, iv)).toBe(slots[1]);
  });

  test("releasing a slot twice, or one that never was, throws", () => {
    const path = new Datapath({ build, keySlots: 2 });
    const slot = path.acquireKey(key, iv);
    path.releaseKey(slot);
    for (const wrong of [slot, 1, 2, -1, 2 ** 31]) expect(() => path.releaseKey(wrong)).toThrow(RangeError);
    expect(path.freeKeySlots).toBe(2);
    expect(() => path.setRecordNumberKey(slot, key)).toThrow(RangeError);
  });

  test("a slot that is not in use neither seals nor opens, and touches nothing", () => {
    const path = new Datapath({ build, keySlots: 2 });
    const before = path.memory.slice();
    for (const slot of [0, 1, 2, -1, 2 ** 31 - 1]) {
      expect(path.seal12(slot, path.rxOffset, 23, 1, 1, 100)).toBe(BAD_SLOT);
      expect(path.open12(slot, path.rxOffset, 100)).toBe(BAD_SLOT);
      expect(path.seal13(slot, path.rxOffset, 5, 1, 100)).toBe(BAD_SLOT);
      expect(path.open13(slot, path.rxOffset, 5, 1, 100)).toBe(BAD_SLOT);
      expect(path.sealRaw(slot, 0, 0, 0, path.rxOffset, 100)).toBe(BAD_SLOT);
      expect(path.openRaw(slot, 0, 0, 0, path.rxOffset, 100)).toBe(BAD_SLOT);
      expect(path.encryptBlock(slot, path.rxOffset)).toBe(BAD_SLOT);
      expect(path.recordNumberMask(slot, path.rxOffset)).toBe(BAD_SLOT);
    }
    expect(Buffer.compare(path.memory, before)).toBe(0);
  });

  test("a slot without a record number key has no mask", () => {
    const path = new Datapath({ build, keySlots: 1 });
    expect(path.recordNumberMask(path.acquireKey(key, iv), path.rxOffset)).toBe(BAD_SLOT);
  });

  test("open12 names what is wrong with a record", () => {
    const path = new Datapath({ build, keySlots: 1 });
    const slot = path.acquireKey(key, iv.subarray(0, 4));
    const at = path.rxOffset;
    const length = path.seal12(slot, at, 23, 1, 9, 30);
    expect(path.open12(slot, at, 36)).toBe(TOO_SHORT);
    expect(path.open12(slot, at, 0)).toBe(TOO_SHORT);
    expect(path.open12(slot, at, length - 1)).toBe(BAD_LENGTH);
    expect(path.open12(slot, at, length + 1)).toBe(BAD_LENGTH);
    path.view.setUint8(at, 22);
    expect(path.open12(slot, at, length)).toBe(BAD_TAG);
    path.view.setUint8(at, 23);
    expect(path.open12(slot, at, length)).toBe(30);
    expect(path.open13(slot, at, 5, 0, 15)).toBe(TOO_SHORT);
  });

  test("sequence numbers from 0 to 2^48 - 1 arrive in the header", () => {
    const path = new Datapath({ build, keySlots: 1 });
    const slot = path.acquireKey(key, iv.subarray(0, 4));
    const at = path.rxOffset;
    for (const sequence of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x1_0000_0000, 2 ** 47 + 3, 2 ** 48 - 1]) {
      for (const epoch of [0, 1, 0x7fff, 0x8000, 0xffff]) {
        path.seal12(slot, at, 23, epoch, sequence, 0);
        expect(path.view.getUint16(at + 3)).toBe(epoch);
        expect(path.view.getUint16(at + 5) * 0x1_0000_0000 + path.view.getUint32(at + 7)).toBe(sequence);
      }
    }
  });

  test("a TX slot comes round again after all others", () => {
    const path = new Datapath({ build, keySlots: 1, txSlots: 5 });
    const offsets = Array.from({ length: 11 }, () => path.nextTx());
    expect(new Set(offsets).size).toBe(5);
    expect(offsets.slice(5, 10)).toEqual(offsets.slice(0, 5));
    for (const offset of offsets) {
      expect(offset).toBeGreaterThanOrEqual(path.rxOffset + path.rxBytes);
      expect((offset - (offsets[0] as number)) % path.txBytes).toBe(0);
    }
  });

  test("after a switch the slots of the former TX ring stay untouched until the next switch", () => {
    const path = new Datapath({ build, keySlots: 1, txSlots: 4 });
    const take = () => Array.from({ length: 9 }, () => path.nextTx());
    const first = new Set(take());
    path.switchTx();
    const second = new Set(take());
    expect([first.size, second.size]).toEqual([4, 4]);
    for (const offset of second)
      for (const other of first) expect(Math.abs(offset - other)).toBeGreaterThanOrEqual(path.txBytes);
    path.switchTx();
    expect(new Set(take())).toEqual(first);
    // The last slot of the second ring ends before the keys begin: a key in slot 0 survives it.
    const slot = path.acquireKey(key, iv.subarray(0, 4));
    const record = path.nextTx();
    const length = path.seal12(slot, record, 23, 1, 0, 5);
    const sealed = path.memory.slice(record, record + length);
    for (const offset of [...first, ...second]) path.memory.fill(0xff, offset, offset + path.txBytes);
    path.memory.set(sealed, record);
    expect(path.open12(slot, record, length)).toBe(5);
  });

  test("packet slots are handed out once each, apart from all else, the one given back last first", () => {
    const path = new Datapath({ build, keySlots: 2, txSlots: 2, packetSlots: 3 });
    const slots = Array.from({ length: 3 }, () => path.acquirePacket());
    expect(path.acquirePacket()).toBe(-1);
    const used = path.acquireKey(key, iv.subarray(0, 4));
    const record = path.nextTx();
    const length = path.seal12(used, record, 23, 1, 0, 5);
    for (const slot of slots) path.memory.fill(0xff, slot, slot + layout.PACKET_SLOT_BYTES);
    expect(path.open12(used, record, length)).toBe(5);
    slots.sort((a, b) => a - b);
    expect(slots.slice(1).map((slot, i) => slot - slots[i])).toEqual([
      layout.PACKET_SLOT_BYTES,
      layout.PACKET_SLOT_BYTES,
    ]);
    expect(slots[2] + layout.PACKET_SLOT_BYTES).toBeLessThanOrEqual(path.memory.length);
    path.releasePacket(slots[2]);
    path.releasePacket(slots[0]);
    expect([path.acquirePacket(), path.acquirePacket(), path.acquirePacket()]).toEqual([slots[0], slots[2], -1]);
  });

  test("after a switch the packet slot that is given back next is not used until the next switch", () => {
    const path = new Datapath({ build, keySlots: 1, packetSlots: 2 });
    const [held, other] = [path.acquirePacket(), path.acquirePacket()];
    path.switchTx();
    path.releasePacket(held);
    path.releasePacket(other);
    expect([path.acquirePacket(), path.acquirePacket()]).toEqual([other, -1]);
    path.switchTx();
    expect(path.acquirePacket()).toBe(held);
  });

  test("several records in one TX slot leave one another alone", () => {
    const path = new Datapath({ build, keySlots: 1 });
    const slot = path.acquireKey(key, iv.subarray(0, 4));
    const lengths = [0, 1, 5, 16, 31, 100, 113, 250, 700, 3, 90, 15];
    const texts = lengths.map((length) => random.bytes(length));
    const start = path.nextTx();
    let end = start;
    texts.forEach((text, sequence) => {
      path.memory.set(text, end + 21);
      end += path.seal12(slot, end, 23, 1, sequence, text.length);
    });
    // In any order: opening one must not disturb those before and behind it.
    for (const pick of [5, 0, 11, 3, 8, 1, 10, 7, 2, 9, 4, 6]) {
      const at = start + lengths.slice(0, pick).reduce((sum, length) => sum + length + 37, 0);
      const length = lengths[pick] as number;
      expect(path.open12(slot, at, length + 37)).toBe(length);
      expect(path.memory.slice(at + 21, at + 21 + length)).toEqual(texts[pick]);
    }
  });

  test("slots keep apart: a record of one key does not open with another's", () => {
    const path = new Datapath({ build, keySlots: 50 });
    const slots = Array.from({ length: 50 }, () => path.acquireKey(random.bytes(16), random.bytes(4)));
    for (const slot of slots) {
      const length = path.seal12(slot, path.rxOffset, 23, 1, 1, 60);
      for (const other of slots.slice(0, 5)) {
        if (other !== slot) expect(path.open12(other, path.rxOffset, length)).toBe(BAD_TAG);
      }
      expect(path.open12(slot, path.rxOffset, length)).toBe(60);
    }
  });

  test("the layout that JavaScript knows is the one of the kernels", () => {
    const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
    const exports = instantiateKernels(build, memory) as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(layout)) {
      const exported = exports[name];
      if (exported instanceof WebAssembly.Global) expect(exported.value, name).toBe(value);
    }
    for (const name of [
      "RX",
      "TX",
      "TX_BYTES",
      "KEY_BYTES",
      "KEY_INPUT",
      "MAC_KEY",
      "MAC_KEY_BYTES",
      "MAC_BYTES",
      "CHUNK_TABLE",
      "CHUNK_WORDS",
      "MAX_CHUNKS",
      "BAD_TAG",
    ]) {
      expect(exports[name], name).toBeInstanceOf(WebAssembly.Global);
    }
  });
});

test("arguments out of range are refused with their name and limit", () => {
  for (const wrong of [0, -1, 1.5, Number.NaN, 1_000_001]) {
    expect(() => new Datapath({ keySlots: wrong })).toThrow(/keySlots must be an integer from 1 to 1000000/);
  }
  expect(() => new Datapath({ txSlots: 0 })).toThrow(/txSlots must be an integer from 1 to 65536/);
  expect(() => new Datapath({ packetSlots: 0 })).toThrow(/packetSlots must be an integer from 1 to 65536/);
  const path = new Datapath({ keySlots: 1 });
  expect(() => path.acquireKey(new Uint8Array(15), new Uint8Array(4))).toThrow(/key must have 16 bytes, not 15/);
  expect(() => path.acquireKey(new Uint8Array(16), new Uint8Array(8))).toThrow(/iv must have 4 or 12 bytes, not 8/);
  expect(path.freeKeySlots).toBe(1);
});

test("the build chosen by default is one this runtime accepts, and two instances share nothing but code", () => {
  expect(["simd", "relaxed", "jsc"]).toContain(preferredBuild());
  const [one, other] = [new Datapath({ keySlots: 1 }), new Datapath({ keySlots: 1 })];
  expect(one.build).toBe(preferredBuild());
  one.memory.fill(7, one.rxOffset, one.rxOffset + 10);
  expect(other.memory[other.rxOffset]).toBe(0);
});
