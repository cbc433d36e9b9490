/** What a newcomer does first: start the echo server with no flag that matters and open its page. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { ROOT } from "../support/commands.ts";
import { Program } from "../support/program.ts";

describe.each(BROWSERS)("%s with stock preferences", (name) => {
  let server: Program;
  let browser: RunningBrowser;

  beforeAll(async () => {
    // Free ports in place of the default ones; the candidates are the default: this machine's own addresses.
    const cli = join(ROOT, "build", "cli.js");
    server = new Program(process.execPath, [cli, "echo-server", "--http", "127.0.0.1:0", "--data", ":0"]);
    browser = await launchBrowser(name, { loopback: false });
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("the page of echo-server shows echoes, and Ctrl-C closes it properly", async () => {
    const [, url] = await server.line(/open (http:\S+)/);
    const page = await browser.open(url as string);
    await page.waitForFunction('document.getElementById("state").textContent === "open"', { timeout: 30_000 });
    await page.waitForFunction('Number(document.getElementById("sent").textContent) > 10', { timeout: 30_000 });
    await page.waitForFunction('/^[0-9.]+ ms$/.test(document.getElementById("median").textContent)', {
      timeout: 30_000,
    });
    expect(await page.$eval("#lost", (element) => element.textContent)).toMatch(/^0 /);
    server.kill("SIGINT");
    await page.waitForFunction('document.getElementById("state").textContent === "closed"', { timeout: 30_000 });
    expect(await server.ended()).toBe(0);
    expect(browser.pageErrors).toEqual([]);
  });
});
