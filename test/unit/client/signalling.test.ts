import { createServer, type RequestListener, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../../../src/client/native/connect.ts";
import { planConnect } from "../../../src/client/native/dial.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";

const opened: HttpServer[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const http of opened.splice(0)) {
    http.close();
    http.closeAllConnections();
  }
});

async function site(respond: RequestListener): Promise<string> {
  const http = createServer(respond);
  opened.push(http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/rtc`;
}

/** Writes for as long as anybody reads, and counts. */
function endless(status: number, counts: { bytes: number; ended: boolean }): RequestListener {
  const piece = Buffer.alloc(16_384, " ");
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.on("close", () => {
      counts.ended = true;
    });
    const write = () => {
      if (response.destroyed) return;
      counts.bytes += piece.length;
      if (response.write(piece)) setImmediate(write);
      else response.once("drain", write);
    };
    write();
  };
}

describe("what answers instead of a server", () => {
  const counts = { bytes: 0, ended: false };
  const MANY = gzipSync(Buffer.alloc(50_000_000, " "));
  test.each<[string, string, RequestListener]>([
    ["an endless body", "bad-answer", endless(200, counts)],
    ["an endless refusal", "refused", endless(503, counts)],
    ["a page", "bad-answer", (_, response) => response.end("<!doctype html>")],
    ["a picture", "bad-answer", (_, response) => response.end(Buffer.alloc(1_000, 0xff))],
    ["nothing", "bad-answer", (_, response) => response.writeHead(204).end()],
    ["a refusal without words", "refused", (_, response) => response.writeHead(404).end()],
    [
      "a compressed body that is a thousand times larger",
      "bad-answer",
      (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(MANY),
    ],
    [
      "a body that breaks off",
      "unreachable",
      (_, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write("{");
        setImmediate(() => response.destroy());
      },
    ],
    ["a redirection to itself", "unreachable", (_, response) => response.writeHead(307, { location: "/rtc" }).end()],
    [
      "a redirection to a page",
      "bad-answer",
      ({ url }, response) =>
        url === "/rtc" ? response.writeHead(303, { location: "/page" }).end() : response.end("<!doctype html>"),
    ],
    [
      "a redirection to an endless body",
      "bad-answer",
      (request, response) =>
        request.url === "/rtc"
          ? response.writeHead(302, { location: "/endless" }).end()
          : endless(200, counts)(request, response),
    ],
  ])("%s ends the attempt with a reason: %s", async (_, code, respond) => {
    counts.bytes = 0;
    counts.ended = false;
    await expect(connect(await site(respond))).rejects.toMatchObject({ name: "ConnectError", code });
    // The sockets' buffers take some megabytes, however little is read.
    expect(counts.bytes).toBeLessThan(32_000_000);
    for (let turn = 0; turn < 10_000 && counts.bytes > 0 && !counts.ended; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(counts.ended).toBe(counts.bytes > 0);
  });

  test("a body that comes drop by drop ends with the time for the attempt, and is let go of", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let isRead = false;
    const fetch = async (_: string, { signal }: RequestInit) => {
      const body = new ReadableStream({
        start: (controller) => signal!.addEventListener("abort", () => controller.error(signal!.reason)),
        pull: (controller) => {
          controller.enqueue(new Uint8Array([0x20]));
          isRead = true;
          return new Promise(() => {});
        },
      });
      return new Response(body);
    };
    const connecting = connect("http://server/", { fetch });
    const failed = expect(connecting).rejects.toMatchObject({ code: "timeout" });
    while (!isRead) await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(15_000);
    await failed;
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("what one caller gives is no later caller's default", () => {
  const url = "http://server/";
  // As if the process had not connected before: the certificate of all who bring none is made by the first of them.
  const mine = Certificate.generate();
  const given = planConnect(url, {
    certificate: mine,
    dtlsVersions: ["1.2"],
    keyLog: () => {},
    limits: { maxMessageBytes: 1_000 },
    timeoutMs: 77,
    maxQueuedBytes: 1_001,
    channel: { label: "mine", reliable: true },
    conditioner: { loss: 1 },
  });
  expect(given.certificate).toBe(mine);
  const { options, ...plan } = planConnect(url, {});
  expect(plan.certificate).not.toBe(mine);
  const { options: _, ...next } = planConnect(url, {});
  expect(next).toEqual(plan);
  expect(plan).toMatchObject({
    dtlsVersions: undefined,
    keyLog: undefined,
    timeoutMs: 15_000,
    channel: { label: "data", options: {} },
  });
  expect(plan.limits.maxMessageBytes).toBe(65_536);
  expect(plan.limits.maxQueuedBytes).toBe(262_144);
  expect(plan.openUdp).not.toBe(given.openUdp);
});
