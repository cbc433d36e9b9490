import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { randomBytes } from "../../../src/crypto/platform.ts";
import { Association, type AssociationCloseReason, type OutgoingMessage } from "../../../src/sctp/association.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { Random } from "../../sim/random.ts";

const MISSING = "usrsctp interoperability needs a C compiler and libusrsctp: apt-get install gcc libusrsctp-dev";
const PACKET_BYTES = 1163;
const datapath = new Datapath({ keySlots: 1 });

/** Compiles the bridge; throws one sentence where the compiler or the library is missing. */
export function buildBridge(): string {
  const source = fileURLToPath(new URL("bridge.c", import.meta.url));
  const program = join(mkdtempSync(join(tmpdir(), "usrsctp-bridge-")), "bridge");
  const options = ["-Wall", "-Wextra", "-Werror", "-O1", "-o", program, source, "-lusrsctp", "-lpthread"];
  const { error, status, stderr } = spawnSync("cc", options, { encoding: "utf8" });
  const hasNoLibrary = /usrsctp\.h: No such file|cannot find -lusrsctp/.test(stderr ?? "");
  if (error !== undefined || hasNoLibrary) throw new Error(MISSING);
  if (status !== 0) throw new Error(`the bridge does not compile:\n${stderr}`);
  return program;
}

export interface SeenMessage {
  streamId: number;
  ppid: number;
  ordered: boolean;
  length: number;
  /** −1 where the content is not what its index says. */
  index: number;
}

/** A message as the bridge makes and checks them: index, then bytes that count up from it. */
export function content(index: number, length: number): Uint8Array {
  const data = Uint8Array.from({ length }, (_, i) => index + i);
  new DataView(data.buffer).setUint32(0, index);
  return data;
}

function indexOf(data: Uint8Array): number {
  const index = new DataView(data.buffer, data.byteOffset).getUint32(0);
  return data.every((byte, i) => i < 4 || byte === ((index + i) & 0xff)) ? index : -1;
}

/** Our association on one side, usrsctp on the other, and a lossy UDP socket between them. */
export class Bridge {
  readonly association: Association;
  readonly drops = new DropCounters();
  /** What each side received. */
  readonly ours: SeenMessage[] = [];
  readonly theirs: SeenMessage[] = [];
  readonly events: string[] = [];
  closedBecause: AssociationCloseReason | undefined;
  #program!: ChildProcessWithoutNullStreams;
  readonly #socket: Socket;
  readonly #random: Random;
  readonly #loss: number;
  #port = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing = false;
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, loss: number, seed: string) {
    this.#socket = socket;
    this.#random = new Random(seed);
    this.#loss = loss;
    const transport = {
      maxPacketBytes: PACKET_BYTES,
      begin: () => datapath.nextTx(),
      commit: (_now: number, offset: number, length: number) => {
        // Copied: loss and the socket must not depend on how long the ring keeps a packet.
        if (!this.#random.chance(this.#loss) && !this.#closed)
          socket.send(datapath.memory.slice(offset, offset + length), this.#port);
      },
    };
    this.association = new Association({ random: randomBytes, drops: this.drops }, datapath, transport, {
      established: () => this.#event("established"),
      message: (streamId, ppid, data) => {
        this.ours.push({ streamId, ppid, ordered: false, length: data.length, index: indexOf(data) });
        this.#wake();
      },
      incomingStreamsReset: (ids) => this.#event(`incoming reset ${ids.join()}`),
      outgoingStreamsReset: (ids) => this.#event(`outgoing reset ${ids.join()}`),
      closed: (reason) => {
        this.closedBecause = reason;
        this.#event(`closed ${reason}`);
      },
    });
  }

  /** @param role usrsctp's */
  static async open(program: string, role: "client" | "server", loss: number, seed: string): Promise<Bridge> {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4_194_304 });
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const bridge = new Bridge(socket, loss, seed);
    socket.on("message", (packet, { port }) => bridge.#receive(packet, port));
    bridge.#start(program, role);
    await bridge.until(() => bridge.#port !== 0);
    if (role === "server") bridge.#turn((now) => bridge.association.connect(now));
    await bridge.until(() => bridge.events.includes("established") && bridge.events.includes("up"));
    return bridge;
  }

  send(message: OutgoingMessage): void {
    this.#turn((now) => {
      const result = this.association.send(now, message);
      if (result !== "sent" && result !== "queued") throw new Error(`send: ${result}`);
    });
  }

  /** A message from usrsctp. */
  sendFromPeer(message: {
    streamId: number;
    ppid: number;
    ordered: boolean;
    maxRetransmits: number;
    length: number;
    index: number;
  }): void {
    const { streamId, ppid, ordered, maxRetransmits, length, index } = message;
    this.command(`send ${streamId} ${ppid} ${Number(ordered)} ${maxRetransmits} ${length} ${index}`);
  }

  command(line: string): void {
    this.#program.stdin.write(`${line}\n`);
  }

  resetStream(streamId: number): void {
    this.#turn((now) => this.association.resetStreams(now, [streamId]));
  }

  abort(): void {
    this.#turn((now) => this.association.abort(now));
  }

  /** Waits until something holds; the test's own time limit is the only one. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#program.kill();
    this.#socket.close();
  }

  #start(program: string, role: string): void {
    this.#program = spawn(program, [role, String(this.#socket.address().port)]);
    this.#program.stderr.on("data", (text) => this.#event(`stderr ${text}`));
    createInterface({ input: this.#program.stdout }).on("line", (line) => {
      const [word, ...fields] = line.split(" ");
      if (word === "port") this.#port = Number(fields[0]);
      else if (word === "message") {
        const [streamId, ppid, ordered, length, index] = fields.map(Number);
        this.theirs.push({ streamId, ppid, ordered: ordered === 1, length, index });
      } else this.events.push(line);
      this.#wake();
    });
  }

  #receive(packet: Uint8Array, port: number): void {
    this.#port = port;
    if (!this.#random.chance(this.#loss)) this.#turn((now) => this.association.handlePacket(now, packet));
  }

  #turn(act: (now: number) => void): void {
    act(performance.now());
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.association.flush(performance.now());
      this.#arm();
    });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { nextDeadline } = this.association;
    if (nextDeadline === Number.POSITIVE_INFINITY || this.#closed) return;
    const delay = Math.max(0, nextDeadline - performance.now());
    this.#timer = setTimeout(() => {
      this.association.handleTimeout(performance.now());
      this.#arm();
    }, delay);
  }

  #event(event: string): void {
    this.events.push(event);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
