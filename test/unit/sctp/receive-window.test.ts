import { describe, expect, it } from "vitest";
import { ReceiveWindow } from "../../../src/sctp/receive-window.ts";
import { MemoryLedger, unlimitedAccount } from "../../../src/wire/memory-ledger.ts";
import { bytesOf, data, establishedParty, LIMITS, packet } from "./support.ts";

const KB = 1_024;

/** Data of a sender that fills the window once in each round trip, for so many round trips. */
function fill(window: ReceiveWindow, rounds: number, roundTripMs = 50, heldBytes = 0, from = 0): void {
  for (let round = 0; round < rounds; round++) {
    const bytes = window.bytes;
    for (let at = 0; at < bytes; at += KB) {
      window.count(KB);
      window.update(from + (round + at / bytes) * roundTripMs, roundTripMs, heldBytes);
    }
  }
}

describe("the receive window", () => {
  it("doubles up to its limit where it is filled once in each round trip", () => {
    const window = new ReceiveWindow(64 * KB, 1_000 * KB, unlimitedAccount());
    fill(window, 1);
    expect(window.bytes).toBeGreaterThanOrEqual(128 * KB);
    fill(window, 10, 50, 0, 50);
    expect(window.bytes).toBe(1_000 * KB);
  });

  it("stays where no more than half of it comes in a round trip", () => {
    const window = new ReceiveWindow(64 * KB, 1_000 * KB, unlimitedAccount());
    for (let now = 0; now < 5_000; now += 25) {
      for (let i = 0; i < 10; i++) window.count(KB);
      window.update(now, 50, 0);
    }
    expect(window.bytes).toBe(64 * KB);
  });

  it("stays where the application does not take what comes, or there is no memory for more", () => {
    const window = new ReceiveWindow(64 * KB, 1_000 * KB, unlimitedAccount());
    fill(window, 10, 50, 32 * KB);
    expect(window.bytes).toBe(64 * KB);
    const limits = { maxMemoryBytes: 256 * KB, maxMemoryBytesPerConnection: 200 * KB };
    const ledger = new MemoryLedger({ ...limits, maxConnections: 1_000, maxConnectionsPerAddress: 1_000 });
    const poor = new ReceiveWindow(64 * KB, 1_000 * KB, ledger.open(["192.0.2.1"], undefined));
    fill(poor, 10);
    expect(poor.bytes).toBe(128 * KB);
  });

  it("grows by a round trip of 100 ms as long as none was measured", () => {
    const window = new ReceiveWindow(64 * KB, 1_000 * KB, unlimitedAccount());
    for (let i = 0; i < 32; i++) window.count(KB);
    window.update(90, 0, 0);
    expect(window.bytes).toBe(128 * KB);
  });

  it("is advertised as it grows, and what is held may fill it", () => {
    const at = establishedParty();
    let tsn = at.peerTsn;
    let window = 0;
    for (let now = 1; now < 40; now++) {
      for (let i = 0; i < 20; i++) at.party.handle(now, packet(at.tag, data({ tsn: tsn++, data: bytesOf(1_100) })));
      at.party.association.flush(now);
      for (const chunk of at.party.takeChunks()) if (chunk.name === "SACK") window = chunk.window;
    }
    expect(window).toBe(4 * LIMITS.receiveWindowBytes);
    // All of a window behind a chunk that is missing.
    const missing = tsn++;
    const most = Math.floor(window / 1_100) - 1;
    for (let i = 0; i < most; i++)
      at.party.handle(50, packet(at.tag, data({ tsn: tsn++, flags: 3, ssn: i + 1, data: bytesOf(1_100) })));
    at.party.handle(51, packet(at.tag, data({ tsn: missing, flags: 3, ssn: 0, data: bytesOf(10) })));
    at.party.association.flush(51);
    expect(at.party.takeChunks().at(-1)!.tsn).toBe(missing + most);
  });
});
