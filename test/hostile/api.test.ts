/** No call of the public API throws because of what a peer said or did. Each method in each situation that a peer can make. */
import { afterEach, describe, expect, test } from "vitest";
import type { Channel } from "../../src/channel/channel.ts";
import type { ChannelOptions } from "../../src/channel/channels.ts";
import { type ClientConnection, type ClientOptions, connect } from "../../src/client/native/connect.ts";
import type { Connection } from "../../src/server/connection.ts";
import { SendError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { DEFAULT_LIMITS, type ListenOptions } from "../../src/server/options.ts";
import { EventLog } from "../support/wait.ts";
import { editInit, offerLine, openAnd, withoutExtensions } from "./support/words.ts";
import { UdpRogue, type UdpRogueOptions } from "./support/udp-rogue.ts";

const WAIT_MS = 10_000;
const OWN_LIMIT = DEFAULT_LIMITS.maxMessageBytes;

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

/** Both ends of a connection have these. */
type Either = Connection | ClientConnection;

const create = (connection: Either, options?: ChannelOptions) => connection.createChannel("further", options);

/** Every method and property, with arguments that are right: nothing of it may throw. */
const CALLS: Record<string, (connection: Either) => unknown> = {
  "send of bytes": (connection) => connection.send(new Uint8Array(16)),
  "send of text": (connection) => connection.send("sixteen letters."),
  "send of nothing": (connection) => connection.send(""),
  "send of all that this side allows": (connection) => connection.send(new Uint8Array(OWN_LIMIT)),
  "trySend of bytes": (connection) => connection.trySend(new Uint8Array(16)),
  "trySend of text": (connection) => connection.trySend("grüße, sechzehn und mehr Bytes"),
  "trySend on each channel": (connection) =>
    connection.channels.map((channel) => connection.trySend(new Uint8Array(16), { channel })),
  "createChannel and a message on it": (connection) => connection.trySend("x", { channel: create(connection) }),
  "createChannel, reliable": (connection) => create(connection, { ordered: true, maxRetransmits: null }),
  "createChannel on the last stream": (connection) => create(connection, { id: DEFAULT_LIMITS.maxStreams - 1 }),
  "createChannel on a stream that the peer has": (connection) => create(connection, { negotiated: true, id: 0 }),
  "createChannel until no stream is left": (connection) => {
    for (let i = 0; i < 600; i++) create(connection);
  },
  "createChannel and closeChannel, twice": (connection) => {
    const channel = create(connection);
    connection.closeChannel(channel);
    connection.closeChannel(channel);
  },
  "closeChannel of each channel": (connection) => {
    for (const channel of connection.channels) connection.closeChannel(channel);
  },
  stats: (connection) => JSON.stringify(connection.stats()),
  properties: ({ id, state, remoteAddress, maxMessageBytes, channels }) =>
    JSON.stringify({ id, state, remoteAddress, maxMessageBytes, channels }),
  listeners: (connection) => {
    const listener = () => {};
    (connection as Connection).on("close", listener).on("channelclose", listener).off("close", listener);
  },
  close: (connection) => connection.close(),
};

/** Only the caller's own mistakes throw, and they do so whatever the peer has done. */
const MISTAKES: [name: string, (connection: Either) => unknown, new () => Error][] = [
  ["send over the own limit", (connection) => connection.send(new Uint8Array(OWN_LIMIT + 1)), RangeError],
  ["trySend of text over it in UTF-8", (connection) => connection.trySend("ü".repeat(OWN_LIMIT / 2 + 1)), RangeError],
  ["trySend of a number", (connection) => connection.trySend(7 as never), TypeError],
  ["createChannel with a number as its label", (connection) => connection.createChannel(7 as never), TypeError],
  ["createChannel with both limits", (c) => create(c, { maxRetransmits: 1, maxPacketLifeTime: 1 }), TypeError],
  ["createChannel without the id it needs", (connection) => create(connection, { negotiated: true }), TypeError],
  [
    "createChannel beyond maxStreams",
    (connection) => create(connection, { id: DEFAULT_LIMITS.maxStreams }),
    RangeError,
  ],
];

/** Does all of that, and looks at what became of the promises. */
async function callEverything(connection: Either): Promise<void> {
  const rejections: Promise<unknown>[] = [];
  for (const [name, call] of Object.entries(CALLS)) {
    for (const [mistake, make, kind] of MISTAKES) {
      expect(() => make(connection), `${mistake}, before ${name}`).toThrow(kind);
    }
    let result: unknown;
    expect(() => {
      result = call(connection);
    }, name).not.toThrow();
    if (result instanceof Promise) rejections.push(result.catch((error: unknown) => error));
  }
  for (const error of await Promise.all(rejections)) {
    if (error !== undefined) expect(error).toBeInstanceOf(SendError);
  }
}

async function listen(options: ListenOptions = {}): Promise<Server> {
  const server = await Server.listen({ address: "127.0.0.1", ...options });
  opened.push(server);
  return server;
}

/** Signalling that goes straight to the server. */
function signalTo(server: Server): UdpRogueOptions["signal"] {
  return async (offer) => {
    const answered = server.answer(offer);
    return JSON.stringify(answered.kind === "answered" ? answered.session : answered);
  };
}

async function join(server: Server, options: Omit<UdpRogueOptions, "signal"> = {}): Promise<UdpRogue> {
  const rogue = await UdpRogue.join({ signal: signalTo(server), ...options });
  opened.push(rogue);
  return rogue;
}

/** What a peer can be like when its `open` is told. */
const PEERS: Record<string, Omit<UdpRogueOptions, "signal">> = {
  "an honest one": {},
  "one that takes any message": { editOffer: offerLine("max-message-size", "0") },
  "one that takes messages of 1 byte": { editOffer: offerLine("max-message-size", "1") },
  "one that takes messages of 10 bytes": { editOffer: offerLine("max-message-size", "10") },
  "one that takes messages of 15 bytes": { editOffer: offerLine("max-message-size", "15") },
  "one that takes messages of 2^53 bytes": { editOffer: offerLine("max-message-size", String(2 ** 53)) },
  "one with a single stream": { editPacket: editInit("inboundStreams", 1) },
  "one with two streams": { editPacket: editInit("inboundStreams", 2) },
  "one without a window": { editPacket: editInit("window", 0) },
  "one that has closed its channel in the same packet": { editPacket: openAnd("RESET") },
  "one that has reset all streams in the same packet": { editPacket: openAnd("RESET ALL") },
  "one that is gone in the same packet": { editPacket: openAnd("ABORT") },
  "one that is leaving in the same packet": { editPacket: openAnd("SHUTDOWN") },
  "one that cannot reset streams": { editPacket: withoutExtensions },
};

describe.each(Object.entries(PEERS))("to %s", (_, rogueOptions) => {
  test("every call of a server's connection gives a result, from the open listener and after the close", async () => {
    const server = await listen();
    const called = new Promise<Connection>((resolve, reject) => {
      server.on("open", (connection) => {
        callEverything(connection).then(() => resolve(connection), reject);
      });
    });
    await join(server, rogueOptions);
    const connection = await called;
    expect(connection.state).toBe("closed");
    await callEverything(connection);
  });

  test("a server that echoes and one that broadcasts go on", async () => {
    const server = await listen({
      onMessage: ({ connection, channel, data }) => void connection.send(data, { channel }),
    });
    server.on("open", () => {
      for (const connection of server.connections()) connection.trySend(new Uint8Array(16));
      for (const connection of server.connections()) connection.createChannel("state");
    });
    const rogue = await join(server, rogueOptions);
    await rogue.settled();
    rogue.send(new Uint8Array(50));
    await expectEcho(server);
  });
});

/** An honest client is served. */
async function expectEcho(server: Server): Promise<void> {
  const client = await visit(server);
  await client.send("hello");
  const { data } = await client.recv({ signal: AbortSignal.timeout(WAIT_MS) });
  if (typeof data !== "string")
    expect((await client.recv({ signal: AbortSignal.timeout(WAIT_MS) })).data).toBe("hello");
}

async function visit(server: Server, options: ClientOptions = {}, editAnswer = (sdp: string) => sdp) {
  const client = await connect("http://server/", {
    fetch: async (url, init) => {
      const response = await server.sessionEndpoint.handleRequest(new Request(url, init));
      const body = (await response.json()) as { answer: { sdp: string } };
      body.answer.sdp = editAnswer(body.answer.sdp);
      return Response.json(body);
    },
    ...options,
  });
  opened.push(client);
  return client;
}

/** What a server can be like to our own client. */
const SERVERS: Record<string, [options: ListenOptions, editAnswer?: (sdp: string) => string]> = {
  "an honest one": [{}],
  "one that takes messages of 1 byte": [{}, offerLine("max-message-size", "1")],
  "one that takes messages of 10 bytes": [{}, offerLine("max-message-size", "10")],
  "one that takes any message": [{}, offerLine("max-message-size", "0")],
  "one with a single stream": [{ limits: { maxStreams: 1 } }],
  "one with three streams": [{ limits: { maxStreams: 3 } }],
};

describe.each(Object.entries(SERVERS))("to a server, %s", (_, [options, editAnswer]) => {
  test("every call of a client gives a result, while it is open and after the close", async () => {
    const server = await listen(options);
    const client = await visit(server, {}, editAnswer);
    await callEverything(client);
    expect(client.state).toBe("closed");
    await callEverything(client);
  });

  test("the same while it is being closed by the server, and while it reconnects", async () => {
    const server = await listen(options);
    server.on("open", (connection) => connection.close());
    const client = await visit(server, { reconnect: { minDelayMs: 60_000, maxDelayMs: 60_000 } }, editAnswer);
    await new Promise((resolve) => client.on("reconnecting", resolve));
    for (const [name, call] of Object.entries(CALLS)) expect(() => call(client), name).not.toThrow();
  });
});

describe("a message that only the peer refuses", () => {
  test.each([1, 10, 15])(
    "with a limit of %i bytes is too-large to it, and RangeError is for the own limit",
    async (most) => {
      const server = await listen();
      const open = new Promise<Connection>((resolve) => server.on("open", resolve));
      await join(server, { editOffer: offerLine("max-message-size", String(most)) });
      const connection = await open;
      expect(connection.maxMessageBytes).toBe(most);
      await expect(connection.send(new Uint8Array(most + 1))).rejects.toMatchObject({
        name: "SendError",
        code: "too-large",
      });
      expect(connection.trySend(new Uint8Array(most + 1))).toBe(false);
      expect(connection.trySend(new Uint8Array(most))).toBe(true);
      const tooLong = new RangeError(`data must be at most ${OWN_LIMIT} bytes (limits.maxMessageBytes)`);
      expect(() => connection.trySend(new Uint8Array(OWN_LIMIT + 1))).toThrow(tooLong);
    },
  );

  test("is too-large to our own client as well", async () => {
    const client = await visit(await listen(), {}, offerLine("max-message-size", "10"));
    await expect(client.send("eleven char")).rejects.toMatchObject({ name: "SendError", code: "too-large" });
    expect(client.trySend("eleven char")).toBe(false);
    expect(client.trySend("ten chars.")).toBe(true);
    expect(() => client.trySend(new Uint8Array(OWN_LIMIT + 1))).toThrow(RangeError);
  });
});

describe("a channel that cannot be had", () => {
  test("is closed from the start, and channelclose follows once the call has returned", async () => {
    const server = await listen();
    const closed = new EventLog<Channel>();
    const open = new Promise<Connection>((resolve) => server.on("open", resolve));
    await join(server, { editPacket: editInit("inboundStreams", 1) });
    const connection = await open;
    connection.on("channelclose", (channel) => closed.push(channel));
    const refused = [
      create(connection),
      create(connection, { id: 7 }),
      create(connection, { negotiated: true, id: 0 }),
    ];
    expect(closed.entries).toEqual([]);
    expect(refused.map(({ state, id }) => ({ state, id }))).toEqual([
      { state: "closed", id: -1 },
      { state: "closed", id: 7 },
      { state: "closed", id: 0 },
    ]);
    await closed.waitForCount(WAIT_MS, "channelclose", 3);
    expect(closed.entries).toEqual(refused);
    for (const channel of refused) {
      await expect(connection.send("x", { channel })).rejects.toMatchObject({ code: "closed" });
    }
    expect(connection.channels.map(({ id }) => id)).toEqual([0]);
  });

  test("has no event after the connection's close", async () => {
    const server = await listen();
    const log = new EventLog<string>();
    server.on("open", (connection) => {
      connection.on("channelclose", () => log.push("channelclose"));
      connection.on("close", (reason) => log.push(`close ${reason}`));
      expect(connection.state).toBe("closed");
      expect(create(connection)).toMatchObject({ state: "closed", label: "further" });
    });
    await join(server, { editPacket: openAnd("ABORT") });
    await log.waitFor(WAIT_MS, "the close", (entry) => entry.startsWith("close"));
    await expectNothingMore(log, ["channelclose", "close remote"]);
  });

  test("is one to our own client, too, and the one it was opened for fails the attempt", async () => {
    const server = await listen({ limits: { maxStreams: 2 } });
    const client = await visit(server);
    const closed = new EventLog<Channel>();
    client.on("channelclose", (channel) => closed.push(channel));
    const refused = create(client);
    expect(refused.state).toBe("closed");
    expect(closed.entries).toEqual([]);
    await closed.waitForCount(WAIT_MS, "channelclose", 1);
    expect(closed.entries).toEqual([refused]);
    await expect(visit(server, { channel: { negotiated: true, id: 5 } })).rejects.toMatchObject({
      name: "ConnectError",
      code: "handshake-failed",
    });
  });
});

/** What was to come has come, and a turn later nothing else. */
async function expectNothingMore(log: EventLog<string>, expected: string[]): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(log.entries).toEqual(expected);
}
