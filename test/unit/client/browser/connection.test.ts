import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ClientConnection, type ConnectOptions, connect, type ClientMessage } from "../../../../src/browser.ts";
import { ANSWER, answering, enterPage, FakePeer, leavePage, page, settle } from "./fake-peer.ts";

beforeEach(enterPage);
afterEach(leavePage);

async function opened(options: ConnectOptions = {}): Promise<{ connection: ClientConnection; peer: FakePeer }> {
  const connecting = connect("/rtc", { fetch: answering(), ...options });
  await settle();
  FakePeer.last.open();
  return { connection: await connecting, peer: FakePeer.last };
}

function logOf(connection: ClientConnection): string[] {
  const log: string[] = [];
  connection.on("open", () => log.push("open"));
  connection.on("reconnecting", ({ attempt }) => log.push(`reconnecting ${attempt}`));
  connection.on("close", (reason) => log.push(`close ${reason}`));
  return log;
}

describe("sending", () => {
  test("hands text, buffers and views to the channel and counts them", async () => {
    const { connection, peer } = await opened();
    const messages = ["grüße", new ArrayBuffer(3), new Uint8Array(5).subarray(1, 3), "", new Uint8Array(0)];
    for (const message of messages) await connection.send(message);
    expect(peer.channel.sent).toEqual(messages);
    expect(connection.stats()).toMatchObject({ messagesSent: 5, bytesSent: 12 });
  });

  test("refuses what the server does not take, and throws for what is neither text nor bytes", async () => {
    const { connection, peer } = await opened();
    await expect(connection.send("ü".repeat(601))).rejects.toMatchObject({ name: "SendError", code: "too-large" });
    expect(connection.trySend(new Uint8Array(1201))).toBe(false);
    expect(() => connection.trySend(7 as never)).toThrow(TypeError);
    expect(peer.channel.sent).toEqual([]);
    expect(connection.trySend(new Uint8Array(1200))).toBe(true);
  });

  test.each([1, 10, 15])("a server that takes no more than %i bytes makes nothing throw", async (most) => {
    const { connection, peer } = await opened();
    peer.sctp.maxMessageSize = most;
    void connection.send(new Uint8Array(16));
    expect(connection.trySend(new Uint8Array(16))).toBe(false);
    expect(connection.trySend(new Uint8Array(most))).toBe(true);
  });

  test("what the browser refuses although its channel is open counts as a full queue", async () => {
    const { connection, peer } = await opened();
    peer.channel.send = () => {
      throw new DOMException("the buffer is full", "OperationError");
    };
    expect(connection.trySend("x")).toBe(false);
    await expect(connection.send("x")).rejects.toMatchObject({ code: "queue-full" });
    expect(connection.stats().messagesSent).toBe(0);
  });

  test("refuses when too much waits for the network", async () => {
    const { connection, peer } = await opened({ maxQueuedBytes: 1000 });
    peer.channel.bufferedAmount = 900;
    expect(connection.trySend(new Uint8Array(100))).toBe(true);
    expect(connection.trySend(new Uint8Array(101))).toBe(false);
    await expect(connection.send(new Uint8Array(101))).rejects.toMatchObject({ code: "queue-full" });
  });

  test("rejects as closed after the close", async () => {
    const { connection } = await opened();
    connection.close();
    expect(connection.trySend("late")).toBe(false);
    await expect(connection.send("late")).rejects.toMatchObject({ name: "SendError", code: "closed" });
  });
});

