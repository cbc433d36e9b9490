import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerCheck, type LiteSession } from "../../src/ice/lite.ts";
import {
  BINDING_REQUEST,
  errorCodeOf,
  hasUsername,
  localUfragOf,
  META_DTLS_IN_STUN,
  parseBindingRequest,
  parseStun,
  STUN_HEADER_BYTES,
  type StunMessage,
  verifyFingerprint,
  verifyIntegrity,
  xorMappedAddress,
} from "../../src/ice/stun.ts";
import { writeBindingRequest, writeStun } from "../../src/ice/stun-write.ts";
import { Datapath } from "../../src/wasm/datapath.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE, SAMPLE_REQUEST, TRANSACTION_ID } from "../vectors/rfc5769.ts";
import { fuzzTests } from "./support/fuzz.ts";
import { growthOf } from "./support/memory.ts";
import { bitFlips, extremeBytes, type LengthField, readField, truncations, wrongLengths } from "./support/variants.ts";

const session: LiteSession = { localUfrag: "localufr", localPwd: "p".repeat(24), remoteUfrag: "5qfx" };
const key = new TextEncoder().encode(session.localPwd);
const datapath = new Datapath({ keySlots: 1 });
const source = { address: "198.51.100.4", port: 50000 };

const check = writeBindingRequest({
  transactionId: TRANSACTION_ID,
  username: "localufr:5qfx",
  key,
  priority: 0x6e001eff,
  tieBreaker: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  role: "controlling",
  useCandidate: true,
  extra: [
    { type: 0xc057, value: Uint8Array.of(0, 0, 3, 0xe7) },
    { type: META_DTLS_IN_STUN, value: new Uint8Array(37) },
  ],
});
const wellFormed = [check, SAMPLE_REQUEST, SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE];

/** Everything that anybody does with a datagram of unknown origin. Throws where an invariant breaks. */
function handle(datagram: Uint8Array): "dropped" | "answered" {
  const any = parseStun(datagram);
  if (typeof any !== "string") readEverything(any);
  const request = parseBindingRequest(datagram);
  if (typeof request === "string") return "dropped";
  const outcome = answerCheck(session, request, source, datapath);
  if (outcome.kind === "drop") return "dropped";
  assert(outcome.response.length <= 3 * datagram.length);
  return "answered";
}

function readEverything(message: StunMessage): void {
  hasUsername(message, "localufr", "5qfx");
  localUfragOf(message);
  xorMappedAddress(message);
  errorCodeOf(message);
  verifyFingerprint(message);
  verifyIntegrity(message, key);
  const end = message.bytes.byteOffset + message.bytes.length;
  for (const { value } of message.attributes) assert(value.byteOffset + value.length <= end);
}

function lengthFields(bytes: Uint8Array): LengthField[] {
  const fields: LengthField[] = [{ offset: 2, bytes: 2 }];
  for (let at = STUN_HEADER_BYTES; at < bytes.length; at += 4 + ((readField(bytes, at + 2, 2) + 3) & ~3)) {
    fields.push({ offset: at + 2, bytes: 2 });
  }
  return fields;
}

/** What an attacker can do who knows the format but no password: a right length and FINGERPRINT on whatever content. */
function resealed(content: Uint8Array, withKey?: Uint8Array): Uint8Array {
  const attributes = [];
  for (let at = 0; at + 4 <= content.length; ) {
    const end = at + 4 + readField(content, at + 2, 2);
    attributes.push({ type: readField(content, at, 2), value: content.subarray(at + 4, end) });
    at = end;
  }
  return writeStun(BINDING_REQUEST, TRANSACTION_ID, attributes, withKey);
}

test("the check itself is answered", () => {
  expect(handle(check)).toBe("answered");
});

test("every truncation is dropped", () => {
  for (const message of wellFormed) {
    for (const cut of truncations(message)) expect(handle(cut), `${cut.length} bytes`).toBe("dropped");
  }
});

test("every length field at 0, 1, 2, 3, off by one and at its largest is dropped", () => {
  for (const message of wellFormed) {
    for (const wrong of wrongLengths(message, lengthFields(message))) expect(handle(wrong)).toBe("dropped");
  }
});

test("every flipped bit and every extreme byte is dropped", () => {
  for (const changed of bitFlips(check)) expect(handle(changed)).toBe("dropped");
  for (const changed of extremeBytes(check)) expect(handle(changed)).toBe("dropped");
});

