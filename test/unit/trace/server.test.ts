import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type ClientOptions, connect } from "../../../src/client/native/connect.ts";
import { type ListenOptions, Server, type TracedSession, traceToFiles, type TraceSink } from "../../../src/index.ts";
import { uncaughtDuring } from "../../support/uncaught.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

async function pair({
  server: listen = {},
  client: join = {},
}: {
  server?: ListenOptions;
  client?: ClientOptions;
} = {}) {
  const server = await Server.listen({ address: "127.0.0.1", ...listen });
  opened.push(server);
  const request = (url: string, init: RequestInit) =>
    server.sessionEndpoint.handleRequest(new Request(url, init), { userData: "player 7", remoteAddress: "192.0.2.7" });
  const client = await connect("http://server/", { fetch: request, ...join });
  opened.push(client);
  return { server, client };
}

class Collected {
  readonly lines: { name: string; data: object }[] = [];
  bytes = 0;
  ends = 0;
  readonly sink: TraceSink = {
    pcapng: (bytes) => {
      this.bytes += bytes.length;
    },
    events: (line) => this.lines.push(JSON.parse(line)),
    end: () => {
      this.ends++;
    },
  };

  get names(): string[] {
    return this.lines.slice(1).map(({ name }) => name);
  }
}

/** Traces every session, and notes for which it was asked. */
function asking(asked: TracedSession[], { sink }: Collected) {
  return (session: TracedSession): TraceSink => {
    asked.push(session);
    return sink;
  };
}

async function untilEnded(sink: Collected): Promise<void> {
  while (sink.ends === 0) await new Promise((resolve) => setImmediate(resolve));
}

test("a server asks for each session, with its id and what the application knows of it", async () => {
  const asked: TracedSession[] = [];
  const sink = new Collected();
  const { server, client } = await pair({ server: { trace: asking(asked, sink) } });
  expect(asked).toEqual([{ id: client.id, userData: "player 7", remoteAddress: "192.0.2.7" }]);
  client.close();
  await untilEnded(sink);
  expect(sink.names.slice(0, 2)).toEqual(["connection:started", "udp:datagram_received"]);
  expect(sink.names.slice(-2)).toEqual(["connection:closed", "trace:ended"]);
  expect(sink.bytes).toBeGreaterThan(1_000);
  expect([sink.ends, server.connectionCount]).toEqual([1, 0]);
});

test("a server closes a trace before it is closed itself", async () => {
  const sink = new Collected();
  const { server } = await pair({ server: { trace: () => sink.sink } });
  await server.close();
  expect(sink.ends).toBe(1);
  expect(sink.lines.at(-2)).toMatchObject({ name: "connection:closed", data: { reason: "server-closed" } });
});

test("a client asks for each attempt, with the server's id of the connection", async () => {
  const asked: TracedSession[] = [];
  const sink = new Collected();
  const { client } = await pair({ client: { trace: asking(asked, sink) } });
  expect(asked).toEqual([{ id: client.id, userData: undefined, remoteAddress: "127.0.0.1" }]);
  client.close();
  await untilEnded(sink);
  expect(sink.names.slice(0, 2)).toEqual(["connection:started", "udp:datagram_sent"]);
});

test("a connection is traced by its id while it lives, until that is taken back", async () => {
  const { server, client } = await pair();
  const [sink, other] = [new Collected(), new Collected()];
  expect(server.trace("nobody", sink.sink)).toBe(false);
  expect(server.trace(client.id, sink.sink)).toBe(true);
  client.trace(other.sink);
  client.send("hello");
  while (!sink.names.includes("sctp:packet_received")) await new Promise((resolve) => setImmediate(resolve));
  expect(server.trace(client.id, undefined)).toBe(true);
  client.trace(undefined);
  await Promise.all([untilEnded(sink), untilEnded(other)]);
  expect(sink.lines.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "stopped" } });
  expect(other.names).toEqual(expect.arrayContaining(["sctp:packet_sent", "udp:datagram_sent", "trace:ended"]));
  expect([client.state, server.connectionCount]).toEqual(["open", 1]);
});

test("a trace is as long as limits.maxTraceBytes at most, and what it would say next is left out", async () => {
  const sink = new Collected();
  const { client } = await pair({ server: { trace: () => sink.sink, limits: { maxTraceBytes: 1_000 } } });
  await untilEnded(sink);
  expect(sink.lines.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "limit" } });
  expect(client.state).toBe("open");
});

test.each(["pcapng", "events", "end"] as const)(
  "what %s of a sink throws is an uncaught error, ends the trace with one call of `end`, and no connection",
  async (name) => {
    const sink = new Collected();
    let thrown = 0;
    const broken: TraceSink = {
      ...sink.sink,
      [name]: () => {
        thrown++;
        throw new Error("bug of the application");
      },
    };
    const errors = await uncaughtDuring(async () => {
      const { server, client } = await pair({ server: { trace: () => broken } });
      client.send("hello");
      const { data } = await server.recv();
      expect(data).toBe("hello");
      client.close();
      while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
    });
    expect(errors).toEqual([expect.objectContaining({ message: "bug of the application" })]);
    expect(thrown).toBe(1);
    if (name !== "end") expect(sink.ends).toBe(1);
  },
);

test.each<[string, () => TraceSink]>([
  ["throws", () => Promise.reject() as never],
  ["names no sink", () => "file" as never],
  ["gives functions that are none", () => ({ events: "file" }) as never],
  ["misspells one", () => ({ event: () => {} }) as never],
])("a function that %s is an uncaught error, and the session goes on without a trace", async (_, trace) => {
  const choose = () => {
    const sink = trace();
    if (sink instanceof Promise) {
      sink.catch(() => {});
      throw new TypeError("bug of the application");
    }
    return sink;
  };
  const errors = await uncaughtDuring(async () => {
    const { client } = await pair({ server: { trace: choose } });
    expect(client.state).toBe("open");
  });
  expect(errors).toEqual([expect.any(TypeError)]);
});

test("a live connection refuses what is no sink at the call", async () => {
  const { server, client } = await pair();
  expect(() => server.trace(client.id, { event: () => {} } as never)).toThrow(
    "trace.event is not a function of a trace's sink: did you mean trace.events?",
  );
  expect(() => client.trace({ events: "file" } as never)).toThrow("trace.events must be a function");
});

test("files of a trace are made anew, and made at once: what cannot be written throws at the call", async () => {
  const folder = await mkdtemp(join(tmpdir(), "trace-files-"));
  try {
    for (const line of ["{}", "[]"]) {
      const { pcapng, events, end } = traceToFiles(join(folder, "x"));
      pcapng!(Uint8Array.of(1, 2, 3));
      events!(line);
      end!();
    }
    expect([...(await readFile(join(folder, "x.pcapng")))]).toEqual([1, 2, 3]);
    expect(await readFile(join(folder, "x.sqlog"), "utf8")).toBe("\x1e[]\n");
    expect(() => traceToFiles(join(folder, "missing", "x"))).toThrow("ENOENT");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
