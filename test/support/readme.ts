import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./commands.ts";

/** The one block of code in the README that contains `phrase`. */
export function readmeProgram(phrase: string): string {
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  const blocks = [...text.matchAll(/^```(?:js|ts)\n(.*?)^```$/gms)].map((match) => match[1]);
  const found = blocks.filter((block) => block.includes(phrase));
  if (found.length !== 1) throw new Error(`${found.length} blocks of the README contain ${JSON.stringify(phrase)}`);
  return found[0];
}
