/**
 * The corpus of the coverage-guided fuzzer: of each target one file of inputs that reach what no other one does, one a line in base64, and
 * a folder of those that once broke an invariant, in hex.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fromBase64, fromHex } from "../../../src/wire/bytes.ts";

const CORPUS = new URL("../corpus/", import.meta.url);

/** The inputs of a target, by the file and the line that they stand in. */
export function readInputs(target: string): { place: string; input: Uint8Array }[] {
  return [...reaching(target), ...broken(target)];
}

function reaching(target: string): { place: string; input: Uint8Array }[] {
  const file = `${target}.base64`;
  const text = readFileSync(new URL(file, CORPUS), "utf8");
  return text.split("\n").flatMap((line, index) => {
    if (line === "" || line.startsWith("#")) return [];
    const input = fromBase64(line);
    if (input === undefined) throw new Error(`corpus/${file}:${index + 1} is not base64`);
    return [{ place: `corpus/${file}:${index + 1}`, input }];
  });
}

/** Inputs that once broke an invariant. A line that begins with `#` says what an input shows. */
export function broken(target: string): { place: string; input: Uint8Array }[] {
  let files: string[];
  try {
    files = readdirSync(new URL(`${target}/`, CORPUS)).filter((file) => file.endsWith(".hex"));
  } catch {
    return []; // Nothing was found yet.
  }
  return files.sort().map((file) => {
    const text = readFileSync(new URL(`${target}/${file}`, CORPUS), "utf8");
    return { place: `corpus/${target}/${file}`, input: fromHex(text.replace(/#.*$/gm, "").replace(/\s+/g, "")) };
  });
}
