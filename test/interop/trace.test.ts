/** tshark opens the capture of a trace without any option: it decrypts the handshake and reads the SCTP packets beside it. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, Server, traceToFiles } from "../../src/index.ts";
import { findCommand } from "../support/commands.ts";
import { EventLog } from "../support/wait.ts";

const run = promisify(execFile);

const TEXT = "text of this session";
const [CLIENT_HELLO, SERVER_HELLO, FINISHED] = [1, 2, 20];
const [INBOUND, OUTBOUND] = [1, 2];
const CHUNKS = { sack: 3, abort: 6, iData: 64, reConfig: 130 };
const DCEP = { ack: 2, open: 3 };

/** Fields of the dissectors, in one run: tshark takes a second to start. */
const FIELDS = [
  "frame.interface_id",
  "frame.packet_flags_direction",
  "stun.type",
  "dtls.handshake.type",
  "sctp.chunk_type",
  "rtcdc.message_type",
  "data.data",
] as const;

/**
 * What must not be seen in any frame. On a busy machine a hello is sent again, perhaps cut anew, and tshark calls that an error of
 * reassembly.
 */
const FAULTS = [
  "_ws.malformed.expert or _ws.malformed.dissector_bug",
  "_ws.expert.severity >= warning and not _ws.malformed.reassembly",
  "sctp and not sctp.checksum.status == 1",
  "udp and not udp.checksum.status == 1",
  "ip and not ip.checksum.status == 1",
];
const CHECKS = ["sctp.checksum:CRC 32c", "udp.check_checksum:TRUE", "ip.check_checksum:TRUE"];

describe.each([
  ["1.2", "server"],
  ["1.3", "client"],
] as const)("a session over DTLS %s that the %s has traced", (version, side) => {
  let folder: string;
  let path: string;
  let values: Record<(typeof FIELDS)[number], string[]>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "trace-"));
    path = join(folder, "session");
    await talk(version, side, path);
    const rows = (await tshark("-T", "fields", ...FIELDS.flatMap((field) => ["-e", field]))).split("\n");
    const columns = FIELDS.map((field, column) => {
      const cells = rows.flatMap((row) => row.split("\t")[column]?.split(",") ?? []);
      return [field, cells.filter((cell) => cell !== "")];
    });
    values = Object.fromEntries(columns);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function tshark(...more: string[]): Promise<string> {
    const { stdout } = await run(findCommand(["tshark"]), ["-n", "-r", `${path}.pcapng`, ...more]);
    return stdout;
  }

  test("has SCTP packets in the clear, down to the messages", () => {
    expect(values["sctp.chunk_type"].map(Number)).toEqual(expect.arrayContaining(Object.values(CHUNKS)));
    expect(values["rtcdc.message_type"].map(Number)).toEqual(expect.arrayContaining(Object.values(DCEP)));
    expect(values["data.data"]).toContain(Buffer.from(TEXT).toString("hex"));
  });

  test("has STUN and DTLS beside them, in both directions", () => {
    expect(values["stun.type"].map(Number)).toEqual(expect.arrayContaining([0x0001, 0x0101]));
    expect(values["dtls.handshake.type"].map(Number)).toEqual(expect.arrayContaining([CLIENT_HELLO, SERVER_HELLO]));
    expect(new Set(values["frame.packet_flags_direction"].map(Number))).toEqual(new Set([INBOUND, OUTBOUND]));
    expect(new Set(values["frame.interface_id"])).toEqual(new Set(["0", "1"]));
  });

  test("has no malformed frame, wrong checksum or warning of a dissector", async () => {
    const filter = FAULTS.map((fault) => `(${fault})`).join(" or ");
    expect(await tshark(...CHECKS.flatMap((check) => ["-o", check]), "-Y", filter)).toBe("");
  });

  // Debian 12's tshark 4.0 reads the handshake of DTLS 1.3, but decrypts 1.2 only.
  if (version === "1.2") {
    test("is decrypted by the keys that it brings: both Finished can be read", () => {
      expect(values["dtls.handshake.type"].filter((type) => Number(type) === FINISHED).length).toBe(2);
    });
  }

  test("has the secrets of its version, once", async () => {
    const text = (await readFile(`${path}.pcapng`)).toString("latin1");
    const label = version === "1.2" ? "CLIENT_RANDOM" : "SERVER_TRAFFIC_SECRET_0";
    expect(text.match(new RegExp(`${label} [0-9a-f]{64} [0-9a-f]+\n`, "g"))).toHaveLength(1);
  });

  test("has its events as a sequence of JSON texts, in files of their owner's", async () => {
    const text = await readFile(`${path}.sqlog`, "utf8");
    const [beforeFirst, ...records] = text.split("\x1e");
    expect(beforeFirst).toBe("");
    expect(records.every((record) => record.endsWith("\n"))).toBe(true);
    const [header, first, ...events] = records.map((record) => JSON.parse(record));
    expect(header).toMatchObject({ trace: { vantage_point: { type: side } } });
    expect(first).toMatchObject({
      name: "connection:started",
      data: { remote: expect.stringMatching(/^127\.0\.0\.1:/) },
    });
    expect(events.at(-1)).toMatchObject({ name: "trace:ended", data: { reason: "closed" } });
    for (const file of ["pcapng", "sqlog"]) expect((await stat(`${path}.${file}`)).mode & 0o777).toBe(0o600);
  });
});

/** Two channels, an unreliable message, a large one, one channel closed, and the connection. */
async function talk(version: "1.2" | "1.3", side: "server" | "client", path: string): Promise<void> {
  const trace = () => traceToFiles(path);
  const server = await Server.listen({
    address: "127.0.0.1",
    dtlsVersions: [version],
    ...(side === "server" && { trace }),
    onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
  });
  const closed = new EventLog<string>();
  server.on("close", (_, reason) => closed.push(reason));
  try {
    const client = await connect("http://server/", {
      fetch: (url, init) => server.sessionEndpoint.handleRequest(new Request(url, init)),
      ...(side === "client" && { trace }),
    });
    client.send(TEXT);
    await client.recv();
    const channel = client.createChannel("reliable", { ordered: true, maxRetransmits: null });
    client.send(new Uint8Array(3_000), { channel });
    await client.recv();
    const gone = new Promise((resolve) => client.on("channelclose", resolve));
    client.closeChannel(channel);
    await gone;
    client.close();
    await closed.waitForCount(15_000, "the server notices the close", 1);
  } finally {
    await server.close();
  }
}
