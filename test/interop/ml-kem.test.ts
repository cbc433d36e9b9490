import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { findNode, ROOT } from "../support/commands.ts";

// Node 24 has ML-KEM of its own (OpenSSL) and reads TypeScript; older ones use the portable implementation.
const SCRIPT = `
  const { platformMlKem768, portableMlKem768 } = await import(process.argv[1]);
  if (platformMlKem768 === undefined) throw new Error("this Node.js has no ML-KEM-768");
  const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
  let rounds = 0;
  for (const [a, b] of [[platformMlKem768, portableMlKem768], [portableMlKem768, platformMlKem768]]) {
    for (let i = 0; i < 50; i++, rounds++) {
      const keys = a.generateKeyPair();
      const { ciphertext, sharedSecret } = b.encapsulate(keys.publicKey);
      if (!equal(keys.decapsulate(ciphertext), sharedSecret)) throw new Error("they disagree");
    }
  }
  console.log(rounds + " rounds agree");
`;

it("the portable ML-KEM-768 agrees with the platform's, in both directions", () => {
  const module = pathToFileURL(join(ROOT, "src", "crypto", "ml-kem.ts")).href;
  const output = execFileSync(findNode(24), ["--input-type=module", "--eval", SCRIPT, module], { encoding: "utf8" });
  expect(output.trim()).toBe("100 rounds agree");
});
