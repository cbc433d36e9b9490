/**
 * A machine with several addresses, as a network namespace, and another one that asks it: each answer has to come from the address
 * that was asked. `npm run build` first. Needs Linux and root.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Namespace } from "../support/namespaces.ts";
import { Program } from "../support/program.ts";
import { ROOT } from "../support/commands.ts";
import { RUNTIMES, type Program as RunningServer, startProgram } from "./runtimes.ts";

const ADDRESSES = ["192.0.2.1", "192.0.2.9", "198.51.100.1", "2001:db8::1", "2001:db8::9"];
const LATER = "203.0.113.1";
const PATIENCE_MS = 30_000;

let machine: Namespace;
let other: Namespace;

beforeAll(() => {
  machine = new Namespace("s");
  other = new Namespace("c");
  machine.connect(
    { device: "one", addresses: ["192.0.2.1/24", "192.0.2.9/24", "2001:db8::1/64", "2001:db8::9/64"] },
    other,
    { device: "one", addresses: ["192.0.2.2/24", "2001:db8::2/64"] },
  );
  machine.connect({ device: "two", addresses: ["198.51.100.1/24"] }, other, {
    device: "two",
    addresses: ["198.51.100.2/24"],
  });
});

afterAll(() => {
  machine?.remove();
  other?.remove();
});

/** What a client on the other machine got back by each of these addresses. */
async function echoes(url: string, addresses: readonly string[]): Promise<unknown> {
  const [command, ...prefix] = [...other.prefix, process.execPath];
  const client = new Program(command, [...prefix, "test/runtimes/several-addresses-client.mjs", url, ...addresses], {
    cwd: ROOT,
  });
  const [line] = await client.line(/^\{.*\}$/, PATIENCE_MS);
  await client.ended();
  return JSON.parse(line);
}

const echoedBy = (addresses: readonly string[]) =>
  Object.fromEntries(addresses.map((address) => [address, { data: "hello", from: address }]));

/** One of each kind of socket. */
const KINDS = RUNTIMES.filter(({ name }) => name === "Node.js 20" || !name.startsWith("Node.js"));

describe.each(KINDS)("a server on $name that is bound to all addresses", (runtime) => {
  async function withServer(
    options: object,
    use: (url: string, server: RunningServer) => Promise<void>,
  ): Promise<void> {
    const server = startProgram(
      runtime,
      "server.mjs",
      [JSON.stringify({ signalling: "192.0.2.1", ...options })],
      machine.prefix,
    );
    try {
      const { http } = await server.lines
        .waitFor(PATIENCE_MS, "the server", ({ event }) => event === "listening")
        .catch((error) => {
          throw new Error(`${error.message}\n${server.errors.join("\n")}`);
        });
      await use(`http://192.0.2.1:${http}/new_rtc_session`, server);
    } finally {
      server.kill("SIGKILL");
      await server.ended;
    }
  }

  test("is reached by each of them, of both families", async () => {
    await withServer({}, async (url) => {
      expect(await echoes(url, ADDRESSES)).toEqual(echoedBy(ADDRESSES));
    });
  });

  test("is reached by an address that its machine was given later", async () => {
    await withServer({ publicAddresses: [LATER, "192.0.2.9"] }, async (url) => {
      machine.ip("addr", "add", `${LATER}/24`, "dev", "two");
      other.ip("addr", "add", "203.0.113.2/24", "dev", "two");
      try {
        expect(await echoes(url, [LATER, "192.0.2.9"])).toEqual(echoedBy([LATER, "192.0.2.9"]));
      } finally {
        machine.ip("addr", "del", `${LATER}/24`, "dev", "two");
        other.ip("addr", "del", "203.0.113.2/24", "dev", "two");
      }
    });
  });
});
