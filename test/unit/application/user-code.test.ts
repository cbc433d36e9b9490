import { afterEach, expect, test } from "vitest";
import { type ClientConnection, type ClientOptions, connect } from "../../../src/client/native/connect.ts";
import { type ListenOptions, Server } from "../../../src/index.ts";
import { uncaughtDuring } from "../../support/uncaught.ts";

/** Code of the application that the library calls. Each throws; each throw must surface, and disturb nothing. */
interface Doors {
  readonly server?: ListenOptions;
  readonly client?: ClientOptions;
  listen?(server: Server): void;
  join?(client: ClientConnection): void;
}

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

const bug = (): never => {
  throw new Error("bug of the application");
};

test.each<[string, Doors]>([
  ["keyLog of listen", { server: { keyLog: bug } }],
  ["keyLog of connect", { client: { keyLog: bug } }],
  ["trace of listen", { server: { trace: bug } }],
  ["trace of connect", { client: { trace: bug } }],
  ["a trace's sink of listen", { server: { trace: () => ({ events: bug }) } }],
  ["a trace's sink of connect", { client: { trace: () => ({ pcapng: bug }) } }],
  ["onMessage of listen", { server: { onMessage: bug } }],
  ["onMessage of connect", { client: { onMessage: bug } }],
  ["open of the server", { listen: (server) => server.on("open", bug) }],
  ["close of the server", { listen: (server) => server.on("close", bug) }],
  ["close of a connection", { listen: (server) => server.on("open", (connection) => connection.on("close", bug)) }],
  ["channel of a connection", { listen: (server) => server.on("open", (connection) => connection.on("channel", bug)) }],
  ["message of a client", { join: (client) => client.on("message", bug) }],
  ["channel of a client", { join: (client) => client.on("channel", bug) }],
  ["close of a client", { join: (client) => client.on("close", bug) }],
])("what %s throws is an uncaught error, and the connection neither ends nor stops", async (_, doors) => {
  const errors = await uncaughtDuring(async () => {
    const server = await Server.listen({ address: "127.0.0.1", ...doors.server });
    opened.push(server);
    doors.listen?.(server);
    const ended = new Promise((resolve) => server.on("close", resolve));
    const channels: string[] = [];
    server.on("open", (connection) => connection.on("channel", ({ label }) => channels.push(label)));
    const client = await connect("http://server/", {
      fetch: (url, init) => server.sessionEndpoint.handleRequest(new Request(url, init)),
      ...doors.client,
    });
    opened.push(client);
    doors.join?.(client);
    const answered = new Promise<string>((resolve) => client.on("channel", ({ label }) => resolve(label)));
    client.createChannel("second");
    client.trySend("to the server");
    expect(await answered).toBe("second");
    for (const connection of server.connections()) connection.trySend("to the client");
    while (client.stats().messagesReceived === 0) await new Promise((resolve) => setImmediate(resolve));
    client.close();
    await ended;
    expect(channels).toEqual(["second"]);
  });
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) expect(error).toMatchObject({ message: "bug of the application" });
});
