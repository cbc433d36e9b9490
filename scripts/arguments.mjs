/** The options of a command, whose usage is the comment at the head of its file. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/**
 * @param url the command's `import.meta.url`
 * @param options as `parseArgs` of node:util takes them
 * @param {string[]} [args] default: the command line
 * @returns the values. `--help` prints the usage instead, and ends the process; what is not an option ends it with 2
 */
export function readArguments(url, options, args = process.argv.slice(2)) {
  try {
    const { values } = parseArgs({ args, options: { ...options, help: { type: "boolean" } } });
    if (!values.help) return values;
  } catch (error) {
    console.error(`${error.message.split(". ")[0]}.\n\n${usageOf(url)}`);
    process.exit(2);
  }
  console.log(usageOf(url));
  process.exit(0);
}

function usageOf(url) {
  const [comment] = /\/\*\*[\s\S]*?\*\//.exec(readFileSync(new URL(url), "utf8"));
  return comment
    .split("\n")
    .slice(1, -1)
    .map((line) => line.replace(/^ \* ?/, ""))
    .join("\n");
}