describe("receiving", () => {
  test("recv and the iterator give text and bytes in order, until the close", async () => {
    const { connection, peer } = await opened();
    peer.channel.onmessage({ data: "one" });
    peer.channel.onmessage({ data: new Uint8Array([2]).buffer });
    const first = await connection.recv();
    expect(first).toEqual({ connection, data: "one", binary: false });
    const rest: ClientMessage[] = [];
    const reading = (async () => {
      for await (const message of connection) rest.push(message);
    })();
    await settle();
    peer.channel.onclose();
    await reading;
    expect(rest.map(({ data, binary }) => ({ data, binary }))).toEqual([{ data: new Uint8Array([2]), binary: true }]);
    await expect(connection.recv()).rejects.toMatchObject({ name: "ClosedError" });
    expect(connection.stats()).toMatchObject({ state: "closed", messagesReceived: 2, bytesReceived: 4 });
  });

  test("gives messages to listeners instead, while there are some", async () => {
    const { connection, peer } = await opened();
    const seen: unknown[] = [];
    const listener = ({ data }: ClientMessage) => seen.push(data);
    connection.on("message", listener);
    peer.channel.onmessage({ data: "heard" });
    connection.off("message", listener);
    peer.channel.onmessage({ data: "kept" });
    expect(seen).toEqual(["heard"]);
    expect((await connection.recv()).data).toBe("kept");
  });

  test("recv gives up when its signal aborts", async () => {
    const { connection } = await opened();
    await expect(connection.recv({ signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  });
});

describe("closing", () => {
  test.each<[string, (connection: ClientConnection, peer: FakePeer) => unknown]>([
    ["local", (connection) => connection.close()],
    ["local", () => page.dispatchEvent(new Event("pagehide"))],
    ["remote", (_, peer) => peer.channel.onclose()],
    ["idle", (_, peer) => peer.become("failed", "failed")],
  ])("emits close once with %s", async (reason, act) => {
    const { connection, peer } = await opened();
    const log = logOf(connection);
    await act(connection, peer);
    peer.channel.onclose();
    connection.close();
    expect(log).toEqual([`close ${reason}`]);
    expect(connection.state).toBe("closed");
    expect(peer.closed).toBe(true);
  });

  test("a connection that is closed leaves no listener with the page", async () => {
    const { connection, peer } = await opened({ reconnect: true });
    expect(getEventListeners(page, "pagehide")).toHaveLength(1);
    peer.channel.onclose();
    expect(getEventListeners(page, "pagehide")).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(500);
    FakePeer.last.open();
    await settle();
    expect(getEventListeners(page, "pagehide")).toHaveLength(1);
    connection.close();
    expect(getEventListeners(page, "pagehide")).toHaveLength(0);
  });

  test("a silence ends the connection only if it lasts", async () => {
    const { connection, peer } = await opened();
    const log = logOf(connection);
    peer.become("disconnected");
    await vi.advanceTimersByTimeAsync(3_900);
    peer.become("connected");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(log).toEqual([]);
    peer.become("disconnected");
    await vi.advanceTimersByTimeAsync(4_000);
    expect(log).toEqual(["close idle"]);
  });
});

describe("reconnecting", () => {
  test("is the same connection, open again with a new peer", async () => {
    const { connection, peer } = await opened({ reconnect: true });
    const log = logOf(connection);
    peer.channel.onclose();
    expect(connection.state).toBe("reconnecting");
    expect(connection.trySend("into the void")).toBe(false);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakePeer.last).not.toBe(peer);
    FakePeer.last.open();
    await settle();
    expect(log).toEqual(["reconnecting 1", "open"]);
    expect(connection.state).toBe("open");
    const next = connection.recv();
    FakePeer.last.channel.onmessage({ data: "back" });
    expect((await next).data).toBe("back");
  });

  test("waits twice as long each time, less a random part, up to the limit", async () => {
    const fetch = vi.fn(answering());
    const { connection, peer } = await opened({ fetch, reconnect: { minDelayMs: 100, maxDelayMs: 1_000 } });
    const delays: number[] = [];
    connection.on("reconnecting", ({ delayMs }) => delays.push(delayMs));
    fetch.mockRejectedValue(new TypeError("no network"));
    peer.channel.onclose();
    await vi.advanceTimersByTimeAsync(6_000);
    expect(delays.length).toBeGreaterThan(5);
    for (const [index, delay] of delays.entries()) {
      const full = Math.min(1_000, 100 * 2 ** index);
      expect(delay).toBeGreaterThan(full / 2 - 1e-9);
      expect(delay).toBeLessThanOrEqual(full);
    }
    connection.close();
  });

  test("ends when the attempts are used up, with the reason of the loss", async () => {
    const fetch = vi.fn(answering());
    const { connection, peer } = await opened({ fetch, reconnect: { maxAttempts: 2 } });
    const log = logOf(connection);
    fetch.mockRejectedValue(new TypeError("no network"));
    peer.become("failed", "failed");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toEqual(["reconnecting 1", "reconnecting 2", "close idle"]);
  });

  test("ends at once when the server says no", async () => {
    const fetch = vi.fn(answering());
    const { connection, peer } = await opened({ fetch, reconnect: true });
    const log = logOf(connection);
    fetch.mockImplementation(async () => new Response("banned", { status: 403 }));
    peer.channel.onclose();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toEqual(["reconnecting 1", "close remote"]);
  });

  test("goes on while the server says later", async () => {
    const fetch = vi.fn(answering());
    const { connection, peer } = await opened({ fetch, reconnect: true });
    const log = logOf(connection);
    fetch.mockImplementation(async () => new Response("full", { status: 503 }));
    peer.channel.onclose();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log.length).toBeGreaterThan(3);
    expect(connection.state).toBe("reconnecting");
    connection.close();
  });

  test("stops when the application closes the connection in between", async () => {
    const { connection, peer } = await opened({ reconnect: true });
    const log = logOf(connection);
    peer.channel.onclose();
    await vi.advanceTimersByTimeAsync(500);
    connection.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toEqual(["reconnecting 1", "close local"]);
    expect(FakePeer.all.every(({ closed }) => closed)).toBe(true);
  });

  test("has no timer left when the application closes it while it waits", async () => {
    const { connection, peer } = await opened({ reconnect: { minDelayMs: 10_000 } });
    peer.channel.onclose();
    expect(vi.getTimerCount()).toBe(1);
    connection.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("asks for fresh headers each time", async () => {
    const headers = vi.fn(async () => ({ authorization: "fresh" }));
    const { connection, peer } = await opened({ reconnect: true, headers });
    peer.channel.onclose();
    await vi.advanceTimersByTimeAsync(500);
    expect(headers).toHaveBeenCalledTimes(2);
    connection.close();
  });
});

describe("where the server names the session", () => {
  const SESSION = { ...ANSWER, session: "a-name" };

  /** A server whose answers after the first one are these: HTTP statuses, 0 for no answer at all, or none for "never". */
  function serving(statuses: (number | undefined)[], url = "/rtc") {
    const asked: string[] = [];
    const fetch = async (to: string, { signal }: RequestInit) => {
      asked.push(to);
      if (asked.length === 1) return Response.json(SESSION);
      const status = statuses.shift();
      if (status === undefined) {
        return new Promise<never>((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
      }
      if (status === 0) throw new TypeError("no network");
      return status === 200 ? Response.json(SESSION) : new Response("no", { status });
    };
    return { asked, url, fetch };
  }

  async function restarting(statuses: (number | undefined)[], options: ConnectOptions = {}) {
    const { asked, fetch } = serving(statuses);
    const { connection, peer } = await opened({ fetch, ...options });
    return { asked, connection, peer, log: logOf(connection) };
  }

  const again = "/rtc?rtc-session=a-name";

  test.each([
    ["the browser says that nothing comes any more", (peer: FakePeer) => peer.become("disconnected")],
    ["the browser has given up", (peer: FakePeer) => peer.become("failed")],
    ["the network is there again", () => page.dispatchEvent(new Event("online"))],
  ])("ICE is restarted where %s, and the connection goes on", async (_, happen) => {
    const { asked, peer, log, connection } = await restarting([200]);
    happen(peer);
    await settle();
    expect(asked).toEqual(["/rtc", again]);
    expect(peer.offers.map((options) => options?.iceRestart)).toEqual([false, true]);
    expect(peer.answers).toBe(2);
    peer.become("connected");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toEqual([]);
    expect(connection.id).toBe(ANSWER.id);
    connection.close();
  });

  test("the session is added to what the URL asks already", async () => {
    const { asked, fetch } = serving([200]);
    const connecting = connect("/rtc?room=5", { fetch });
    await settle();
    FakePeer.last.open();
    const connection = await connecting;
    FakePeer.last.become("disconnected");
    await settle();
    expect(asked[1]).toBe("/rtc?room=5&rtc-session=a-name");
    connection.close();
  });

  test("while there is no network it is tried again, four times a second", async () => {
    const { asked, peer, log, connection } = await restarting([0, 503, 429, 200]);
    peer.become("disconnected");
    await vi.advanceTimersByTimeAsync(700);
    expect(asked).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(60);
    expect(asked).toHaveLength(5);
    expect(log).toEqual([]);
    connection.close();
  });

  test("attempts that hang are given up after 0.4, 0.4, 0.8 s and so on, or as soon as there is a network", async () => {
    const { asked, peer, connection } = await restarting([undefined, undefined, undefined, undefined, 200]);
    peer.become("disconnected");
    for (const [ms, count] of [
      [399, 2],
      [1, 3],
      [399, 3],
      [1, 4],
      [799, 4],
      [1, 5],
    ]) {
      await vi.advanceTimersByTimeAsync(ms);
      expect(asked).toHaveLength(count);
    }
    await vi.advanceTimersByTimeAsync(250);
    page.dispatchEvent(new Event("online"));
    await settle();
    expect(asked).toHaveLength(6);
    expect(peer.answers).toBe(2);
    connection.close();
  });

  test.each([404, 403])("%i ends the connection: the server has it no longer", async (status) => {
    const { peer, log } = await restarting([status]);
    peer.become("disconnected");
    await settle();
    expect(log).toEqual(["close idle"]);
    expect(peer.closed).toBe(true);
  });

  test("without a path after ten seconds the connection is lost, and nobody asks any more", async () => {
    const { asked, peer, log } = await restarting(Array(100).fill(0));
    peer.become("disconnected");
    await vi.advanceTimersByTimeAsync(9_999);
    peer.become("failed");
    expect(log).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(["close idle"]);
    const before = asked.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length).toBe(before);
  });

  describe("and what the page sends stays without an answer", () => {
    /** The page sends, and the server answers or does not, for so long. */
    async function talk(peer: FakePeer, ms: number, isAnswered: boolean) {
      for (let passed = 0; passed < ms; passed += 100) {
        peer.pairs[0].bytesSent! += 50;
        if (isAnswered) peer.pairs[0].bytesReceived! += 50;
        await vi.advanceTimersByTimeAsync(100);
      }
    }

    async function talking(statuses: (number | undefined)[]) {
      const page = await restarting(statuses);
      page.peer.pairs = [{ bytesSent: 1_000, bytesReceived: 1_000 }];
      await talk(page.peer, 1_000, true);
      return page;
    }

    test("ICE is restarted once, and the connection goes on", async () => {
      const { asked, peer, log, connection } = await talking([200]);
      await talk(peer, 1_300, false);
      expect(asked).toEqual(["/rtc", again]);
      await talk(peer, 60_000, true);
      expect(asked).toEqual(["/rtc", again]);
      expect(log).toEqual([]);
      connection.close();
    });

    test("a dead server is asked a few times, ever more rarely, until the browser says that it is dead", async () => {
      const { asked, peer, log } = await talking([200, 200, 200, 200]);
      await talk(peer, 6_000, false);
      expect(asked.length).toBeLessThanOrEqual(3);
      peer.become("disconnected");
      await talk(peer, 9_900, false);
      expect(log).toEqual([]);
      await talk(peer, 100, false);
      expect(log).toEqual(["close idle"]);
      expect(asked.length).toBeLessThanOrEqual(4);
    });

    test("a server that has forgotten the connection ends it", async () => {
      const { peer, log } = await talking([404]);
      await talk(peer, 1_300, false);
      expect(log).toEqual(["close idle"]);
    });

    test("where the server cannot be asked either, an answer on the old path keeps the connection", async () => {
      const { peer, log, connection } = await talking(Array(100).fill(0));
      await talk(peer, 5_000, false);
      await talk(peer, 60_000, true);
      expect(log).toEqual([]);
      connection.close();
    });

    test("an attempt that is on its way is not disturbed", async () => {
      const { asked, peer, connection } = await talking([0, 0, 0, undefined, 200]);
      page.dispatchEvent(new Event("online"));
      await talk(peer, 1_400, false);
      expect(asked).toHaveLength(5);
      connection.close();
    });
  });

  test("an attempt leaves nothing behind that is not answered: its offer is set with the answer", async () => {
    const { peer, connection } = await restarting([0, 200]);
    const { localDescription } = peer;
    peer.become("disconnected");
    await settle();
    expect(peer.offers).toHaveLength(2);
    expect(peer.localDescription).toBe(localDescription);
    await vi.advanceTimersByTimeAsync(250);
    expect(peer.localDescription).not.toBe(localDescription);
    expect(peer.answers).toBe(2);
    connection.close();
  });

  test("a channel that Firefox closes because ICE has failed is idle, not closed by the server", async () => {
    const { peer, log } = await restarting([undefined]);
    peer.become("failed", "connected");
    peer.channel.onclose();
    expect(log).toEqual(["close idle"]);
  });

  test("a server that names none is not watched: there is nothing that could be done", async () => {
    const { connection, peer } = await opened();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(peer.looks).toBe(0);
    connection.close();
  });

  test("a connection that is closed asks for nothing any more", async () => {
    const { asked, connection, peer } = await restarting([0, 0, 0]);
    peer.become("disconnected");
    await settle();
    connection.close();
    page.dispatchEvent(new Event("online"));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toHaveLength(2);
  });
});
