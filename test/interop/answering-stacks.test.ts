/** The native client and other stacks as servers. They answer our actpass with active: so we are the server in DTLS. */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type ClientConnection, connect } from "../../src/client/native/connect.ts";
import { findNode, PEERS } from "../support/commands.ts";
import { Program } from "../support/program.ts";

const MESSAGES = 200;

let server: Program | undefined;
let connection: ClientConnection | undefined;

afterEach(async () => {
  connection?.close();
  await server?.stop();
});

test.each([
  ["werift", () => findNode(24)],
  ["node-datachannel", () => process.execPath],
  ["@roamhq/wrtc", () => process.execPath],
] as const)(`%s sends ${MESSAGES} messages back`, async (name, node) => {
  server = new Program(node(), [join(PEERS, "answering-server.mjs"), name]);
  const [, port] = await server.line(/^signalling (\d+)$/);
  const setups: string[] = [];
  connection = await connect(`http://127.0.0.1:${port}/`, {
    channel: { reliable: true },
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      const text = await response.text();
      setups.push(...(/a=setup:\w+/.exec(text) ?? []));
      return new Response(text, response);
    },
  });
  expect(new Set(setups)).toEqual(new Set(["a=setup:active"]));
  const echoed = new Set<string>();
  const sent = Array.from({ length: MESSAGES }, (_, i) => `${i} grüße`);
  for (const message of sent) await connection.send(message);
  while (echoed.size < MESSAGES) {
    const { data } = await connection.recv({ signal: AbortSignal.timeout(20_000) });
    echoed.add(String(data));
  }
  expect([...echoed].sort()).toEqual([...sent].sort());
});
