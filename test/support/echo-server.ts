/** A server that sends every message back by the channel it came from, with a site that has the test pages. */
import { type CloseReason, type Connection, type ListenOptions, type Message, Server } from "../../src/index.ts";
import { DTLS_VERSIONS } from "./dtls-versions.ts";
import { type Site, startSite } from "./site.ts";
import { EventLog } from "./wait.ts";

const OPENED_WITHIN_MS = 30_000;

export interface Closed {
  connection: Connection;
  reason: CloseReason;
}

export interface EchoServer {
  readonly server: Server;
  readonly site: Site;
  readonly opened: EventLog<Connection>;
  readonly closed: EventLog<Closed>;
  /** The server's end of a connection, by its id. Chromium opens its channels before the server has heard of them. */
  connection(id: string): Promise<Connection>;
  close(): Promise<void>;
}

/** Announces 127.0.0.1 unless `publicAddresses` says otherwise. */
export async function startEchoServer(options: ListenOptions = {}): Promise<EchoServer> {
  const server = await Server.listen({
    publicAddresses: ["127.0.0.1"],
    dtlsVersions: DTLS_VERSIONS,
    onMessage: echo,
    ...options,
  });
  const opened = new EventLog<Connection>();
  const closed = new EventLog<Closed>();
  server.on("open", (connection) => opened.push(connection));
  server.on("close", (connection, reason) => closed.push({ connection, reason }));
  const site = await startSite((request) => server.sessionEndpoint.handleRequest(request));
  return {
    server,
    site,
    opened,
    closed,
    connection: (id) => opened.waitFor(OPENED_WITHIN_MS, `connection ${id} opens`, (entry) => entry.id === id),
    async close() {
      await site.close();
      await server.close();
    },
  };
}

function echo({ connection, channel, data }: Message): void {
  connection.trySend(data, { channel });
}
