/**
 * npm run bench:attack-cost: what each kind of datagram costs the server, beside an honest message of 100 B and beside honest
 * messages of as many bytes. In memory, without sockets.
 *
 *   --only TEXT        kinds whose name or group has it        --rounds 15   --datagrams 150
 *   --json FILE
 *
 * Exit code 1 where a kind costs more than four honest messages of its size and has no budget that limits how often it can come. Judged
 * by the ratio of lower quartiles, since whatever else runs on the machine makes measurements longer, and measured again where it is
 * over: the median beside it shows how busy the machine was.
 */
import { writeFileSync } from "node:fs";
import { readArguments } from "../../scripts/arguments.mjs";
import { digits, printTable } from "../report.mjs";
import { Arena } from "./cost/attacker.mjs";
import { GROUPS } from "./cost/kinds.mjs";
import { measure } from "./cost/measure.mjs";

/** Nothing may cost more than so many honest messages of its size. */
const MOST = 4;

const WARM_UP = { rounds: 60, datagrams: 150 };

const options = readArguments(import.meta.url, {
  only: { type: "string", default: "" },
  rounds: { type: "string", default: "15" },
  datagrams: { type: "string", default: "150" },
  json: { type: "string" },
});
const size = { rounds: Number(options.rounds), datagrams: Number(options.datagrams) };
const found = [];
// Compiled before it is measured.
for (const kind of [GROUPS.STUN.at(-1), GROUPS["SCTP: DATA"][0]]) measure(kind, () => new Arena(kind.limits), WARM_UP);
for (const [group, kinds] of Object.entries(GROUPS)) {
  const wanted = kinds.filter(({ name }) => `${group}: ${name}`.includes(options.only));
  const results = [];
  for (const kind of wanted) {
    const first = measured(kind);
    // What is over twice is over.
    const result = isOver(first) ? quieterOf(first, measured(kind)) : first;
    results.push(result);
    found.push({ group, ...result });
  }
  if (results.length > 0) print(group, results);
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(found, undefined, 1)}\n`);
const over = found.filter(isOver);
console.log(
  over.length === 0
    ? `\nAll kinds without a budget of their own: at most ${MOST} × honest messages of their size.`
    : `\nOver ${MOST} × honest messages of their size: ${over.map(({ kind }) => kind.name).join("; ")}`,
);
process.exitCode = over.length === 0 ? 0 : 1;

function measured(kind) {
  return measure(kind, () => new Arena(kind.limits), { ...size, ...kind.size });
}

function isOver({ kind, quietTimesSize }) {
  return kind.budget === undefined && quietTimesSize > MOST;
}

function quieterOf(one, other) {
  return one.quietTimesSize < other.quietTimesSize ? one : other;
}

function print(group, results) {
  printTable(
    group,
    [
      "what comes",
      "bytes",
      "µs",
      "quartiles",
      "honest µs",
      "× for its size",
      "median",
      "× a message of 100 B",
      "bytes out/in",
      "",
    ],
    results.map(
      ({ kind, bytes, us, honestUs, timesSize, quietTimesSize, timesMessage, answerBytes, ended, datagrams }) => [
        kind.name,
        Math.round(bytes),
        us.median,
        `${digits(us.from)} … ${digits(us.to)}`,
        honestUs.median,
        `${quietTimesSize > MOST ? "▲ " : ""}${digits(quietTimesSize)}`,
        timesSize.median,
        timesMessage.median,
        answerBytes,
        [kind.budget, ended > 0 ? `ended, after ${Math.round(datagrams / ended)}` : undefined]
          .filter(Boolean)
          .join("; "),
      ],
    ),
  );
}
