/**
 * Runs inputs through a target that is not instrumented, in a process of its own, and writes JSON to the standard output:
 *
 *   node replay.cjs BUILD TARGET seeds INPUTS       the inputs that the target starts from
 *   node replay.cjs BUILD TARGET coverage INPUTS    blocks reached, and the fewest inputs that reach them all
 *   node replay.cjs BUILD TARGET minimise INPUT     the smallest input found that fails in the same way
 *
 * INPUTS is a file with one input a line, in base64. Coverage is V8's own, by block.
 */
const { readFileSync, realpathSync } = require("node:fs");
const { Session } = require("node:inspector");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

const [build, name, action, file] = process.argv.slice(2);
// As V8 names them, which follows links.
const SOURCE = pathToFileURL(`${realpathSync(join(build, "src"))}/`).href;

async function main() {
  const inputs = readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => Buffer.from(line, "base64"));
  if (action === "seeds") return makeTarget().seeds.map((seed) => Buffer.from(seed).toString("base64"));
  return action === "coverage" ? await coverage(inputs) : await minimise(inputs[0]);
}

function makeTarget() {
  return require(join(build, "test/hostile/targets/index.js")).TARGETS[name]();
}

async function coverage(inputs) {
  const counter = new BlockCounter();
  const target = makeTarget();
  for (const seed of target.seeds) await attempt(target, seed);
  counter.take();
  const kept = [];
  // Small ones first: a large input stays only where it reaches something of its own.
  inputs.sort((a, b) => a.length - b.length);
  for (const input of inputs) {
    await attempt(target, input);
    if (counter.take() > 0) kept.push(input.toString("base64"));
  }
  return { kept, files: counter.files(target.covers) };
}

/** Blocks that have been executed, in the files under `src/`. */
class BlockCounter {
  #session = new Session();
  #files = new Map();

  constructor() {
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** How many blocks have been reached since the last call that never were before. */
  take() {
    let found = 0;
    for (const { url, functions } of this.#post("Profiler.takePreciseCoverage").result) {
      if (!url.startsWith(SOURCE)) continue;
      const blocks = this.#blocksOf(url.slice(SOURCE.length));
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          const block = `${startOffset}-${endOffset}`;
          if (count > 0 && blocks.get(block) !== true) {
            blocks.set(block, true);
            found++;
          } else if (!blocks.has(block)) blocks.set(block, false);
        }
      }
    }
    return found;
  }

  files(covers) {
    const rows = [...this.#files].filter(([path]) =>
      covers.some((cover) => path.replace(/\.js$/, ".ts").startsWith(cover)),
    );
    return rows.map(([path, blocks]) => ({
      path,
      total: blocks.size,
      reached: [...blocks.values()].filter(Boolean).length,
    }));
  }

  #blocksOf(path) {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const blocks = new Map();
    this.#files.set(path, blocks);
    return blocks;
  }

  #post(method, parameters) {
    let answer;
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}

/** Cuts pieces out and sets bytes to zero for as long as the input goes on failing in the same way. */
async function minimise(input) {
  const target = makeTarget();
  const wanted = await attempt(target, input);
  if (wanted === undefined) return { error: undefined, input: input.toString("base64") };
  let best = input;
  const improve = async (candidate) => {
    if ((await attempt(target, candidate)) !== wanted) return false;
    best = candidate;
    return true;
  };
  for (let piece = best.length >>> 1; piece >= 1; piece >>>= 1) {
    for (let at = 0; at < best.length; ) {
      if (!(await improve(Buffer.concat([best.subarray(0, at), best.subarray(at + piece)])))) at += piece;
    }
  }
  for (let at = 0; at < best.length; at++) {
    if (best[at] !== 0) await improve(Buffer.concat([best.subarray(0, at), Buffer.of(0), best.subarray(at + 1)]));
  }
  return { error: await messageOf(target, best), input: best.toString("base64") };
}

/** What goes wrong with an input, without the numbers in it; `undefined` where nothing does. */
async function attempt(target, input) {
  return (await messageOf(target, input))?.replace(/[0-9]+/g, "0");
}

async function messageOf(target, input) {
  try {
    await target.run(Uint8Array.from(input));
    return undefined;
  } catch (error) {
    return String(error?.message ?? error).split("\n")[0];
  }
}

main().then((result) => process.stdout.write(JSON.stringify(result), () => process.exit(0)));
