import { describe, expect, it } from "vitest";
import { bytesOf, type Established, establishedParty, packet, sack, type SeenChunk } from "./support.ts";

/** Plays a peer that takes what its window allows: closed until `opensAt`, it drops each chunk and says so. */
class FullReader {
  readonly at: Established;
  now = 0;
  received = 0;
  probes = 0;
  opensAt = Number.POSITIVE_INFINITY;
  isSilent = false;

  constructor(at: Established) {
    this.at = at;
  }

  run(until: number): void {
    const { association } = this.at.party;
    for (; this.now < until && this.at.party.closedBecause === undefined; this.now += 10) {
      while (association.nextDeadline <= this.now) association.handleTimeout(this.now);
      if (this.now === this.opensAt) this.#answer();
      this.#take(this.at.party.flush(this.now));
    }
  }

  #take(chunks: readonly SeenChunk[]): void {
    const data = chunks.filter(({ name }) => name === "DATA");
    if (data.length === 0) return;
    for (const { tsn } of data) {
      if (this.now < this.opensAt) this.probes++;
      else if (tsn === this.at.localTsn + this.received) this.received++;
    }
    if (!this.isSilent) this.#answer();
  }

  #answer(): void {
    const window = this.now < this.opensAt ? 0 : 100_000;
    this.at.party.handle(this.now, packet(this.at.tag, sack(this.at.localTsn + this.received - 1, window)));
  }
}

function fullReader(): FullReader {
  const at = establishedParty();
  for (let i = 0; i < 50; i++)
    at.party.association.send(0, { streamId: 1, ppid: 53, data: bytesOf(1_000), ordered: true });
  at.party.take();
  const reader = new FullReader(at);
  at.party.handle(0, packet(at.tag, sack(at.localTsn - 1, 0)));
  return reader;
}

describe("a peer with a closed window", () => {
  it("that answers probes is waited for, and gets everything when it reads after a minute", () => {
    const reader = fullReader();
    reader.opensAt = 60_000;
    reader.run(60_000);
    expect(reader.at.party.closedBecause).toBeUndefined();
    expect(reader.probes).toBeGreaterThan(20);
    expect(reader.probes).toBeLessThan(100);
    reader.run(90_000);
    expect(reader.received).toBe(50);
  });

  it("gets the chunk that found its window closed as soon as that opens", () => {
    const reader = fullReader();
    reader.opensAt = 30_010;
    reader.run(30_050);
    expect(reader.received).toBeGreaterThan(0);
  });

  it("that answers no probe is given up like any other: after ten time-outs in a row", () => {
    const reader = fullReader();
    reader.isSilent = true;
    reader.run(60_000);
    expect(reader.at.party.closedBecause).toBe("timeout");
    expect(reader.now).toBeLessThan(25_000);
  });

  it("is waited for 5 to 6 minutes, and no longer: what waits for it takes memory", () => {
    const reader = fullReader();
    reader.run(600_000);
    expect(reader.at.party.closedBecause).toBe("timeout");
    expect(reader.now).toBeGreaterThanOrEqual(300_000);
    expect(reader.now).toBeLessThanOrEqual(395_000);
  });

  it("does not gain time by opening its window now and then, without taking the first chunk", () => {
    const at = establishedParty();
    const { association } = at.party;
    for (let i = 0; i < 50; i++) association.send(0, { streamId: 1, ppid: 53, data: bytesOf(1_000) });
    let now = 0;
    for (; at.party.closedBecause === undefined && now < 1_000_000; now += 500) {
      while (association.nextDeadline <= now) association.handleTimeout(now);
      association.flush(now);
      at.party.take();
      at.party.handle(now, packet(at.tag, sack(at.localTsn - 1, (now / 500) % 2 === 0 ? 0 : 100_000)));
    }
    expect(at.party.closedBecause).toBe("timeout");
    expect(now).toBeLessThanOrEqual(130_000);
  });
});
