import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ClientEndpoint, Endpoint, SessionEndpoint } from "../../../src/core.ts";
import { DtlsConnection } from "../../../src/dtls.ts";
import {
  Certificate,
  ClientConnection,
  Connection,
  type ClientConnection as Client,
  type Connection as Peer,
  connect,
  Server,
} from "../../../src/index.ts";
import { checkNames } from "../../../src/application/names.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";

let server: Server;
let client: Client;
let connection: Peer;

beforeAll(async () => {
  server = await Server.listen({ address: "127.0.0.1" });
  const open = new Promise<Peer>((resolve) => server.on("open", resolve));
  client = await connect("http://server/", {
    fetch: (url, init) => server.sessionEndpoint.handleRequest(new Request(url, init)),
  });
  connection = await open;
});
afterAll(async () => {
  client.close();
  await server.close();
});

const listen = (options: object) => Server.listen(options);
const dial = (options: object) => connect("http://127.0.0.1:9/", options);
const post = () => new Request("http://server/", { method: "POST", body: "v=0" });
const loose = (options: object) => options as never;

/** Every door that takes options, with a name that is misspelt and the sentence about it. */
const DOORS: [string, () => unknown, string][] = [
  ["Server.listen", () => listen({ prot: 5 }), "prot is not an option of Server.listen: did you mean port?"],
  [
    "limits of a server",
    () => listen({ limits: { maxConnection: 5 } }),
    "limits.maxConnection is not a limit: did you mean limits.maxConnections?",
  ],
  [
    "conditioner of a server",
    () => listen({ conditioner: { los: 0.1 } }),
    "conditioner.los is not a condition: did you mean conditioner.loss?",
  ],
  [
    "one direction of a conditioner",
    () => listen({ conditioner: { send: { latency: 5 } } }),
    "conditioner.send.latency is not a condition of one direction: did you mean conditioner.send.latencyMs?",
  ],
  [
    "negotiatedChannels",
    () => listen({ negotiatedChannels: [{ label: "x", id: 1, order: true }] }),
    "negotiatedChannels: order is not an option of a channel: did you mean ordered?",
  ],
  [
    "answer",
    () => server.answer("v=0", loose({ userdata: 1 })),
    "userdata is not an option of answer: did you mean userData?",
  ],
  [
    "recv of a server",
    () => server.recv(loose({ sginal: 1 })),
    "sginal is not an option of recv: did you mean signal?",
  ],
  [
    "handleRequest",
    () => server.sessionEndpoint.handleRequest(post(), loose({ user: 1 })),
    "user is not an option of handleRequest (userData, remoteAddress, session)",
  ],
  [
    "send of a connection",
    () => connection.send("x", loose({ chanel: 1 })),
    "chanel is not an option of send: did you mean channel?",
  ],
  [
    "trySend of a connection",
    () => connection.trySend("x", loose({ chanel: 1 })),
    "chanel is not an option of send: did you mean channel?",
  ],
  [
    "createChannel of a connection",
    () => connection.createChannel("x", loose({ maxRetransmit: 1 })),
    "maxRetransmit is not an option of a channel: did you mean maxRetransmits?",
  ],
  ["connect", () => dial({ reconect: true }), "reconect is not an option of connect: did you mean reconnect?"],
  ["limits of connect", () => dial({ limits: { mtu: 1_200 } }), "limits.mtu is not a limit"],
  [
    "conditioner of connect",
    () => dial({ conditioner: { jitter: 1 } }),
    "conditioner.jitter is not a condition: did you mean conditioner.jitterMs?",
  ],
  [
    "channel of connect",
    () => dial({ channel: { lable: "x" } }),
    "channel.lable is not an option of a channel: did you mean channel.label?",
  ],
  [
    "reconnect of connect",
    () => dial({ reconnect: { minDelay: 1 } }),
    "reconnect.minDelay is not an option of reconnecting: did you mean reconnect.minDelayMs?",
  ],
  [
    "recv of a client",
    () => client.recv(loose({ signals: 1 })),
    "signals is not an option of recv: did you mean signal?",
  ],
  [
    "send of a client",
    () => client.send("x", loose({ Channel: 1 })),
    "Channel is not an option of send: did you mean channel?",
  ],
  ["trySend of a client", () => client.trySend("x", loose({ to: 1 })), "to is not an option of send (channel)"],
  [
    "createChannel of a client",
    () => client.createChannel("x", loose({ protcol: "x" })),
    "protcol is not an option of a channel: did you mean protocol?",
  ],
  [
    "Certificate.generate",
    () => Certificate.generate(loose({ day: 1 })),
    "day is not an option of Certificate.generate: did you mean days?",
  ],
  [
    "SessionEndpoint",
    () => new SessionEndpoint({ createSession: () => ({ refused: "" }) }, loose({ allowOrigins: "*" })),
    "allowOrigins is not an option of SessionEndpoint: did you mean allowOrigin?",
  ],
  [
    "Endpoint",
    () => new Endpoint(loose({ limit: {} }), loose({})),
    "limit is not an option of Endpoint: did you mean limits?",
  ],
  [
    "ClientEndpoint",
    () => new ClientEndpoint(loose({ maxConnection: 1 })),
    "maxConnection is not an option of ClientEndpoint: did you mean maxConnections?",
  ],
  [
    "DtlsConnection",
    () => new DtlsConnection(loose({ rôle: "client" }), loose({})),
    "rôle is not an option of DtlsConnection: did you mean role?",
  ],
  [
    "Datapath",
    () => new Datapath(loose({ keySlot: 1 })),
    "keySlot is not an option of Datapath: did you mean keySlots?",
  ],
  [
    "events of a server",
    () => server.on("connection" as never, () => {}),
    "connection is not an event of Server (open, close)",
  ],
  [
    "off of a server",
    () => server.off("closed" as never, () => {}),
    "closed is not an event of Server: did you mean close?",
  ],
  [
    "events of a connection",
    () => connection.on("channelClose" as never, () => {}),
    "channelClose is not an event of Connection: did you mean channelclose?",
  ],
  [
    "events of a client",
    () => client.on("messages" as never, () => {}),
    "messages is not an event of ClientConnection: did you mean message?",
  ],
];

