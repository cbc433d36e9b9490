import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { watch } from "../../../../src/client/browser/watch.ts";
import { Random } from "../../../sim/random.ts";
import { enterPage, FakePeer, leavePage } from "./fake-peer.ts";

beforeEach(enterPage);
afterEach(leavePage);

const LOOK_MS = 300;
const MINUTE_MS = 60_000;

/** A watched connection: `pass` is time, cut into ticks at which the test moves its traffic. */
class Watched {
  readonly peer = new FakePeer();
  /** When it alarmed, ms. */
  readonly alarms: number[] = [];
  #now = 0;
  readonly #stop = new AbortController();

  constructor() {
    this.peer.connectionState = "connected";
    this.peer.pairs = [
      { bytesSent: 5_000, bytesReceived: 4_000 },
      { bytesSent: 0, bytesReceived: 0 },
    ];
    const peer = this.peer as unknown as RTCPeerConnection;
    void watch(peer, this.#stop.signal, () => this.alarms.push(this.#now));
  }

  send(): void {
    this.peer.pairs[0].bytesSent! += 50;
  }

  receive(): void {
    this.peer.pairs[0].bytesReceived! += 50;
  }

  talk(): void {
    this.send();
    this.receive();
  }

  async pass(ms: number, tick: (atMs: number) => void = () => {}, tickMs = 50): Promise<void> {
    for (const end = this.#now + ms; this.#now < end; ) {
      tick(this.#now);
      await vi.advanceTimersByTimeAsync(tickMs);
      this.#now += tickMs;
    }
  }

  stop(): void {
    this.#stop.abort();
  }
}

describe("a path", () => {
  test("is dead where three looks find bytes sent and none received: about a second after the last ones", async () => {
    const watched = new Watched();
    await watched.pass(1_000, () => watched.talk());
    await watched.pass(1_250, () => watched.send());
    expect(watched.alarms).toHaveLength(1);
  });

  test.each(["talks", "listens", "says nothing"])("is alive while the page %s", async (way) => {
    const watched = new Watched();
    await watched.pass(3 * MINUTE_MS, () => {
      if (way === "talks") watched.send();
      if (way !== "says nothing") watched.receive();
    });
    expect(watched.alarms).toEqual([]);
  });

  test("is alive where the server falls silent after a minute of talk, as between two games", async () => {
    const watched = new Watched();
    await watched.pass(MINUTE_MS, () => watched.talk());
    await watched.pass(3 * MINUTE_MS);
    expect(watched.alarms).toEqual([]);
  });

  test("is alive where a lone message is lost, and again when it is repeated after 0.4 s, but not at 1.2 s", async () => {
    const watched = new Watched();
    await watched.pass(5 * MINUTE_MS, (atMs) => {
      if ([0, 400, 1_200].includes(atMs % 5_000)) watched.send();
      if (atMs % 5_000 === 1_250) watched.receive();
    });
    expect(watched.alarms).toEqual([]);
  });

  test.each([0.05, 0.2, 0.4])("is alive where %d of all datagrams are lost, each way", async (loss) => {
    const random = new Random("a lossy line");
    const watched = new Watched();
    await watched.pass(2 * MINUTE_MS, () => {
      watched.send();
      if (random.chance(1 - loss) && random.chance(1 - loss)) watched.receive();
    });
    expect(watched.alarms).toEqual([]);
  });

  test("is alive where the answers take half a second, and the page talks from time to time", async () => {
    const watched = new Watched();
    await watched.pass(3 * MINUTE_MS, (atMs) => {
      const sinceMs = atMs % 10_000;
      if (sinceMs < 5_000) watched.send();
      if (sinceMs >= 500 && sinceMs < 5_500) watched.receive();
    });
    expect(watched.alarms).toEqual([]);
  });

  test("is told of by looks, not by the clock: where the browser slows the timers down, no pause is an alarm", async () => {
    const watched = new Watched();
    await watched.pass(1_000, () => watched.talk());
    watched.peer.statsTakeMs = 60_000; // The page is asleep: a look lasts a minute.
    await watched.pass(100, () => watched.send());
    await watched.pass(MINUTE_MS);
    watched.peer.statsTakeMs = 0;
    await watched.pass(1_000, () => watched.talk());
    expect(watched.alarms).toEqual([]);
  });
});

describe("alarms", () => {
  test("about a server that stays away come ever more rarely", async () => {
    const watched = new Watched();
    await watched.pass(MINUTE_MS, () => watched.send());
    const gaps = watched.alarms.map((at, i, { [i - 1]: before }) => Math.round((at - (before ?? 0)) / LOOK_MS));
    expect(gaps).toEqual([3, 6, 12, 24, 48, 96]);
  });

  test("about a server that stands still for 1.5 s each ten seconds are one in 30 s, at the most", async () => {
    const watched = new Watched();
    await watched.pass(5 * MINUTE_MS, (atMs) => {
      watched.send();
      if (atMs % 10_000 > 1_500) watched.receive();
    });
    expect(watched.alarms.length).toBeGreaterThan(0);
    expect(watched.alarms.length).toBeLessThanOrEqual(10);
  });

  test("are as quick as at first a minute and a half after the last one", async () => {
    const watched = new Watched();
    await watched.pass(1_500, () => watched.send());
    await watched.pass(90_000, () => watched.talk());
    expect(watched.alarms).toHaveLength(1);
    await watched.pass(1_250, () => watched.send());
    expect(watched.alarms).toHaveLength(2);
  });

  test("wait where there is no pair with traffic, as in Firefox until a restart has succeeded", async () => {
    const watched = new Watched();
    await watched.pass(1_250, () => watched.send());
    watched.peer.pairs = [{ bytesSent: 0, bytesReceived: 0 }];
    await watched.pass(MINUTE_MS);
    expect(watched.alarms).toHaveLength(1);
    await watched.pass(MINUTE_MS, () => watched.talk()); // The new pair, whose counts begin at 0.
    expect(watched.alarms).toHaveLength(1);
  });

  test.each([
    ["the browser has noticed", (peer: FakePeer) => (peer.connectionState = "disconnected")],
    ["the browser counts no bytes of its pairs", (peer: FakePeer) => (peer.pairs = [{}, {}])],
    ["the browser counts them for some pairs only", (peer: FakePeer) => peer.pairs.push({})],
    ["nobody needs to know any more", (_: FakePeer, watched: Watched) => watched.stop()],
  ])("stay away where %s", async (_, happen) => {
    const watched = new Watched();
    await watched.pass(1_000, () => watched.talk());
    happen(watched.peer, watched);
    await watched.pass(MINUTE_MS, () => (watched.peer.pairs[0].bytesSent! += 50));
    expect(watched.alarms).toEqual([]);
  });

  test("stop, and so do the looks, with the connection", async () => {
    const watched = new Watched();
    await watched.pass(1_000);
    watched.stop();
    await watched.pass(1_000);
    const { looks } = watched.peer;
    await watched.pass(MINUTE_MS);
    expect(watched.peer.looks).toBe(looks);
    expect(vi.getTimerCount()).toBe(0);
  });
});
