import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fromHex } from "../../../src/wire/bytes.ts";
import { handshakeTypes } from "./records.ts";
import { Party } from "./support.ts";

/** Recorded from a server that never answered: each copy of the browser's ClientHello in two datagrams. */
function recording(browser: string): { ms: number; bytes: Uint8Array }[] {
  const lines = readFileSync(new URL(`../../fixtures/dtls/${browser}.clienthello.hex`, import.meta.url), "utf8")
    .trim()
    .split("\n");
  const datagrams: { ms: number; bytes: Uint8Array }[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const ms = Number(/t=([\d.]+)ms/.exec(lines[i])![1]);
    datagrams.push({ ms, bytes: fromHex(lines[i + 1]) });
  }
  return datagrams;
}

describe.each(["chromium", "firefox"])("the ClientHello of %s", (browser) => {
  const datagrams = recording(browser);
  const serve = (order: readonly Uint8Array[]): Party => {
    const server = new Party({ role: "server" });
    for (const datagram of order) server.connection.handleDatagram(0, datagram);
    return server;
  };
  const expectOneFlight = (server: Party) => {
    expect(server.sent).toHaveLength(1);
    expect(server.sent[0].length).toBeLessThanOrEqual(1200);
    expect(handshakeTypes(server.sent[0])).toEqual([2, 11, 12, 13, 14]);
    expect(server.connection.group).toBe(0x001d);
    expect(server.connection.version).toBe("1.2");
  };

  it("is answered once both fragments are there, in either order", () => {
    const [first, second] = datagrams.map(({ bytes }) => bytes);
    expect(serve([first]).sent).toHaveLength(0);
    expect(serve([second]).sent).toHaveLength(0);
    expectOneFlight(serve([first, second]));
    expectOneFlight(serve([second, first]));
  });

  it("is put together from fragments of different copies, cut differently, duplicated and reversed", () => {
    const all = datagrams.map(({ bytes }) => bytes);
    // Firefox cuts its later copies elsewhere, so these overlap or leave nothing to the other.
    const [lastFirst, lastSecond] = all.slice(-2);
    expectOneFlight(serve([all[0], all[0], lastSecond]));
    expectOneFlight(serve([lastSecond, lastSecond, all[0]]));
    expectOneFlight(serve([lastFirst, all[1], lastSecond]));
    expectOneFlight(serve([...all].reverse()));
  });

  it("is answered again, once, for each copy that the browser sends, and by the timer in between", () => {
    const server = new Party({ role: "server", handshakeTimeoutMs: 1e6 });
    const [{ ms: start }] = datagrams;
    let timers = 0;
    for (const { ms, bytes } of datagrams) {
      while (server.connection.nextDeadline <= ms - start) {
        timers++;
        server.connection.handleTimeout(server.connection.nextDeadline);
      }
      server.connection.handleDatagram(ms - start, bytes);
    }
    const copies = datagrams.length / 2;
    const answers = server.take().filter((datagram) => handshakeTypes(datagram)[0] === 2);
    expect(answers.length).toBeLessThanOrEqual(copies + timers);
    expect(answers.length).toBeGreaterThanOrEqual(copies);
    // A repeated flight is the same messages in new records.
    const sequence = (datagram: Uint8Array) => datagram.subarray(5, 11).join();
    expect(new Set(answers.map(sequence)).size).toBe(answers.length);
    expect(answers[1].subarray(13, 60)).toEqual(answers[0].subarray(13, 60));
  });

  it("never makes the server throw when cut off or damaged at any byte", () => {
    const [first, second] = datagrams.map(({ bytes }) => bytes);
    for (let length = 0; length < first.length; length += 5) serve([first.subarray(0, length), second]);
    for (let at = 0; at < first.length; at += 3) {
      for (const value of [0, 3, 255]) {
        const damaged = Uint8Array.from(first);
        damaged[at] = value;
        serve([damaged, second]);
      }
    }
  });
});
