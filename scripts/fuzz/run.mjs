/** Runs targets through the fuzzer, prints what it reached, and keeps what it found. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { buildTargets, CACHE, ROOT, shown } from "./build.mjs";

const TARGETS = ["stun", "dtls-server", "dtls-client", "sctp", "dcep", "offer", "answer", "session"];
/** Its function returns a promise, so it takes longer. */
const ASYNCHRONOUS = new Set(["session"]);
const CORPUS = join(ROOT, "test/hostile/corpus");
const MAX_INPUT_BYTES = 4_096;
/** An input that takes longer than this is a find: it is some thousand times what one takes. */
const TIMEOUT_SECONDS = 20;
const PROGRESS_MS = 60_000;
/** Of the inputs of one target that are kept in the repository; of all together there are less than 300 KB. */
const MAX_KEPT_BYTES = 36_000;

/** @returns the exit code: 1 where something was found */
export async function fuzzTargets({ engine, pattern, seconds, seed, jobs, update }) {
  const names = TARGETS.filter((name) => name.startsWith(pattern));
  if (names.length === 0) {
    console.error(`--target must be the beginning of one of ${TARGETS.join(", ")}.`);
    return 1;
  }
  const build = join(CACHE, "build");
  await buildTargets(build);
  const results = [];
  const waiting = [...names];
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const result = await fuzz({ engine, build, name, seconds, seed, corpus: join(CACHE, "corpus", name) });
      const reached = await coverageOf(build, name, join(CACHE, "corpus", name), update);
      results.push({ ...result, ...reached });
      printTarget(results.at(-1));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  console.log(`\n${results.reduce((sum, { executions }) => sum + executions, 0)} inputs; seed "${seed}"`);
  return results.some(({ find }) => find !== undefined) ? 1 : 0;
}

/** One target for some time, or until it finds something. */
export async function fuzz({ engine, build, name, seconds, seed, corpus, quiet = false }) {
  const found = join(CACHE, "found", name, "/");
  rmSync(found, { recursive: true, force: true });
  mkdirSync(found, { recursive: true });
  const isNew = fillCorpus(corpus, name);
  const before = readdirSync(corpus).length;
  const args = [
    ...[engine.cli, join(build, "entry.js"), "-i", shown(join(build, "src/")), "-e", "never/"],
    ...(ASYNCHRONOUS.has(name) ? [] : ["--sync"]),
    ...[
      corpus,
      await seedFolder(build, name),
      "--",
      `-max_total_time=${Math.ceil(seconds)}`,
      `-seed=${numberOf(seed)}`,
    ],
    ...[
      `-max_len=${MAX_INPUT_BYTES}`,
      `-timeout=${TIMEOUT_SECONDS}`,
      `-artifact_prefix=${found}`,
      "-rss_limit_mb=4096",
    ],
  ];
  const progress = new Progress(name, quiet);
  const log = await runEngine(engine, name, args, progress);
  const artifact = readdirSync(found)[0];
  const find = artifact && (await keep(build, name, join(found, artifact), progress.seconds, quiet));
  if (find === undefined && progress.executions === 0) throw new Error(`The fuzzer did not run:\n${log}`);
  const { executions, edges } = progress;
  return {
    name,
    executions,
    edges,
    find,
    seconds: progress.seconds,
    isNew,
    added: readdirSync(corpus).length - before,
  };
}

async function runEngine(engine, name, args, progress) {
  const env = { ...process.env, ...engine.env, FUZZ_TARGET: name, NODE_NO_WARNINGS: "1" };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  const last = [];
  const read = (stream) => {
    createInterface(stream).on("line", (line) => {
      progress.read(line);
      last.push(line);
      if (last.length > 40) last.shift();
    });
  };
  read(child.stdout);
  read(child.stderr);
  await new Promise((resolve) => child.on("close", resolve));
  return last.join("\n");
}

/** What the fuzzer says of itself: lines such as `#4096 pulse cov: 476 ft: 831 corp: 73/895b … exec/s: 1132`. */
class Progress {
  executions = 0;
  edges = 0;
  #name;
  #quiet;
  #start = performance.now();
  #nextPrint = PROGRESS_MS;

  constructor(name, quiet) {
    this.#name = name;
    this.#quiet = quiet;
  }