test("trailing bytes, repeated messages and noise in front are dropped", () => {
  for (const extra of [1, 2, 3, 4, 20, 1500]) {
    expect(handle(concatBytes(check, new Uint8Array(extra)))).toBe("dropped");
    expect(handle(concatBytes(new Uint8Array(extra), check))).toBe("dropped");
  }
  expect(handle(concatBytes(check, check))).toBe("dropped");
});

test("a message of nothing but empty attributes, and one of 64 KiB, are dropped", () => {
  for (const count of [65, 500, 16_000]) {
    const attributes = Array.from({ length: count }, () => ({ type: 0x8000, value: new Uint8Array(0) }));
    expect(handle(writeStun(BINDING_REQUEST, TRANSACTION_ID, attributes, key))).toBe("dropped");
  }
  const big = [{ type: 0x8000, value: new Uint8Array(65_000) }];
  expect(handle(writeStun(BINDING_REQUEST, TRANSACTION_ID, big, key))).toBe("dropped");
});

test("user names at and over every edge are dropped", () => {
  const names = ["", ":", "::", "localufr", "localufr:", ":5qfx", "localufr:5qfx:", "localufr:5qfx\0", "LOCALUFR:5qfx"];
  for (const name of [...names, "x".repeat(513), "x".repeat(1500), "localufr:".repeat(50), "__proto__:5qfx"]) {
    const value = new TextEncoder().encode(name);
    expect(handle(writeStun(BINDING_REQUEST, TRANSACTION_ID, [{ type: 0x0006, value }], key)), name).toBe("dropped");
  }
});

test("any bytes at all are dropped", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(handle(bytes)).toBe("dropped");
    }),
    { numRuns: 20_000, seed: 1 },
  );
});

test("any bytes behind a right header are dropped", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
      const header = writeStun(BINDING_REQUEST, TRANSACTION_ID, []).subarray(0, STUN_HEADER_BYTES);
      const bytes = concatBytes(header, content);
      bytes[2] = content.length >>> 8;
      bytes[3] = content.length;
      expect(handle(bytes)).toBe("dropped");
    }),
    { numRuns: 20_000, seed: 2 },
  );
});

test("any attributes under a right FINGERPRINT, but without the password, are dropped", () => {
  const attribute = fc.record({
    type: fc.oneof(fc.constantFrom(0x0006, 0x0008, 0x0020, 0x0024, 0x0025, 0x8028, 0x802a), fc.nat(0xffff)),
    value: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(attribute, { maxLength: 12 }), (attributes) => {
      expect(handle(writeStun(BINDING_REQUEST, TRANSACTION_ID, attributes))).toBe("dropped");
    }),
    { numRuns: 20_000, seed: 3 },
  );
});

test("what is written is read back unchanged, whatever the attributes", () => {
  const known = new Set([0x0008, 0x0024, 0x0025, 0x8028, 0x8029, 0x802a]);
  const attribute = fc.record({
    type: fc.nat(0xffff).filter((type) => !known.has(type)),
    value: fc.uint8Array({ maxLength: 25 }),
  });
  fc.assert(
    fc.property(
      fc.array(attribute, { maxLength: 20 }),
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      (list, anyKey) => {
        const message = parseStun(writeStun(BINDING_REQUEST, TRANSACTION_ID, list, anyKey)) as StunMessage;
        expect(message.attributes.map(({ type, value }) => [type, [...value]])).toEqual(
          list.map(({ type, value }) => [type, [...value]]),
        );
        expect(verifyFingerprint(message)).toBe(true);
        expect(verifyIntegrity(message, anyKey)).toBe(true);
      },
    ),
    { numRuns: 5_000, seed: 4 },
  );
});

test("100,000 forged checks leave memory as it was", () => {
  const forged = [...bitFlips(check)].concat([...bitFlips(check)].map((bytes) => resealed(bytes.subarray(20, -32))));
  const flood = (count: number) => {
    for (let i = 0; i < count; i++) handle(forged[i % forged.length]);
  };
  flood(2 * forged.length);
  expect(growthOf(() => flood(100_000))).toBeLessThan(2_000_000);
});

fuzzTests(() => ({
  name: "stun",
  recorded: wellFormed,
  iterations: 350_000,
  run(input, random) {
    if (handle(input) === "answered") assert.deepEqual(input, check);
    // The same content, as somebody would send it who has computed the CRC, or knows a password (its own session's).
    if (input.length < STUN_HEADER_BYTES || input.length > 3_000) return;
    const content = input.subarray(STUN_HEADER_BYTES);
    assert.equal(handle(resealed(content)), "dropped");
    if (random.chance(0.3)) handle(resealed(content, key));
  },
}));
