/** The examples do what they say. They import the built package: `npm run build` first. */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { connect } from "../../src/client/native/connect.ts";
import { ROOT } from "../support/commands.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { freePorts } from "../support/ports.ts";
import { Program } from "../support/program.ts";

const programs: Program[] = [];

function run(example: string, args: string[], env: Record<string, string> = {}): Program {
  const program = new Program(process.execPath, [join("examples", example), ...args], { cwd: ROOT, env });
  programs.push(program);
  return program;
}

afterEach(async () => {
  for (const program of programs.splice(0)) await program.stop();
});

test.each(["own-socket.mjs", "echo-server.mjs"])("%s echoes", async (example) => {
  const [, url] = await run(example, [], await freePorts()).line(/(http:\S+)/);
  const connection = await connect(url);
  for (const message of ["one", "two"]) {
    await connection.send(message);
    expect((await connection.recv({ signal: AbortSignal.timeout(10_000) })).data).toBe(message);
  }
  connection.close();
});

test("bot.mjs talks to a server, and comes back when it is thrown out", async () => {
  const echo = await startEchoServer();
  const bot = run("bot.mjs", [`${echo.site.url}/new_rtc_session`]);
  await bot.line(/it is 2/);
  echo.server.connections()[0].close();
  await bot.line(/attempt 1/);
  await bot.line(/back again/);
  bot.kill("SIGINT");
  await bot.line(/closed: local/);
  expect(await bot.ended()).toBe(0);
  await echo.close();
});
