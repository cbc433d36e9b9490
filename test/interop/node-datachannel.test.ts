/** libdatachannel, through node-datachannel, as a client. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PEERS } from "../support/commands.ts";
import { type EchoServer, startEchoServer } from "../support/echo-server.ts";
import { Program } from "../support/program.ts";

const MESSAGES = 1_000;

let echo: EchoServer;
let client: Program;

beforeEach(async () => {
  echo = await startEchoServer();
});

afterEach(async () => {
  await client?.stop();
  await echo.close();
});

test(`node-datachannel connects and gets ${MESSAGES} messages back`, async () => {
  const script = join(PEERS, "node-datachannel-client.mjs");
  client = new Program(process.execPath, [script, `${echo.site.url}/new_rtc_session`, String(MESSAGES)]);
  await client.line(new RegExp(`^${MESSAGES} echoes$`), 50_000);
  expect(echo.opened.entries).toHaveLength(1);
});
