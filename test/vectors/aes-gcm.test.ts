// NIST CAVP vectors for AES-GCM, from the Debian package python3-cryptography-vectors: those with a 128-bit key, a 96-bit
// nonce and a 128-bit tag, which is all that TLS uses.
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { concat, KernelProvider } from "../unit/wasm/provider.ts";

const FOLDER = "/usr/lib/python3/dist-packages/cryptography_vectors/ciphers/AES/GCM";

interface Vector {
  key: Uint8Array;
  nonce: Uint8Array;
  text: Uint8Array;
  aad: Uint8Array;
  sealed: Uint8Array;
  valid: boolean;
}

/** Reads `name = value` lines; a bracketed line opens a section, a line with `Count` a vector. */
function readVectors(file: string): Vector[] {
  const vectors: Vector[] = [];
  const section = new Map<string, string>();
  let fields = new Map<string, string>();
  const finish = () => {
    if (fields.size > 0 && section.get("IVlen") === "96" && section.get("Taglen") === "128") {
      const bytes = (name: string) => Uint8Array.from(Buffer.from(fields.get(name) ?? "", "hex"));
      vectors.push({
        key: bytes("Key"),
        nonce: bytes("IV"),
        text: bytes("PT"),
        aad: bytes("AAD"),
        sealed: concat(bytes("CT"), bytes("Tag")),
        valid: !fields.has("FAIL"),
      });
    }
    fields = new Map();
  };
  for (const line of readFileSync(`${FOLDER}/${file}`, "latin1").split(/\r?\n/)) {
    const [, open, name, value = ""] = /^(\[?)(\w+)(?: =\s*(\w*))?/.exec(line) ?? [];
    if (name === undefined) continue;
    if (open === "[" || name === "Count") finish();
    if (open === "[") section.set(name, value);
    else fields.set(name, value);
  }
  finish();
  return vectors;
}

test("the NIST vectors are installed (apt-get install python3-cryptography-vectors)", () => {
  expect(existsSync(FOLDER), "AES-GCM vectors missing: apt-get install python3-cryptography-vectors").toBe(true);
});

describe.runIf(existsSync(FOLDER))("NIST CAVP vectors", () => {
  test.each(["simd", "relaxed", "jsc"] as const)("the %s kernels seal and open all of gcmEncryptExtIV128", (build) => {
    const provider = new KernelProvider(build);
    const vectors = readVectors("gcmEncryptExtIV128.rsp");
    expect(vectors).toHaveLength(375);
    for (const { key, nonce, text, aad, sealed } of vectors) {
      expect(provider.seal(key, nonce, aad, text)).toEqual(sealed);
      expect(provider.open(key, nonce, aad, sealed)).toEqual(text);
    }
  });

  test.each(["simd", "relaxed", "jsc"] as const)("the %s kernels accept and refuse as gcmDecrypt128 says", (build) => {
    const provider = new KernelProvider(build);
    const vectors = readVectors("gcmDecrypt128.rsp");
    expect(vectors.filter(({ valid }) => !valid).length).toBeGreaterThan(100);
    for (const { key, nonce, text, aad, sealed, valid } of vectors) {
      expect(provider.open(key, nonce, aad, sealed)).toEqual(valid ? text : null);
    }
  });
});
