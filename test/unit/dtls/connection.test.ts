import { describe, expect, it } from "vitest";
import { bytes, connectedPair, exchange } from "./support.ts";

describe("a client and a server", () => {
  it("connect and exchange data", () => {
    const { client, server } = connectedPair();
    expect(client.closedWith).toBeUndefined();
    expect(server.closedWith).toBeUndefined();
    expect(client.connection.state).toBe("connected");
    expect(server.connection.state).toBe("connected");
    client.connection.send(0, bytes("ping"));
    server.connection.send(0, bytes("pong"));
    exchange(client, server);
    expect(server.received).toEqual(["ping"]);
    expect(client.received).toEqual(["pong"]);
  });
});
