import { inspect } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../../../src/client/native/connect.ts";
import type { Connection } from "../../../src/server/connection.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { ClosedError } from "../../../src/errors.ts";
import type { Message } from "../../../src/server/connection.ts";
import { Server, type ServerStats } from "../../../src/server/server.ts";
import type { ListenOptions } from "../../../src/server/options.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

async function listen(options: ListenOptions = {}): Promise<Server> {
  const server = await Server.listen({ address: "127.0.0.1", ...options });
  opened.push(server);
  return server;
}

/** A client whose signalling goes straight to the server's session endpoint. */
async function join(server: Server, userData?: unknown) {
  const client = await connect("http://server/new_rtc_session", {
    fetch: (url, init) => server.sessionEndpoint.handleRequest(new Request(url, init), { userData }),
  });
  opened.push(client);
  return client;
}

function nextOpen(server: Server): Promise<Connection> {
  return new Promise((resolve) => server.on("open", resolve));
}

/** Joins, and waits until the server knows. */
async function joined(server: Server, userData?: unknown) {
  const open = nextOpen(server);
  const client = await join(server, userData);
  return { client, connection: await open };
}

/** The same by a reliable channel. */
async function joinedReliably(server: Server) {
  const open = nextOpen(server);
  const client = await connect("http://server/new_rtc_session", {
    channel: { reliable: true, ordered: true },
    fetch: (url, init) => server.sessionEndpoint.handleRequest(new Request(url, init), { userData: "reliable" }),
  });
  opened.push(client);
  return { client, connection: await open };
}

/** Lets datagrams come until the statistics say so; bounded by turns of the event loop. */
async function until(server: Server, isSo: (stats: ServerStats) => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000 && !isSo(server.stats()); turn++)
    await new Promise((resolve) => setImmediate(resolve));
  expect(isSo(server.stats()), JSON.stringify(server.stats())).toBe(true);
}

