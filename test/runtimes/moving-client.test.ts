/** The native client's machine is given another address. `npm run build` first. Needs Linux and root. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../support/commands.ts";
import { Namespace } from "../support/namespaces.ts";
import { Program } from "../support/program.ts";

let machine: Namespace;
let other: Namespace;

beforeAll(() => {
  machine = new Namespace("s");
  other = new Namespace("c");
  const plug = (last: number) => ({ device: "one", addresses: [`192.0.2.${last}/24`] });
  machine.connect(plug(1), other, plug(2));
});

afterAll(() => {
  machine?.remove();
  other?.remove();
});

function start(where: Namespace, file: string, ...args: string[]): Program {
  const [command, ...prefix] = where.prefix;
  return new Program(command, [...prefix, process.execPath, `test/runtimes/${file}`, ...args], { cwd: ROOT });
}

test("a native client whose address changes goes on within 2 s by the same connection, and no message comes twice", async () => {
  const server = start(machine, "server.mjs", JSON.stringify({ signalling: "192.0.2.1" }));
  try {
    const [, port] = await server.line(/"event":"listening","http":(\d+)/);
    const url = `http://192.0.2.1:${port}/new_rtc_session`;
    const client = start(other, "moving-client.mjs", url, "192.0.2.2/24", "192.0.2.3/24");
    const [line] = await client.line(/^\{"backAfterMs".*\}$/);
    const { backAfterMs, ...found } = JSON.parse(line);
    await client.ended();
    expect(found).toEqual({ repeated: 0, reason: null, isSame: true });
    expect(server.lines.entries.filter((entry) => entry.includes('"event":"open"'))).toHaveLength(1);
    expect(backAfterMs, line).toBeLessThan(2_000);
  } finally {
    await server.stop();
  }
});
