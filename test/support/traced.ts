/** Traces connections of the simulator: in virtual time, with what came out kept as objects. */
import type { ClientConnection } from "../../src/core/client-connection.ts";
import type { Connection } from "../../src/core/server-connection.ts";
import type { TraceEventName } from "../../src/trace/events.ts";
import type { TraceSink } from "../../src/trace/sink.ts";
import { Tracer } from "../../src/trace/tracer.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { DropCounters } from "../../src/wire/drops.ts";
import { SERVER_ADDRESS, type World } from "../sim/world.ts";

/** Wall clock at the start of the virtual time, ms. */
export const EPOCH_MS = 1_700_000_000_000;

export interface TraceEvent {
  readonly time: number;
  readonly name: TraceEventName;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at fields of many kinds.
  readonly data: any;
}

export class Traced {
  readonly lines: string[] = [];
  readonly pieces: Uint8Array[] = [];
  ends = 0;
  readonly tracer: Tracer;
  #deliveries: (() => void)[] = [];

  constructor(world: World, peer: Connection | ClientConnection, maxBytes = 67_108_864, sink?: TraceSink) {
    this.tracer = new Tracer({
      role: "server",
      id: "traced",
      peer,
      drops: "remote" in peer && "session" in peer ? world.server.endpoint.drops : new DropCounters(),
      local: SERVER_ADDRESS,
      sink: sink ?? {
        pcapng: (bytes) => this.pieces.push(bytes),
        events: (line) => this.lines.push(line),
        end: () => this.ends++,
      },
      maxBytes,
      later: (deliver) => this.#deliveries.push(deliver),
      timeUs: () => (EPOCH_MS + world.network.now) * 1_000,
    });
  }

  /** Hands on what waits: what a shell does after each call into the core. */
  deliver(): this {
    for (const deliver of this.#deliveries.splice(0)) deliver();
    return this;
  }

  get events(): TraceEvent[] {
    return this.deliver()
      .lines.slice(1)
      .map((line) => JSON.parse(line) as TraceEvent);
  }

  named(name: TraceEventName): TraceEvent["data"][] {
    return this.events.filter((event) => event.name === name).map(({ data }) => data);
  }

  get capture(): Uint8Array {
    return concatBytes(...this.deliver().pieces);
  }
}

/** Each connection of the server that begins from now on. */
export function traceAll(world: World): Traced[] {
  const traced: Traced[] = [];
  world.server.onBegun = (connection) => traced.push(new Traced(world, connection));
  return traced;
}

export interface CapturedBlock {
  readonly type: number;
  readonly body: Uint8Array;
}

/** The blocks of a capture. Throws where their lengths do not fit. */
export function blocksOf(capture: Uint8Array): CapturedBlock[] {
  const view = new DataView(capture.buffer, capture.byteOffset, capture.byteLength);
  const blocks: CapturedBlock[] = [];
  for (let at = 0; at < capture.length; ) {
    const length = view.getUint32(at + 4);
    if (length % 4 !== 0 || length < 12 || view.getUint32(at + length - 4) !== length)
      throw new Error(`block at ${at}`);
    blocks.push({ type: view.getUint32(at), body: capture.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}
