import { beforeEach, describe, expect, test } from "vitest";
import { FairBacklog, type ReceiveQueueLimits, type SenderBacklog } from "../../../src/shell/fair-backlog.ts";
import { DEFAULT_LIMITS } from "../../../src/server/options.ts";
import { type MemoryAccount, MemoryLedger, unlimitedAccount } from "../../../src/wire/memory-ledger.ts";
import { Random } from "../../sim/random.ts";

class Client {
  readonly name: string;
  readonly memory: MemoryAccount;
  backlog: SenderBacklog<Item> | undefined;
  /** What it was told last that waits of its reliable messages. */
  unread = 0;

  constructor(name: string, memory = unlimitedAccount()) {
    this.name = name;
    this.memory = memory;
  }

  setUnread(bytes: number): void {
    this.unread = bytes;
  }
}

interface Item {
  readonly connection: Client;
  readonly channel: { readonly isReliable: boolean };
  readonly data: string;
}

function setUp(limits: Partial<ReceiveQueueLimits> = {}) {
  const dropped: Item[] = [];
  const waiting = new FairBacklog<Item>({ ...DEFAULT_LIMITS, ...limits }, (item) => dropped.push(item));
  const push = (connection: Client, ...texts: string[]) => {
    for (const data of texts) waiting.push({ connection, data, channel: { isReliable: false } });
  };
  const pushReliable = (connection: Client, ...texts: string[]) => {
    for (const data of texts) waiting.push({ connection, data, channel: { isReliable: true } });
  };
  const takeAll = () => {
    const taken: string[] = [];
    while (waiting.length > 0) {
      const { connection, data } = waiting.shift();
      taken.push(`${connection.name}${data}`);
    }
    return taken;
  };
  return { waiting, dropped, push, pushReliable, takeAll };
}

let [a, b, c] = threeClients();
beforeEach(() => {
  [a, b, c] = threeClients();
});

function threeClients(): Client[] {
  return ["a", "b", "c"].map((name) => new Client(name));
}

describe("turns", () => {
  test("connections are served in turn, one message each, each in its own order", () => {
    const { push, takeAll } = setUp();
    push(a, "1", "2", "3", "4");
    push(b, "1");
    push(c, "1", "2");
    expect(takeAll()).toEqual(["a1", "b1", "c1", "a2", "c2", "a3", "a4"]);
  });

  test("who comes late has its turn when everybody else had one", () => {
    const { waiting, push, takeAll } = setUp();
    push(a, "1", "2", "3");
    push(b, "1", "2", "3");
    expect(waiting.shift().connection).toBe(a);
    push(c, "1");
    expect(takeAll()).toEqual(["b1", "a2", "c1", "b2", "a3", "b3"]);
  });

  test("who empties its backlog and sends again does not jump the queue", () => {
    const { waiting, push, takeAll } = setUp();
    push(a, "1");
    push(b, "1", "2");
    push(c, "1", "2");
    waiting.shift();
    push(a, "2");
    expect(takeAll()).toEqual(["b1", "c1", "a2", "b2", "c2"]);
  });

  test("beside a client of 6,500 messages a second, another one's 60 wait a moment and are all received", () => {
    // In virtual time: 1 ms of work for each message, as a game's loop might have.
    const { waiting, push } = setUp();
    const [loud, calm] = [new Client("loud"), new Client("calm")];
    const delays: number[] = [];
    let sent = 0;
    for (let ms = 0; ms < 5_000; ms++) {
      push(loud, ...Array.from({ length: 6 + (ms % 2) }, () => "x".repeat(100)));
      if (Math.floor((ms * 60) / 1_000) > sent) {
        sent++;
        push(calm, String(ms));
      }
      const { connection, data } = waiting.shift();
      if (connection === calm) delays.push(ms - Number(data));
    }
    expect(sent).toBe(299);
    expect(delays.length).toBeGreaterThanOrEqual(sent - 1);
    expect(Math.max(...delays)).toBeLessThanOrEqual(2);
  });
});

