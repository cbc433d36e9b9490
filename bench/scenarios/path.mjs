/** The path of a datagram in memory, without sockets; measured in a process of its own. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Figure, printTable } from "../report.mjs";

const child = fileURLToPath(new URL("../path/child.mjs", import.meta.url));
/** Young objects are counted, not collected, while it measures. */
const FLAGS = ["--expose-gc", "--max-semi-space-size=128"];

export async function run({ quick, results }) {
  const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, child, quick ? "60" : "240"]);
  const rows = [];
  for (const [kind, { ns, bytes }] of Object.entries(JSON.parse(stdout))) {
    const time = new Figure([new Figure(ns).median]);
    const garbage = new Figure([new Figure(bytes).median]);
    results.add("path", kind, { ns: time, bytes: garbage });
    rows.push([kind, time, garbage]);
  }
  printTable(
    "The path in memory, from datagram to message or back; per message",
    ["", "ns", "bytes allocated"],
    rows,
    "A copy of the datagram that the harness keeps, and what it allocates for it, are included in the rows out.",
  );
}
