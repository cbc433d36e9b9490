import assert from "node:assert/strict";
import { Channels } from "../../../src/channel/channels.ts";
import { parseDcep, writeAck, writeOpen } from "../../../src/channel/dcep.ts";
import { DEFAULT_ASSOCIATION_LIMITS } from "../../../src/limits.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { checkMemory, readRecording, SctpSide } from "../support/sctp.ts";
import { bytesOf, type CoverageTarget, readSteps, type Step, writeSteps } from "./target.ts";

const PPIDS = [50, 51, 53, 56, 57, 52, 54, 0];
const STREAMS = 64;
const MAX_CHANNELS = 12;
const MAX_CREATED = 8;
const chromium = readRecording("chromium.fwd");

/** Data channels on a live association whose peer says anything on any stream, and resets streams when it likes. */
export function dcepTarget(): CoverageTarget {
  const open = writeOpen({
    label: "data",
    protocol: "proto",
    ordered: false,
    maxRetransmits: 0,
    maxPacketLifeTime: null,
    priority: 256,
  });
  const empty = writeOpen({
    label: "",
    protocol: "",
    ordered: true,
    maxRetransmits: null,
    maxPacketLifeTime: 500,
    priority: 0,
  });
  const none = new Uint8Array(0);
  return {
    name: "dcep",
    covers: ["channel/"],
    seeds: [
      writeSteps([
        [0, 0, open],
        [1, 0, bytesOf("\x01text")],
        [2, 0, none],
      ]),
      writeSteps([
        [0, 2, empty],
        [5, 0, bytesOf("answer")],
        [4, 0, none],
        [2, 2, none],
      ]),
      writeSteps([
        [3, 1, none],
        [0, 1, writeAck()],
        [1, 1, Uint8Array.of(2, 7, 7)],
      ]),
      writeSteps([
        [0, 0, open],
        [0, 2, open],
        [2, 255, none],
      ]),
    ],
    run(input) {
      const bench = new Bench();
      for (const step of readSteps(input)) bench.take(step);
      bench.end();
    },
  };
}

class Bench {
  #opened = 0;
  #closed = 0;
  #created = 0;
  readonly #channels: Channels;
  readonly #side: SctpSide;

  constructor() {
    const limits = { ...DEFAULT_ASSOCIATION_LIMITS, maxStreams: STREAMS, maxNameCharacters: 256 };
    this.#channels = new Channels(
      { role: "server", limits, drops: new DropCounters(), maxChannels: MAX_CHANNELS },
      {
        associationEstablished: () => {},
        associationClosed: () => {},
        channelOpened: (channel) => {
          assert.equal(channel.state, "open");
          this.#opened++;
        },
        channelMessage: (channel) => assert(channel.state !== "closed", "a message on a channel that is closed"),
        channelClosed: (channel) => {
          assert.equal(channel.state, "closed");
          this.#closed++;
        },
      },
    );
    const { localTag, localInitialTsn, browserInit } = chromium;
    this.#side = new SctpSide("dcep", { initiateTag: localTag, initialTsn: localInitialTsn, limits }, this.#channels);
    this.#channels.attach(this.#side.association);
    assert(this.#side.association.establishFromInit(0, browserInit));
  }

  take({ operation, argument, bytes }: Step): void {
    const channels = this.#channels;
    const stream = argument % (STREAMS + 4);
    const { first } = channels;
    switch (operation % 6) {
      case 0:
        parseDcep(bytes);
        if (bytes.length > 0) channels.message(stream, 50, bytes);
        break;
      case 1:
        if (bytes.length > 1) channels.message(stream, PPIDS[bytes[0] % PPIDS.length], bytes.slice(1));
        break;
      case 2:
        channels.incomingStreamsReset(argument === 255 ? [] : [stream]);
        break;
      case 3:
        // Our own side: no more channels than there are streams for.
        if (this.#created++ < MAX_CREATED) channels.create(0, "ours");
        break;
      case 4:
        if (first !== undefined) channels.close(0, first);
        break;
      default:
        if (first !== undefined) channels.send(0, first, bytes);
    }
    this.#side.association.flush(0);
    this.#side.take();
    assert(channels.open.length <= this.#opened - this.#closed + STREAMS);
    const names = channels.open.reduce((sum, { label, protocol }) => sum + label.length + protocol.length, 0);
    assert(names <= 256 + 8 * STREAMS, "more names than are allowed");
    assert(channels.open.length <= MAX_CHANNELS + MAX_CREATED, "more channels than are allowed");
  }

  end(): void {
    this.#side.check();
    this.#side.association.abort(1);
    assert.equal(this.#channels.open.length, 0, "channels of an association that has ended");
    checkMemory();
  }
}