describe("limits", () => {
  test("a connection that is loud loses its own oldest messages and nobody else's", () => {
    const { push, dropped, takeAll } = setUp({ maxReceiveQueueMessagesPerConnection: 3 });
    push(a, "1");
    push(b, "1", "2", "3", "4", "5");
    expect(dropped.map(({ connection, data }) => connection.name + data)).toEqual(["b1", "b2"]);
    expect(takeAll()).toEqual(["a1", "b3", "b4", "b5"]);
  });

  test("the same in bytes", () => {
    const { waiting, push, dropped, takeAll } = setUp({ maxReceiveQueueBytesPerConnection: 10 });
    push(a, "1234567890");
    push(b, "12345", "12345", "123456");
    expect(dropped.map(({ connection }) => connection)).toEqual([b, b]);
    expect(waiting.bytes).toBe(16);
    expect(takeAll()).toEqual(["a1234567890", "b123456"]);
  });

  test("where all together are too many, the longest backlog gives, whoever sends", () => {
    const { push, dropped } = setUp({ maxReceiveQueueMessages: 10 });
    push(a, "1", "2", "3", "4", "5", "6", "7");
    push(b, "1", "2", "3");
    expect(dropped).toEqual([]);
    push(b, "4");
    push(c, "1");
    expect(dropped.map(({ connection, data }) => connection.name + data)).toEqual(["a1", "a2"]);
  });

  test("where all together are too many bytes, who holds most of them gives, however few messages they are", () => {
    const { push, dropped } = setUp({ maxReceiveQueueBytes: 100_000 });
    push(a, ...Array.from({ length: 40 }, () => "s"));
    push(b, "L".repeat(60_000), "L".repeat(39_900));
    push(c, "c".repeat(100));
    expect(dropped.map(({ connection, data }) => [connection, data.length])).toEqual([[b, 60_000]]);
  });

  test("where everybody has a single message, the oldest goes", () => {
    const { push, dropped, takeAll } = setUp({ maxReceiveQueueMessages: 2 });
    push(a, "1");
    push(b, "1");
    push(c, "1");
    expect(dropped.map(({ connection }) => connection)).toEqual([a]);
    push(a, "2");
    expect(dropped.map(({ connection }) => connection)).toEqual([a, b]);
    expect(takeAll()).toEqual(["c1", "a2"]);
  });

  test("a silent hoard does not keep newcomers out", () => {
    const { push, dropped } = setUp({ maxReceiveQueueMessages: 1_000 });
    push(a, ...Array.from({ length: 1_000 }, () => "old"));
    for (let i = 0; i < 400; i++) push(new Client(`new ${i}`), "hello");
    expect(dropped).toHaveLength(400);
    expect(dropped.every(({ connection }) => connection === a)).toBe(true);
  });
});

test("what waits is counted exactly, in bounds, and in each one's order, whatever comes", () => {
  const seed = "fair backlog";
  const random = new Random(seed);
  const limits = {
    maxReceiveQueueMessages: 60,
    maxReceiveQueueBytes: 20_000,
    maxReceiveQueueMessagesPerConnection: 20,
    maxReceiveQueueBytesPerConnection: 9_000,
  };
  const { waiting, dropped, push } = setUp(limits);
  const clients = Array.from({ length: 12 }, (_, i) => new Client(String(i)));
  /** What each has waiting, as a plain list: the model. */
  const model = new Map(clients.map((client) => [client, [] as string[]]));
  for (let step = 0; step < 4_000; step++) {
    const before = dropped.length;
    if (random.chance(0.6)) {
      const client = clients[Math.floor(random.unit() ** 3 * clients.length)];
      const data = `${step}`.padEnd(random.chance(0.05) ? 8_000 : Math.floor(random.unit() * 300), ".");
      push(client, data);
      model.get(client)!.push(data);
    } else if (waiting.length > 0) {
      const { connection, data } = waiting.shift();
      expect(data, `seed ${seed}, step ${step}`).toBe(model.get(connection)!.shift());
    }
    for (const { connection, data } of dropped.slice(before)) {
      expect(data, `seed ${seed}, step ${step}`).toBe(model.get(connection)!.shift());
    }
    const all = [...model.values()].flat();
    expect(waiting.length).toBe(all.length);
    expect(waiting.bytes).toBe(all.reduce((sum, { length }) => sum + length, 0));
    expect(waiting.length).toBeLessThanOrEqual(limits.maxReceiveQueueMessages);
    expect(waiting.bytes).toBeLessThanOrEqual(limits.maxReceiveQueueBytes);
  }
});

