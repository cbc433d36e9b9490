/**
 * The mutation fuzzer: takes recorded inputs, changes them at random and hands them to a target, which throws when an
 * invariant breaks. Inputs that once broke one are kept under `corpus/` and tried first, unchanged, and as a base to mutate.
 *
 * In the normal tests each target runs a fixed number of iterations from a fixed seed, so a run is the same everywhere.
 * `npm run fuzz -- --seconds 600 --seed mine` runs for as long as that, from that seed.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/wire/bytes.ts";
import { Random } from "../../sim/random.ts";
import { mutate } from "./mutate.ts";

export interface FuzzTarget {
  /** Also the name of its folder under `corpus/`. */
  readonly name: string;
  /** Well-formed inputs to start from. */
  readonly recorded: readonly Uint8Array[];
  /** In the normal tests: about ten seconds' worth. */
  readonly iterations: number;
  /**
   * Feeds one input to the code under test. Throws where an invariant breaks. Draws from `random` only what the input does
   * not say; the stream is derived from the input, so that a saved one repeats.
   */
  run(input: Uint8Array, random: Random): void;
  /** Called now and then, and at the end: what must hold after any number of inputs, such as bounded memory. */
  settle?(): void;
}

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);
const SEED = process.env.FUZZ_SEED ?? "hostile";
const SETTLE_EVERY = 20_000;

/** Declares the two tests of a target: the corpus, and the fuzzing. */
export function fuzzTests(makeTarget: () => FuzzTarget): void {
  const target = makeTarget();
  const corpus = readCorpus(target.name);

  test(`${target.name}: each input of the corpus keeps all invariants`, () => {
    for (const { file, input } of corpus) {
      try {
        target.run(input, randomFor(input));
      } catch (error) {
        throw new Error(`corpus/${target.name}/${file}: ${describe(error)}`, { cause: error });
      }
    }
    target.settle?.();
  });

  test(`${target.name}: mutated recordings keep all invariants`, { timeout: 600_000 + 2_000 * SECONDS }, () => {
    const bases = [...target.recorded, ...corpus.map(({ input }) => input)];
    const random = new Random(`${SEED}/${target.name}`);
    const start = performance.now();
    let done = 0;
    while (SECONDS > 0 ? performance.now() - start < 1000 * SECONDS : done < target.iterations) {
      const input = mutate(random, bases[random.below(bases.length)], bases);
      try {
        target.run(input, randomFor(input));
      } catch (error) {
        const kept = keep(target.name, input);
        throw new Error(`seed "${SEED}", iteration ${done}, input kept as ${kept}: ${describe(error)}`, {
          cause: error,
        });
      }
      if (++done % SETTLE_EVERY === 0) target.settle?.();
    }
    target.settle?.();
    if (SECONDS > 0) console.log(`${target.name}: ${done} inputs in ${SECONDS} s, seed "${SEED}"`);
    expect(done).toBeGreaterThan(0);
  });
}

function randomFor(input: Uint8Array): Random {
  return new Random(toHex(input));
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const CORPUS = new URL("../corpus/", import.meta.url);

function readCorpus(name: string): { file: string; input: Uint8Array }[] {
  const folder = new URL(`${name}/`, CORPUS);
  let files: string[];
  try {
    files = readdirSync(folder).filter((file) => file.endsWith(".hex"));
  } catch {
    return []; // Nothing was found yet.
  }
  return files.sort().map((file) => ({
    file,
    input: fromHex(readFileSync(new URL(file, folder), "utf8").replace(/#.*$/gm, "").replace(/\s+/g, "")),
  }));
}

/** Saves an input that broke an invariant: rename the file after what it shows, and say so in a `#` line of it. */
function keep(name: string, input: Uint8Array): string {
  const folder = new URL(`${name}/`, CORPUS);
  mkdirSync(folder, { recursive: true });
  const file = `new-${toHex(input).slice(0, 16)}-${input.length}.hex`;
  writeFileSync(new URL(file, folder), `${toHex(input).replace(/(.{80})/g, "$1\n")}\n`);
  return `corpus/${name}/${file}`;
}
