import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { parseLoadOptions } from "../../../src/cli/load/options.ts";
import { LoadRun } from "../../../src/cli/load/run.ts";
import { load } from "../../../src/cli/load.ts";
import { UsageError } from "../../../src/cli/usage.ts";
import * as client from "../../../src/client/native/connect.ts";
import { ConnectError } from "../../../src/errors.ts";

vi.mock("../../../src/client/native/connect.ts", () => ({ connect: vi.fn() }));
const connect = vi.mocked(client.connect);

const URL = ["--url", "http://127.0.0.1:9/"];
const folder = mkdtempSync(join(tmpdir(), "load-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a run whose last connections close while it sends a burst ends, and says so", async () => {
  connect.mockImplementation(async () => {
    let closed: (reason: string) => void = () => {};
    const connection = {
      maxMessageBytes: 65_536,
      on: (_: string, listener: typeof closed) => (closed = listener),
      trySend: () => {
        closed("timeout");
        return false;
      },
      close: () => {},
    };
    return connection as unknown as client.ClientConnection;
  });
  const run = new LoadRun(parseLoadOptions([...URL, "--clients", "2", "--rate", "10000", "--ramp", "0"]));
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  vi.stubGlobal("fetch", () => Promise.reject(new Error("no /stats here")));
  onTestFinished(() => void vi.unstubAllGlobals());
  const report = run.run();
  await vi.advanceTimersByTimeAsync(100); // A tick of 2 ms has 40 messages.
  const { opened, lostAll, errors } = await report;
  expect([opened, lostAll, errors]).toEqual([2, true, { "close: timeout": 2, "send: refused": 2 }]);
});

test("a run that fails leaves no file behind, and one that was there as it was", async () => {
  connect.mockRejectedValue(new ConnectError("unreachable", "nobody there"));
  const made = join(folder, "new.json");
  const kept = join(folder, "old.html");
  writeFileSync(kept, "old");
  await expect(load([...URL, "--json", made, "--html", kept])).rejects.toThrow("nobody there");
  expect([existsSync(made), readFileSync(kept, "utf8")]).toEqual([false, "old"]);
});

test("a file that cannot be written is the command's mistake", async () => {
  const made = join(folder, "new.json");
  const failure = load([...URL, "--json", made, "--html", folder]);
  await expect(failure).rejects.toThrow(UsageError);
  await expect(failure).rejects.toThrow(`--html ${folder} cannot be written: it is a folder`);
  expect(existsSync(made)).toBe(false);
});