test("a connection with nothing waiting holds nothing, and its backlog serves the next one", () => {
  const { waiting, push } = setUp();
  push(a, "1");
  const { backlog } = a;
  expect(waiting.shift().data).toBe("1");
  expect(a.backlog).toBeUndefined();
  push(b, "1");
  expect(b.backlog).toBe(backlog);
  waiting.shift();
});

describe("memory", () => {
  const limits = {
    maxMemoryBytes: 4_000,
    maxMemoryBytesPerConnection: 2_000,
    maxConnections: 2,
    maxConnectionsPerAddress: 2,
  };

  test("a sender without memory for a message gives its own oldest, and what has left is given back", () => {
    const ledger = new MemoryLedger<string>(limits);
    const loud = new Client("loud", ledger.open(["192.0.2.1"], "loud"));
    const other = new Client("other", ledger.open(["192.0.2.2"], "other"));
    const { waiting, dropped, push, takeAll } = setUp();
    push(other, "1");
    for (let i = 0; i < 10; i++) push(loud, String(i).repeat(300));
    expect(loud.memory.bytes).toBeLessThanOrEqual(2_000);
    expect(dropped.map(({ data }) => data[0])).toEqual(["0", "1", "2", "3", "4", "5", "6"]);
    expect(waiting.length).toBe(4);
    takeAll();
    expect(ledger.bytes).toBe(0);
  });

  test("a message that is longer than all there is waits alone, and all of a sender can be dropped", () => {
    const ledger = new MemoryLedger<string>(limits);
    const loud = new Client("loud", ledger.open(["192.0.2.1"], "loud"));
    const { waiting, dropped, push } = setUp();
    push(a, "1");
    push(loud, "1", "2", "x".repeat(5_000));
    expect([dropped.length, waiting.length]).toEqual([2, 2]);
    waiting.forget(loud);
    expect([ledger.bytes, waiting.length, waiting.bytes]).toEqual([0, 1, 1]);
  });
});

describe("reliable messages", () => {
  test("are never dropped, and narrow the window of their sender as long as they wait", () => {
    const { waiting, dropped, push, pushReliable, takeAll } = setUp({
      maxReceiveQueueMessages: 3,
      maxReceiveQueueMessagesPerConnection: 2,
    });
    pushReliable(a, "1", "2", "3", "4");
    push(a, "5", "6", "7");
    pushReliable(b, "1");
    push(b, "2", "3", "4");
    expect(dropped.map(({ connection, data }) => connection.name + data)).toEqual(["a5", "a6", "b2"]);
    expect(waiting.length).toBe(8);
    expect([a.unread, b.unread]).toEqual([4 * 321, 321]);
    expect(takeAll()).toEqual(["a1", "b1", "a2", "b3", "a3", "b4", "a4", "a7"]);
    expect([a.unread, b.unread, waiting.bytes]).toEqual([0, 0, 0]);
  });

  test("that fill a sender's memory leave none for unreliable ones", () => {
    const ledger = new MemoryLedger<string>({
      maxMemoryBytes: 2_000,
      maxMemoryBytesPerConnection: 2_000,
      maxConnections: 1,
      maxConnectionsPerAddress: 1,
    });
    const loud = new Client("loud", ledger.open(["192.0.2.1"], "loud"));
    const { dropped, push, pushReliable, takeAll } = setUp();
    pushReliable(loud, "1", "2", "3", "4", "5", "6");
    push(loud, "7");
    expect(dropped.map(({ data }) => data)).toEqual(["7"]);
    expect(takeAll()).toHaveLength(6);
    expect(ledger.bytes).toBe(0);
  });
});
