import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { usrsctpProgram } from "./build.ts";

export interface PeerOptions {
  role: "client" | "server";
  /** Of all that usrsctp draws. */
  seed: number;
  /** Largest IP packet that usrsctp reckons with; its SCTP packets are as large. */
  pathMtuBytes: number;
  /** Whether it offers I-DATA (RFC 8260). */
  interleaving: boolean;
  /** Whether it can be told to stop reading. */
  pulls: boolean;
}

/** What usrsctp did while it obeyed one request. */
export interface PeerOutput {
  packet(packet: Uint8Array): void;
  message(streamId: number, ppid: number, data: Uint8Array): void;
  event(event: string): void;
}

const ITEM_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 7;

/** The program of `peer.c`, called like a function: a request is written and its answer read in one turn. */
export class PeerProcess {
  readonly #output: PeerOutput;
  readonly #requests: number;
  readonly #answers: number;
  #closed = false;

  constructor({ role, seed, pathMtuBytes, interleaving, pulls }: PeerOptions, output: PeerOutput) {
    this.#output = output;
    const program = usrsctpProgram();
    const folder = mkdtempSync(join(tmpdir(), "usrsctp-peer-"));
    try {
      const fifos = [join(folder, "requests"), join(folder, "answers")];
      if (spawnSync("mkfifo", fifos).status !== 0) throw new Error("mkfifo failed: usrsctp's peer talks through FIFOs");
      const args = [...fifos, role, String(seed), String(pathMtuBytes), interleaving ? "1" : "0", pulls ? "1" : "0"];
      const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
      if (child.pid === undefined) throw new Error(`${program} does not start`);
      // It ends when its FIFO does.
      child.unref();
      this.#requests = openSync(fifos[0], "w");
      this.#answers = openSync(fifos[1], "r");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /**
   * Lets usrsctp's time pass until `now`, then has it do one thing; its output is reported before this returns.
   *
   * @param operation as `peer.c` lists them
   * @returns 0 or what usrsctp set `errno` to
   */
  request(now: number, operation: string, ...fields: readonly Uint8Array[]): number {
    if (this.#closed) return 0;
    const head = Buffer.alloc(13);
    const length = fields.reduce((sum, field) => sum + field.length, head.length);
    head.writeUInt32LE(length - 4, 0);
    head.writeDoubleLE(now, 4);
    head.write(operation, 12);
    const request = Buffer.concat([head, ...fields], length);
    for (let done = 0; done < length; ) done += writeSync(this.#requests, request, done);
    const answer = this.#read(this.#read(4).readUInt32LE(0));
    for (let at = 4; at < answer.length; ) {
      const end = at + ITEM_HEADER_BYTES + answer.readUInt32LE(at + 1);
      this.#report(String.fromCharCode(answer[at]), answer.subarray(at + ITEM_HEADER_BYTES, end));
      at = end;
    }
    return answer.readInt32LE(0);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#requests);
    closeSync(this.#answers);
  }

  #report(kind: string, item: Buffer): void {
    if (kind === "p") this.#output.packet(item);
    else if (kind === "e") this.#output.event(item.toString());
    else this.#output.message(item.readUInt16LE(0), item.readUInt32LE(2), item.subarray(MESSAGE_HEADER_BYTES));
  }

  #read(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.#answers, bytes, done, length - done, null);
      if (count === 0) throw new Error("usrsctp's peer has ended; what it says is above");
      done += count;
    }
    return bytes;
  }
}
