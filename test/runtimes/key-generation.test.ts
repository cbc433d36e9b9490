/** Node 20 can lock itself up for good between the generation of a key and its collection; see `generateKeyPair`. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { findNode, ROOT } from "../support/commands.ts";

const run = promisify(execFile);
const KEYS = 10_000;
const TIMEOUT_MS = 50_000;

// As built and in a process of its own: a locked process could not even report that it is.
const PROGRAM = `
import { generateEphemeralKey } from ${JSON.stringify(pathToFileURL(join(ROOT, "build", "crypto", "platform.js")).href)};
for (let i = 0; i < ${KEYS}; i++) generateEphemeralKey(i % 2 === 0 ? "x25519" : "secp256r1");
console.log("done");
`;

test.each([20, 24] as const)(`Node.js %i generates ${KEYS} ephemeral keys without locking itself up`, async (major) => {
  // A small young generation is collected often, so that what hangs once in thousands of keys does so at once.
  const args = ["--max-semi-space-size=1", "--input-type=module", "-e", PROGRAM];
  const { stdout } = await run(findNode(major), args, { timeout: TIMEOUT_MS, killSignal: "SIGKILL" });
  expect(stdout).toBe("done\n");
});