describe("receiving", () => {
  test("recv, the iterator and onMessage each give connection, channel, data and kind", async () => {
    const server = await listen();
    const { client, connection } = await joined(server, { player: 7 });
    await client.send("text");
    const message = await server.recv();
    expect(message).toMatchObject({ connection, data: "text", binary: false });
    expect(message.connection.userData).toEqual({ player: 7 });
    await client.send(Uint8Array.of(1, 2));
    for await (const { data, binary, channel } of server) {
      expect({ data, binary, label: channel.label }).toEqual({
        data: Uint8Array.of(1, 2),
        binary: true,
        label: "data",
      });
      break;
    }
    const called = new Promise<Message>((resolve) => {
      void listen({ onMessage: resolve }).then(async (other) => (await join(other)).send("called"));
    });
    expect((await called).data).toBe("called");
  });

  test("connections with waiting messages are served in turn, and a loud one loses only its own", async () => {
    const server = await listen({ limits: { maxReceiveQueueMessagesPerConnection: 50 } });
    const loud = await joined(server, "loud");
    const calm = await joined(server, "calm");
    const { client: reliable } = await joinedReliably(server);
    for (let i = 0; i < 80; i++) await loud.client.send(`${i}`);
    for (let i = 0; i < 60; i++) await reliable.send(`${i}`);
    for (let i = 0; i < 2; i++) await calm.client.send(`${i}`);
    await until(server, ({ receiveQueue }) => receiveQueue === 112);
    expect(server.stats().drops).toEqual({ "receive-queue-full": 30 });
    expect(server.stats().receiveQueueBytes).toBe(50 * 2 + 10 + 50 * 2 + 2);
    // What a connection has left behind can still be received.
    calm.connection.close();
    const seen: unknown[] = [];
    for (let i = 0; i < 7; i++) {
      const { connection, data } = await server.recv();
      seen.push(`${connection.userData} ${data}`);
    }
    expect(seen).toEqual(["loud 30", "reliable 0", "calm 0", "loud 31", "reliable 1", "calm 1", "loud 32"]);
  });

  test("reliable messages that nobody takes wait at their sender, and all come when they are taken", async () => {
    const server = await listen();
    const { client } = await joinedReliably(server);
    const count = 1_000;
    const sending = (async () => {
      for (let i = 0; i < count; ) {
        const message = new Uint8Array(1_000);
        new DataView(message.buffer).setUint32(0, i);
        if (client.trySend(message)) i++;
        else await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    // 262,144 bytes of window, 320 of them beside the data of each message.
    await until(server, ({ receiveQueue }) => receiveQueue >= 195);
    expect(server.stats().receiveQueue).toBeLessThan(250);
    for (let i = 0; i < count; i++) {
      const { data } = await server.recv();
      expect(new DataView((data as Uint8Array).buffer).getUint32(0)).toBe(i);
    }
    await sending;
    expect(server.stats().drops["receive-queue-full-reliable"]).toBeUndefined();
  });

  test("with onMessage there is nothing to recv or to iterate", async () => {
    const server = await listen({ onMessage: () => {} });
    expect(() => server.recv()).toThrow(TypeError);
    expect(() => server[Symbol.asyncIterator]()).toThrow(TypeError);
  });

  test("recv gives up when its signal aborts", async () => {
    const server = await listen();
    const controller = new AbortController();
    const waiting = server.recv({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });

  test("what a handler throws is the application's uncaught error, and the server goes on", async () => {
    const uncaught = new Promise<unknown>((resolve) => {
      const others = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", (error) => {
        for (const other of others) process.on("uncaughtException", other);
        resolve(error);
      });
    });
    const received: unknown[] = [];
    const server = await listen({
      onMessage: ({ connection, data }) => {
        received.push(data);
        if (data === "bad") throw new Error("bug of the application");
        connection.trySend(data);
      },
    });
    const client = await join(server);
    await client.send("bad");
    await expect(uncaught).resolves.toMatchObject({ message: "bug of the application" });
    await client.send("good");
    expect((await client.recv()).data).toBe("good");
  });
});

describe("sending", () => {
  test("a message over the limit throws and names it, one of another kind throws", async () => {
    const server = await listen({ limits: { maxMessageBytes: 1000 } });
    const { connection } = await joined(server);
    expect(connection.maxMessageBytes).toBe(1000);
    const tooLarge = "data must be at most 1000 bytes (limits.maxMessageBytes)";
    expect(() => connection.send(new Uint8Array(1001))).toThrow(new RangeError(tooLarge));
    expect(() => connection.trySend(7 as never)).toThrow(TypeError);
    expect(connection.trySend(new Uint8Array(1000))).toBe(true);
  });

  test("after the close send rejects, trySend is false, and nobody has to look", async () => {
    const server = await listen();
    const { connection } = await joined(server);
    connection.close();
    void connection.send("lost"); // A rejection that nobody handles must not end the process.
    await expect(connection.send("late")).rejects.toMatchObject({ name: "SendError", code: "closed" });
    expect(connection.trySend("late")).toBe(false);
    expect(connection.createChannel("late")).toMatchObject({ state: "closed", label: "late" });
  });

  test("any view of an ArrayBuffer may be sent, and only its part goes", async () => {
    const server = await listen();
    const { client, connection } = await joined(server);
    const bytes = Uint8Array.of(0, 1, 2, 3);
    await connection.send(new DataView(bytes.buffer, 1, 2));
    expect((await client.recv()).data).toEqual(Uint8Array.of(1, 2));
    await connection.send(bytes.buffer);
    expect((await client.recv()).data).toEqual(bytes);
  });
});

test("a peer that opens no channel in time is closed: nobody else would know of it", async () => {
  const server = await listen({ limits: { handshakeTimeoutMs: 300 } });
  const client = await connect("http://server/", {
    channel: { negotiated: true, id: 3 },
    fetch: (url, init) => server.sessionEndpoint.handleRequest(new Request(url, init)),
  });
  opened.push(client);
  expect(server.stats()).toMatchObject({ connections: 0, handshakes: 1 });
  expect(await new Promise((resolve) => client.on("close", resolve))).toBe("remote");
  expect(server.stats()).toMatchObject({ connections: 0, handshakes: 0, closed: { "handshake-timeout": 1 } });
});

test("the first channel comes with the connection, further ones by an event", async () => {
  const server = await listen();
  const labels: string[] = [];
  const further = new Promise<void>((resolve) => {
    server.on("open", (connection) => {
      labels.push(...connection.channels.map(({ label }) => `first ${label}`));
      connection.on("channel", ({ label }) => resolve(void labels.push(`further ${label}`)));
    });
  });
  const { client } = await joined(server);
  client.createChannel("second");
  await further;
  expect(labels).toEqual(["first data", "further second"]);
});

describe("closing", () => {
  test("both ends hear of it, each with its reason", async () => {
    const server = await listen();
    const { client, connection } = await joined(server);
    const reasons = Promise.all([
      new Promise((resolve) => connection.on("close", resolve)),
      new Promise((resolve) => server.on("close", (_, reason) => resolve(reason))),
      new Promise((resolve) => client.on("close", resolve)),
    ]);
    connection.close();
    expect(await reasons).toEqual(["local", "local", "remote"]);
    expect(server.connections()).toEqual([]);
  });

  test("nothing follows the close event, whatever came in the same packet", async () => {
    const heard: unknown[] = [];
    const server = await listen({
      onMessage: ({ connection, data }) => {
        heard.push(data);
        connection.close();
      },
    });
    const { client, connection } = await joined(server);
    const ended = new Promise((resolve) => connection.on("close", resolve));
    connection.on("close", (reason) => heard.push(reason));
    client.trySend("one");
    client.trySend("two");
    await ended;
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual(["one", "two", "local"]);
  });

  test("a client that closes while it is given messages is given no more of them", async () => {
    const server = await listen();
    const { client, connection } = await joined(server);
    const heard: unknown[] = [];
    client.on("message", ({ data }) => {
      heard.push(data);
      client.close();
    });
    const ended = new Promise((resolve) => client.on("close", resolve));
    client.on("close", (reason) => heard.push(reason));
    connection.trySend("one");
    connection.trySend("two");
    await ended;
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual(["one", "local"]);
  });

  test("server.close in the open handler ends what has just opened", async () => {
    const server = await listen();
    const heard: string[] = [];
    server.on("open", () => {
      heard.push("open");
      void server.close();
      heard.push("closing");
    });
    const closed = new Promise((resolve) => server.on("close", (_, reason) => resolve(heard.push(reason))));
    await Promise.allSettled([join(server), closed]);
    expect(heard).toEqual(["open", "closing", "server-closed"]);
  });

  test("server.close ends every connection, the iteration and recv", async () => {
    const server = await listen();
    const { client } = await joined(server);
    const left = new Promise((resolve) => client.on("close", resolve));
    const iteration = server[Symbol.asyncIterator]().next();
    await server.close();
    expect(await left).toBe("remote");
    expect((await iteration).done).toBe(true);
    await expect(server.recv()).rejects.toBeInstanceOf(ClosedError);
    await server.close();
  });

  test("await using closes it", async () => {
    let port = 0;
    {
      await using server = await Server.listen({ address: "127.0.0.1" });
      port = server.localAddress.port;
    }
    await listen({ port });
  });
});

test("a connection's id is its own: random, the same for both ends, and none of what signalling must keep secret", async () => {
  const server = await listen();
  const ids = new Set<string>();
  for (let i = 0; i < 3; i++) {
    let text = "";
    const open = nextOpen(server);
    const client = await connect("http://server/", {
      fetch: async (url, init) => {
        const response = await server.sessionEndpoint.handleRequest(new Request(url, init));
        text = await response.clone().text();
        return response;
      },
    });
    opened.push(client);
    const { id } = await open;
    expect(id).toMatch(/^[A-Za-z0-9_-]{12}$/);
    expect(client.id).toBe(id);
    const { answer, ...rest } = JSON.parse(text);
    expect(rest.id).toBe(id);
    expect(answer.sdp).not.toContain(id);
    ids.add(id);
  }
  expect(ids.size).toBe(3);
});

test("nothing that an application may show to others holds a secret of the connection", async () => {
  const server = await listen();
  const offers: string[] = [];
  const answers: string[] = [];
  const open = nextOpen(server);
  const client = await connect("http://server/", {
    fetch: async (url, init) => {
      offers.push(String(init.body));
      const response = await server.sessionEndpoint.handleRequest(new Request(url, init));
      answers.push(await response.clone().text());
      return response;
    },
  });
  opened.push(client);
  const connection = await open;
  await client.send("hello");
  const message = await server.recv();
  const secrets = [...offers, ...answers].flatMap((text) => [...text.matchAll(/ice-(?:ufrag|pwd):([^\\\r]+)/g)]);
  expect(new Set(secrets.map(([, secret]) => secret)).size).toBe(4); // The answer says its own twice.
  const shown = [server, connection, client, message, server.stats(), connection.stats(), client.stats()]
    .map((each) => `${inspect(each, { depth: 10 })} ${JSON.stringify(each, withoutCycles())}`)
    .join(" ");
  for (const [, secret] of secrets) expect(shown).not.toContain(secret);
});

/** For `JSON.stringify`, as a logger does it. */
function withoutCycles() {
  const seen = new Set<unknown>();
  return (_: string, value: unknown) => {
    if (typeof value === "object" && value !== null) {
      if (seen.has(value)) return undefined;
      seen.add(value);
    }
    return typeof value === "bigint" ? String(value) : value;
  };
}

describe("options", () => {
  test("a port in use is the system's error", async () => {
    const { port } = (await listen()).localAddress;
    await expect(Server.listen({ address: "127.0.0.1", port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("a wrong option leaves no socket behind", async () => {
    const port = (await listen()).localAddress.port;
    await opened.pop()?.close();
    await expect(listen({ port, allowOrigin: 7 as never })).rejects.toThrow("allowOrigin must be");
    await listen({ port });
  });

  test("a peer with fewer streams than a negotiated channel needs goes without that channel", async () => {
    const server = await listen({
      negotiatedChannels: [
        { label: "far", id: 5 },
        { label: "near", id: 1 },
      ],
    });
    const open = nextOpen(server);
    const client = await connect("http://server/", {
      limits: { maxStreams: 2 },
      fetch: (url, init) => server.sessionEndpoint.handleRequest(new Request(url, init)),
    });
    opened.push(client);
    const { channels } = await open;
    expect(channels.map(({ label }) => label)).toContain("near");
    expect(channels.map(({ label }) => label)).not.toContain("far");
    expect(server.stats().drops).toEqual({ "channel-limit": 1 });
  });

  test("one certificate serves several servers", async () => {
    const certificate = Certificate.generate();
    for (const server of [await listen({ certificate }), await listen({ certificate })]) {
      expect(server.certificate).toBe(certificate);
      await joined(server);
    }
  });

  test("the key log receives lines in the format of NSS", async () => {
    const lines: string[] = [];
    await join(await listen({ keyLog: (line) => lines.push(line) }));
    expect(lines.join("\n")).toMatch(/^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$/m);
  });

  test("sessions beyond the limit take the place of older ones, which is counted; a server that is closed takes none", async () => {
    const server = await listen({ limits: { maxPendingSessions: 1 } });
    const offer = await offerOf(server);
    for (let i = 0; i < 3; i++) server.answer(offer, { remoteAddress: "192.0.2.1" });
    expect(server.stats().drops["session-limit"]).toBe(2);
    expect(server.stats().pendingSessions).toBe(1);
    await server.close();
    expect(server.answer(offer)).toEqual({ kind: "refused", error: "The server is closed.", why: "limit" });
  });

  test.each([
    ["hello", /^The offer is not SDP[^.]*\.$/],
    [undefined as never, "The offer is not text."],
  ])("an offer that is none (%s) is answered with one sentence, and counted", async (offer, error) => {
    const server = await listen();
    expect(server.answer(offer)).toEqual({ kind: "malformed", error: expect.stringMatching(error) });
    expect(server.stats().drops).toEqual({ "offer-malformed": 1 });
  });
});

test.each(["1.2", "1.3"] as const)(
  "over DTLS %s a client whose certificate is not that of its offer is refused before any data",
  async (version) => {
    const server = await listen({ dtlsVersions: [version] });
    const opened = vi.fn();
    server.on("open", opened);
    const other = Certificate.generate().fingerprint;
    const impostor = connect("http://server/", {
      fetch: async (url, init) => {
        const offer = await new Request(url, init).text();
        const body = offer.replace(/fingerprint:sha-256 [0-9A-F:]+/i, `fingerprint:sha-256 ${other}`);
        return server.sessionEndpoint.handleRequest(new Request(url, { method: "POST", body }));
      },
    });
    if (version === "1.2") {
      await expect(impostor).rejects.toMatchObject({ name: "ConnectError", code: "handshake-failed" });
    } else {
      // In DTLS 1.3 the client has done its part before the server judges it: it may send at once, and is then told.
      const client = await impostor;
      client.send("from nobody");
      await new Promise((resolve) => client.on("close", resolve));
      expect(client.state).toBe("closed");
    }
    expect(opened).not.toHaveBeenCalled();
    expect(server.stats()).toMatchObject({ connections: 0, handshakes: 0, receiveQueue: 0 });
  },
);

test("stats count what came and went", async () => {
  const server = await listen();
  const { client, connection } = await joined(server);
  await client.send("12345");
  await server.recv();
  await connection.send("123");
  await client.recv();
  expect(connection.stats()).toMatchObject({
    state: "open",
    messagesReceived: 1,
    bytesReceived: 5,
    messagesSent: 1,
    bytesSent: 3,
  });
  const stats = server.stats();
  expect(stats).toMatchObject({ connections: 1, handshakes: 0, pendingSessions: 0, receiveQueue: 0, sendErrors: 0 });
  expect(stats.datagramsReceived).toBeGreaterThan(3);
  expect(stats.drops).toEqual({});
});

/** The offer that a client would post. */
async function offerOf(server: Server): Promise<string> {
  return new Promise((resolve) => {
    connect("http://server/", {
      fetch: async (url, init) => {
        resolve(await new Request(url, init).text());
        return server.sessionEndpoint.handleRequest(new Request(url, { method: "POST", body: "none" }));
      },
    }).catch(() => {});
  });
}