  get seconds() {
    return (performance.now() - this.#start) / 1000;
  }

  read(line) {
    const [, executions, edges, corpus] = /^#(\d+)\s.*cov: (\d+).*corp: (\d+)/.exec(line) ?? [];
    if (executions === undefined) return;
    this.executions = Number(executions);
    this.edges = Number(edges);
    if (this.#quiet || 1000 * this.seconds < this.#nextPrint) return;
    this.#nextPrint += PROGRESS_MS;
    const minutes = (this.seconds / 60).toFixed(0);
    console.log(`${this.#name}: ${minutes} min, ${executions} inputs, ${edges} edges reached, ${corpus} inputs kept`);
  }
}

/** The inputs of the repository, into the folder that the fuzzer adds to. @returns whether there was none */
function fillCorpus(corpus, name) {
  const isNew = !existsSync(corpus);
  mkdirSync(corpus, { recursive: true });
  for (const input of repositoryInputs(name)) writeFileSync(join(corpus, hashOf(input)), input);
  return isNew;
}

function repositoryInputs(name) {
  const file = join(CORPUS, `${name}.base64`);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => Buffer.from(line, "base64"));
}

/** The target's own seeds as files. */
async function seedFolder(build, name) {
  const folder = join(CACHE, "seeds", name);
  mkdirSync(folder, { recursive: true });
  for (const seed of await replay(build, name, "seeds", [])) {
    const input = Buffer.from(seed, "base64");
    writeFileSync(join(folder, hashOf(input)), input);
  }
  return folder;
}

/** What all inputs found so far reach; with `update`, those that it takes go into the repository. */
async function coverageOf(build, name, corpus, update) {
  const inputs = readdirSync(corpus).map((file) => readFileSync(join(corpus, file)));
  const { kept, files } = await replay(build, name, "coverage", inputs);
  if (!update) return { files };
  const lines = [];
  let bytes = 0;
  for (const line of kept) {
    bytes += line.length;
    if (bytes <= MAX_KEPT_BYTES) lines.push(line);
  }
  writeFileSync(join(CORPUS, `${name}.base64`), `${lines.join("\n")}\n`);
  return { files, kept: lines.length };
}

/** Keeps an input that broke something, as small as it can be made. */
async function keep(build, name, artifact, seconds, quiet) {
  const input = readFileSync(artifact);
  const isTimeout = /[/\\](timeout|slow-unit|oom)-/.test(artifact);
  const { error = "it takes too long, or too much memory", ...minimised } = isTimeout
    ? { input: input.toString("base64") }
    : await replay(build, name, "minimise", [input]);
  const bytes = Buffer.from(minimised.input, "base64");
  if (quiet) return { error, bytes: bytes.length, seconds };
  const file = join(CORPUS, name, `new-${hashOf(bytes).slice(0, 12)}.hex`);
  mkdirSync(join(CORPUS, name), { recursive: true });
  writeFileSync(file, `# ${error}\n${bytes.toString("hex").replace(/(.{100})/g, "$1\n")}\n`);
  return { error, bytes: bytes.length, seconds, file: shown(file) };
}

/** See `replay.cjs`. */
async function replay(build, name, action, inputs) {
  const list = join(CACHE, `inputs-${name}.base64`);
  writeFileSync(list, inputs.map((input) => input.toString("base64")).join("\n"));
  const script = join(ROOT, "scripts/fuzz/replay.cjs");
  const child = spawn(process.execPath, ["--no-warnings", script, build, name, action, list], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const piece of child.stdout) text += piece;
  return JSON.parse(text);
}

function printTarget({ name, executions, seconds, edges, added, files, kept, find }) {
  const rate = (executions / seconds).toFixed(0);
  console.log(`\n${name}: ${executions} inputs (${rate}/s), ${edges} edges reached, ${added} new corpus entries`);
  if (kept !== undefined) console.log(`  ${kept} inputs kept in test/hostile/corpus/${name}.base64`);
  const sum = { path: "together", total: 0, reached: 0 };
  for (const file of files) {
    sum.total += file.total;
    sum.reached += file.reached;
  }
  for (const { path, total, reached } of [...files, sum]) {
    const percent = ((100 * reached) / Math.max(1, total)).toFixed(0);
    console.log(
      `  ${path.padEnd(36)} ${String(reached).padStart(5)} of ${String(total).padStart(5)} blocks, ${percent} %`,
    );
  }
  if (find === undefined) console.log("  nothing found");
  else
    console.log(
      `  FOUND after ${find.seconds.toFixed(0)} s: ${find.error}\n  ${find.bytes} bytes, kept as ${find.file}`,
    );
}

function hashOf(bytes) {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 40);
}

/** libFuzzer wants a number that is not 0. */
function numberOf(seed) {
  return 1 + (createHash("sha256").update(seed).digest().readUInt32BE() % 0x7fff_fffe);
}