test.each(DOORS)("%s refuses a name that it does not know, and says which was meant", async (_, call, sentence) => {
  await expect((async () => await call())()).rejects.toThrow(new TypeError(sentence));
});

test("options that are no object are refused", async () => {
  for (const options of [null, 5, "x", true]) {
    await expect(listen(options as never)).rejects.toThrow(new TypeError("options must be an object"));
    await expect(dial(options as never)).rejects.toThrow(new TypeError("options must be an object"));
    expect(() => client.send("x", options as never), String(options)).toThrow(TypeError);
    expect(() => connection.createChannel("x", options as never)).toThrow(TypeError);
  }
});

test("what the application gives as code is a function", async () => {
  for (const name of ["fetch", "keyLog", "trace", "onMessage"]) {
    await expect(dial({ [name]: 5 }), name).rejects.toThrow(new TypeError(`${name} must be a function`));
  }
  for (const name of ["keyLog", "trace", "onMessage"]) {
    await expect(listen({ [name]: 5 }), name).rejects.toThrow(new TypeError(`${name} must be a function`));
  }
});

test("a request of node:http, or none, is refused with a sentence that says what to use", async () => {
  for (const request of [undefined, null, {}, { method: "POST", headers: {} }]) {
    await expect(server.sessionEndpoint.handleRequest(request as never)).rejects.toThrow(
      /^request must be a web-standard Request; with node:http use nodeListener/,
    );
  }
});

test("a name that every object has is not known for that", async () => {
  for (const name of ["constructor", "toString", "__proto__"]) {
    const options = Object.defineProperty({}, name, { value: 1, enumerable: true });
    await expect(listen(options), name).rejects.toThrow(`${name} is not an option of Server.listen`);
    expect(() => server.on(name as never, () => {}), name).toThrow(TypeError);
  }
});

describe("the nearest name", () => {
  const known = { port: true, publicAddresses: true, certificate: true } as const;
  test.each([
    ["prot", "port"],
    ["PORT", "port"],
    ["por", "port"],
    ["prt", "port"],
    ["ports", "port"],
    ["publicAdresses", "publicAddresses"],
    ["publicAddress", "publicAddresses"],
    ["cert", undefined],
    ["x", undefined],
    ["", undefined],
  ])("to %j is %s", (name, nearest) => {
    const tail = nearest === undefined ? " (port, publicAddresses, certificate)" : `: did you mean ${nearest}?`;
    const check = () => checkNames<object>("options", { [name]: 1 }, known, "known");
    expect(check).toThrow(new TypeError(`${name} is not known${tail}`));
  });
});

test.each<[string, new () => unknown, string]>([
  ["Server", Server as never, "new Server() is not for use: await Server.listen(options)"],
  ["Connection", Connection as never, 'new Connection() is not for use: server.on("open", (connection) => …)'],
  ["ClientConnection", ClientConnection as never, "new ClientConnection() is not for use: await connect(url)"],
  [
    "Certificate",
    Certificate as never,
    "new Certificate() is not for use: Certificate.generate() or Certificate.fromPem(…)",
  ],
])("new %s() fails with a sentence that says what to use", (_, Class, sentence) => {
  expect(() => new Class()).toThrow(new TypeError(sentence));
});
