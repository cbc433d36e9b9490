import { describe, expect, it } from "vitest";
import type { Channel } from "../../../src/channel/channel.ts";
import { Channels, type ChannelsOptions } from "../../../src/channel/channels.ts";
import { Association } from "../../../src/sctp/association.ts";
import { DropCounters } from "../../../src/wire/drops.ts";
import { chunksOf, datapath, LIMITS, PACKET_BYTES, type SeenChunk, seededBytes } from "../sctp/support.ts";

/** The channels of one side, and all that is heard of them. */
class Side {
  readonly channels: Channels;
  readonly association: Association;
  readonly drops = new DropCounters();
  readonly log: string[] = [];
  readonly opened: Channel[] = [];
  sent: Uint8Array[] = [];
  sentLast: Uint8Array[] = [];

  constructor(role: "client" | "server", options: Partial<ChannelsOptions> = {}) {
    this.channels = new Channels(
      { role, limits: LIMITS, drops: this.drops, ...options },
      {
        associationEstablished: () => this.log.push("up"),
        associationClosed: (reason) => this.log.push(`down ${reason}`),
        channelOpened: (channel) => {
          this.opened.push(channel);
          this.log.push(`open ${channel.id}`);
        },
        channelMessage: ({ id }, data) =>
          this.log.push(`${id}: ${typeof data === "string" ? `"${data}"` : `[${[...data].join()}]`}`),
        channelClosed: ({ id }) => this.log.push(`close ${id}`),
      },
    );
    const transport = {
      maxPacketBytes: PACKET_BYTES,
      begin: () => datapath.nextTx(),
      commit: (_now: number, offset: number, length: number) => {
        this.sent.push(datapath.memory.slice(offset, offset + length));
      },
    };
    const random = seededBytes(role === "client" ? 1 : 2);
    this.association = new Association(
      { random, drops: this.drops, limits: options.limits ?? LIMITS },
      datapath,
      transport,
      this.channels,
    );
    this.channels.attach(this.association);
  }

  takeLog(): string[] {
    return this.log.splice(0);
  }
}

class Pair {
  now = 0;
  readonly client: Side;
  readonly server: Side;
  readonly seen: SeenChunk[] = [];

  constructor(client: Partial<ChannelsOptions> = {}, server: Partial<ChannelsOptions> = {}) {
    this.client = new Side("client", client);
    this.server = new Side("server", server);
  }

  /** Passes packets to and fro until nobody has anything to say. */
  settle(drop: (chunks: SeenChunk[], bytes: Uint8Array) => boolean = () => false): void {
    for (let round = 0; round < 50; round++) {
      this.now += 5;
      for (const side of [this.client, this.server]) side.association.flush(this.now);
      const packets = [this.client.sent.splice(0), this.server.sent.splice(0)];
      this.client.sentLast = packets[0];
      if (packets[0].length + packets[1].length === 0) return;
      for (const [i, to] of [this.server, this.client].entries()) {
        for (const bytes of packets[i]) {
          const chunks = chunksOf(bytes);
          this.seen.push(...chunks);
          if (!drop(chunks, bytes)) to.association.handlePacket(this.now, bytes);
        }
      }
    }
  }

  connect(): this {
    this.client.association.connect(this.now);
    this.settle();
    return this;
  }

  data(): SeenChunk[] {
    return this.seen.splice(0).filter(({ name }) => name === "I-DATA");
  }
}

it("a channel of another connection is none of this one's, whatever its number", () => {
  const pairs = [new Pair().connect(), new Pair().connect()];
  const [mine, other] = pairs.map((pair) => {
    const channel = pair.client.channels.create(pair.now, "x");
    pair.settle();
    return channel;
  });
  const { channels } = pairs[0].client;
  expect(channels.send(pairs[0].now, other, "astray")).toBe("closed");
  channels.close(pairs[0].now, other);
  pairs[0].settle();
  expect([mine.state, other.state]).toEqual(["open", "open"]);
});

describe("opening", () => {
  it("by the client takes even numbers, by the server odd ones, and tells the other side everything", () => {
    const both = new Pair().connect();
    both.client.channels.create(both.now, "state");
    both.client.channels.create(both.now, "chat", {
      ordered: true,
      maxRetransmits: null,
      protocol: "v1",
      priority: 512,
    });
    both.server.channels.create(both.now, "news", { maxPacketLifeTime: 100 });
    both.settle();
    expect(both.client.log).toEqual(["up", "open 1", "open 0", "open 2"]);
    expect(both.server.log).toEqual(["up", "open 0", "open 2", "open 1"]);
    expect(both.server.opened[1]).toMatchObject({
      id: 2,
      label: "chat",
      protocol: "v1",
      ordered: true,
      maxRetransmits: null,
      maxPacketLifeTime: null,
      priority: 512,
      negotiated: false,
      state: "open",
    });
    expect(both.client.opened[0]).toMatchObject({
      label: "news",
      ordered: false,
      maxRetransmits: null,
      maxPacketLifeTime: 100,
    });
    expect(both.server.channels.open.map(({ id }) => id)).toEqual([0, 2, 1]);
    expect(both.server.channels.first?.id).toBe(0);
  });

  it("before the association is up waits for it", () => {
    const pair = new Pair();
    const channel = pair.client.channels.create(0, "early");
    expect(channel.state).toBe("connecting");
    pair.client.channels.send(0, channel, "hello");
    pair.connect();
    expect(pair.server.log).toEqual(["up", "open 0", '0: "hello"']);
    expect(channel.state).toBe("open");
  });

  it("is acknowledged at once, reliably and in order", () => {
    const pair = new Pair().connect();
    pair.data();
    pair.client.channels.create(pair.now, "x");
    pair.settle();
    const [open, ack] = pair.data();
    expect([open.ppid, open.flags & 7, open.mid]).toEqual([50, 3, 0]);
    expect([ack.ppid, ack.flags & 7, ack.mid, ...ack.data]).toEqual([50, 3, 0, 2]);
  });

  it("of an unordered channel sends ordered messages until the answer is there", () => {
    const pair = new Pair().connect();
    pair.data();
    const channel = pair.client.channels.create(pair.now, "x");
    pair.client.channels.send(pair.now, channel, "first");
    pair.settle();
    pair.client.channels.send(pair.now, channel, "second");
    pair.settle();
    expect(
      pair
        .data()
        .filter(({ ppid }) => ppid === 51)
        .map(({ flags, mid }) => [flags & 4, mid]),
    ).toEqual([
      [0, 1],
      [4, 0],
    ]);
    expect(pair.server.log.slice(2)).toEqual(['0: "first"', '0: "second"']);
  });

  it("takes any message of the peer on the channel for the answer", () => {
    const pair = new Pair().connect();
    const channel = pair.client.channels.create(pair.now, "x");
    // The packet with the ACK is lost; what the server sends next comes through.
    pair.settle((chunks) => chunks.some(({ ppid, data }) => ppid === 50 && data[0] === 2));
    expect(channel.state).toBe("connecting");
    pair.server.channels.send(pair.now, pair.server.opened[0], "data");
    pair.settle();
    expect(channel.state).toBe("open");
  });

  it("with a negotiated number announces nothing", () => {
    const pair = new Pair().connect();
    pair.data();
    const [a, b] = [pair.client, pair.server].map(({ channels }) =>
      channels.create(pair.now, "n", { negotiated: true, id: 7 }),
    );
    pair.client.channels.send(pair.now, a, "hello");
    pair.settle();
    expect(pair.data().map(({ ppid, streamId }) => [ppid, streamId])).toEqual([[51, 7]]);
    expect([a.state, b.state, pair.server.log.at(-1)]).toEqual(["open", "open", '7: "hello"']);
    const early = new Pair();
    const channel = early.client.channels.create(0, "n", { negotiated: true, id: 3 });
    expect(channel.state).toBe("connecting");
    early.connect();
    expect(early.client.log).toEqual(["up", "open 3"]);
  });

  it("refuses options that make no sense", () => {
    const { channels } = new Pair().connect().client;
    expect(() => channels.create(0, "x", { maxRetransmits: 1, maxPacketLifeTime: 1 })).toThrow(TypeError);
    expect(() => channels.create(0, "x", { maxRetransmits: -1 })).toThrow(RangeError);
    expect(() => channels.create(0, "x", { maxPacketLifeTime: 0.5 })).toThrow(RangeError);
    expect(() => channels.create(0, "x", { negotiated: true })).toThrow(TypeError);
    expect(() => channels.create(0, "x", { id: LIMITS.maxStreams })).toThrow(RangeError);
    expect(() => channels.create(0, "é".repeat(513))).toThrow(RangeError);
    expect(() => channels.create(0, "x", { id: -1 })).toThrow(RangeError);
  });

  it("gives a closed channel where all streams are taken, or the one that is wanted", () => {
    const limits = { ...LIMITS, maxStreams: 4 };
    const side = new Side("client", { limits });
    side.channels.create(0, "a");
    side.channels.create(0, "b");
    const refused = side.channels.create(0, "c");
    expect(refused).toMatchObject({ state: "closed", id: -1, label: "c" });
    expect(side.channels.send(0, refused, "x")).toBe("closed");
    side.channels.close(0, refused);
    expect(side.channels.create(0, "d", { negotiated: true, id: 2 })).toMatchObject({ state: "closed", id: 2 });
    expect(side.log).toEqual(["close -1", "close 2"]);
  });

  it("reaches a peer that takes messages of one byte only: an OPEN is no message of the application's", () => {
    const pair = new Pair({ limits: { ...LIMITS, maxMessageBytes: 1 } }).connect();
    const channel = pair.client.channels.create(pair.now, "x");
    pair.settle();
    expect(channel.state).toBe("open");
    expect(pair.client.channels.send(pair.now, channel, "xy")).toBe("too-large");
  });

  it("closes a channel that was created before the peer said how few streams it takes", () => {
    const pair = new Pair({}, { limits: { ...LIMITS, maxStreams: 2 } });
    const far = pair.client.channels.create(0, "far", { id: 6 });
    const near = pair.client.channels.create(0, "near", { id: 0 });
    pair.connect();
    expect(far.state).toBe("closed");
    expect(pair.client.channels.send(pair.now, far, "x")).toBe("closed");
    expect(near.state).toBe("open");
    expect(pair.client.log).toEqual(["close 6", "up", "open 0"]);
    expect(pair.client.channels.create(pair.now, "further")).toMatchObject({ state: "closed" });
    expect(pair.client.log.at(-1)).toBe("close -1");
  });
});

describe("messages", () => {
  it("are text, bytes, or either of them empty", () => {
    const pair = new Pair().connect();
    const channel = pair.client.channels.create(pair.now, "x");
    pair.settle();
    pair.data();
    for (const message of ["text ✓", "", Uint8Array.of(1, 2), new Uint8Array(0)]) {
      expect(pair.client.channels.send(pair.now, channel, message)).toBe("sent");
    }
    pair.settle();
    expect(pair.server.log.slice(2)).toEqual(['0: "text ✓"', '0: ""', "0: [1,2]", "0: []"]);
    expect(pair.data().map(({ ppid, data }) => [ppid, data.length])).toEqual([
      [51, 8],
      [56, 1],
      [53, 2],
      [57, 1],
    ]);
  });

  it("are treated as their channel says, from either side", () => {
    const pair = new Pair().connect();
    const options = [
      { ordered: true, maxRetransmits: null },
      { ordered: false, maxRetransmits: 0 },
      { ordered: true, maxRetransmits: 3 },
      { ordered: false, maxPacketLifeTime: 200 },
    ];
    for (const [i, option] of options.entries()) pair.client.channels.create(pair.now, `${i}`, option);
    pair.settle();
    pair.data();
    for (const channel of pair.server.opened) pair.server.channels.send(pair.now, channel, "down");
    // Lost once: what may be sent again is.
    pair.settle(() => true);
    expect(pair.data().map(({ flags }) => flags & 4)).toEqual([0, 4, 0, 4]);
    for (const wait of [400, 900, 2000]) {
      pair.now += wait;
      if (pair.server.association.nextDeadline <= pair.now) pair.server.association.handleTimeout(pair.now);
      pair.settle();
    }
    const heard = pair.client.log.filter((line) => line.includes("down"));
    expect(heard).toEqual(['0: "down"', '4: "down"']);
  });

  it("that are not UTF-8, of another kind, or on no channel are dropped and counted", () => {
    const pair = new Pair().connect();
    const channel = pair.client.channels.create(pair.now, "x");
    pair.settle();
    for (const [streamId, ppid] of [
      [channel.id, 51],
      [channel.id, 52],
      [channel.id, 99],
      [8, 53],
    ]) {
      pair.client.association.send(pair.now, { streamId, ppid, data: Uint8Array.of(0xff) });
    }
    pair.settle();
    expect(pair.server.log).toEqual(["up", "open 0"]);
    expect(pair.server.drops.snapshot()).toEqual({
      "message-invalid-text": 1,
      "message-unknown-ppid": 2,
      "message-unknown-channel": 1,
    });
  });
});

describe("closing", () => {
  it("resets both directions, whoever begins, and frees the number", () => {
    for (const closer of ["client", "server"] as const) {
      const pair = new Pair().connect();
      const channel = pair.client.channels.create(pair.now, "x");
      pair.settle();
      const own = closer === "client" ? channel : pair.server.opened[0];
      pair[closer].channels.close(pair.now, own);
      expect(own.state).toBe("closing");
      expect(pair[closer].channels.send(pair.now, own, "late")).toBe("closed");
      pair.settle();
      expect([pair.client.log.at(-1), pair.server.log.at(-1)]).toEqual(["close 0", "close 0"]);
      expect([channel.state, pair.server.opened[0].state]).toEqual(["closed", "closed"]);
      const next = pair.client.channels.create(pair.now, "y", { id: 0 });
      pair.client.channels.send(pair.now, next, "again");
      pair.settle();
      expect([next.id, pair.server.log.at(-1)]).toEqual([0, '0: "again"']);
    }
  });

  it("frees a number that is used again as late as possible: nobody knows when the answer to the last reset has come", () => {
    const pair = new Pair().connect();
    const ids: number[] = [];
    for (let i = 0; i < 700; i++) {
      const channel = pair.client.channels.create(pair.now, "x");
      ids.push(channel.id);
      pair.settle();
      pair.client.channels.close(pair.now, channel);
      pair.settle();
    }
    const all = Array.from({ length: LIMITS.maxStreams / 2 }, (_, index) => 2 * index);
    expect(ids).toEqual([...all, ...all].slice(0, 700));
    const long = pair.client.channels.create(pair.now, "long");
    const taken = pair.client.channels.create(pair.now, "taken", { id: long.id + 2 });
    expect([long.id, taken.id, pair.client.channels.create(pair.now, "next").id]).toEqual([376, 378, 380]);
  });

  it("by both sides at once closes once", () => {
    const pair = new Pair().connect();
    const channel = pair.client.channels.create(pair.now, "x");
    pair.settle();
    pair.client.channels.close(pair.now, channel);
    pair.server.channels.close(pair.now, pair.server.opened[0]);
    pair.settle();
    expect([pair.client, pair.server].map(({ log }) => log.filter((line) => line === "close 0").length)).toEqual([
      1, 1,
    ]);
  });

  it("delivers what was sent before", () => {
    const pair = new Pair().connect();
    const channel = pair.client.channels.create(pair.now, "x", { ordered: true, maxRetransmits: null });
    pair.settle();
    pair.client.channels.send(pair.now, channel, "last words");
    pair.client.channels.close(pair.now, channel);
    pair.settle();
    // The server's SACK, which the reset waits for, is delayed.
    pair.now = pair.server.association.nextDeadline;
    pair.server.association.handleTimeout(pair.now);
    pair.settle();
    expect(pair.server.log.slice(-2)).toEqual(['0: "last words"', "close 0"]);
  });

  it("of the association closes all channels", () => {
    const pair = new Pair().connect();
    for (const label of ["a", "b"]) pair.client.channels.create(pair.now, label);
    pair.settle();
    pair.client.association.abort(pair.now);
    pair.settle();
    expect(pair.server.log.slice(-3)).toEqual(["close 0", "close 2", "down peer-abort"]);
    expect(pair.client.log.slice(-3)).toEqual(["close 0", "close 2", "down local-abort"]);
    expect(pair.client.channels.send(pair.now, pair.client.opened[0], "x")).toBe("closed");
  });
});

describe("a stream that is used again", () => {
  const isAnswer = ({ name, value }: SeenChunk) => name === "RE-CONFIG" && value[1] === 16;
  const isRequest = ({ name, value }: SeenChunk) => name === "RE-CONFIG" && value[1] === 13;
  const RELIABLE = { ordered: true, maxRetransmits: null };

  /** The client's channel is closed, by itself or by refusal; its answer to the server's reset is lost. */
  function closedWithoutAnswer(server: Partial<ChannelsOptions> = {}): Pair {
    const pair = new Pair({}, server).connect();
    const isClients = (chunks: SeenChunk[], bytes: Uint8Array) =>
      chunks.some(isAnswer) && pair.client.sentLast.includes(bytes);
    const first = pair.client.channels.create(pair.now, "first", RELIABLE);
    pair.settle(isClients);
    pair.client.channels.close(pair.now, first);
    pair.settle(isClients);
    if (first.state !== "closed") {
      // Its own request was in the packet that was lost.
      pair.now = pair.client.association.nextDeadline;
      pair.client.association.handleTimeout(pair.now);
      pair.settle(isClients);
    }
    expect([first.state, pair.server.association.isResetting(0)]).toEqual(["closed", true]);
    pair.client.takeLog();
    return pair;
  }

  it("is another channel's, though the answer to our reset of the former one is lost", () => {
    const pair = closedWithoutAnswer();
    expect(pair.server.opened[0].state).toBe("closing");
    pair.server.takeLog();
    const second = pair.client.channels.create(pair.now, "second", { ...RELIABLE, id: 0 });
    pair.client.channels.send(pair.now, second, "there");
    pair.settle();
    expect([second.id, pair.server.takeLog()]).toEqual([0, ["close 0", "open 0", '0: "there"']]);
    pair.server.channels.send(pair.now, pair.server.opened[1], "and back");
    pair.settle();
    expect(pair.client.takeLog()).toEqual(["open 0", '0: "and back"']);
    expect(pair.server.association.isResetting(0)).toBe(false);
  });

  it("stays the new channel's when a reset of the former one comes again", () => {
    const pair = new Pair().connect();
    const first = pair.client.channels.create(pair.now, "first");
    pair.settle();
    const copies: Uint8Array[][] = [[], []];
    pair.client.channels.close(pair.now, first);
    pair.settle((chunks, bytes) => {
      if (chunks.some(isRequest)) copies[pair.client.sentLast.includes(bytes) ? 1 : 0].push(bytes);
      return false;
    });
    const second = pair.client.channels.create(pair.now, "second", { id: 0 });
    pair.settle();
    for (const bytes of copies[1]) pair.server.association.handlePacket(pair.now, bytes);
    for (const bytes of copies[0]) pair.client.association.handlePacket(pair.now, bytes);
    pair.settle();
    expect(copies.map(({ length }) => length)).toEqual([1, 1]);
    expect([second.state, pair.server.opened[1].state]).toEqual(["open", "open"]);
  });

  it("has no use for messages of a negotiated channel that this side has not opened again: the former one is closed", () => {
    const pair = new Pair().connect();
    const options = { negotiated: true, id: 4, ...RELIABLE };
    const [first, other] = [pair.client, pair.server].map(({ channels }) => channels.create(pair.now, "x", options));
    pair.client.channels.close(pair.now, first);
    pair.settle((chunks) => chunks.some(isAnswer) && first.state === "closed");
    expect(other.state).toBe("closing");
    pair.server.takeLog();
    const second = pair.client.channels.create(pair.now, "x", options);
    pair.client.channels.send(pair.now, second, "nobody is there");
    pair.settle();
    expect(pair.server.takeLog()).toEqual(["close 4"]);
    expect(pair.server.drops.get("message-unknown-channel")).toBe(1);
  });

  it("is open to a peer that was refused it before, though the answer to our reset is lost", () => {
    const limits = { ...LIMITS, maxNameCharacters: 4 };
    const pair = closedWithoutAnswer({ limits });
    const second = pair.client.channels.create(pair.now, "2", { ...RELIABLE, id: 0 });
    pair.settle();
    expect([second.state, pair.server.opened.map(({ label }) => label)]).toEqual(["open", ["2"]]);
  });

  it("is not ours to open as long as our reset of it is under way", () => {
    const pair = closedWithoutAnswer({ maxChannels: 0 });
    expect(pair.server.channels.create(pair.now, "x", { id: 0 }).state).toBe("closed");
  });
});

describe("a peer that breaks the rules", () => {
  const open = (label: string, type = 0x81) =>
    Uint8Array.of(3, type, 1, 0, 0, 0, 0, 0, 0, label.length, 0, 0, ...Array.from(label, (c) => c.charCodeAt(0)));
  const dcep = (pair: Pair, streamId: number, data: Uint8Array) => {
    pair.client.association.send(pair.now, { streamId, ppid: 50, data, ordered: true });
    pair.settle();
  };

  it("and opens a stream of our parity is given it while it is free", () => {
    const pair = new Pair().connect();
    dcep(pair, 1, open("x"));
    expect(pair.server.opened.map(({ id, label }) => [id, label])).toEqual([[1, "x"]]);
    expect(pair.server.channels.create(pair.now, "mine").id).toBe(3);
  });

  it("and opens the stream that we open at the same time loses it, and so do we", () => {
    const pair = new Pair().connect();
    const mine = pair.server.channels.create(pair.now, "mine");
    dcep(pair, mine.id, open("theirs"));
    expect(mine.state).toBe("closed");
    expect(pair.server.log).toEqual(["up", `close ${mine.id}`]);
    expect(pair.server.drops.snapshot()).toEqual({ "dcep-unexpected": 1 });
    expect(pair.seen.filter(({ name }) => name === "RE-CONFIG").length).toBeGreaterThan(0);
  });

  it("and opens a channel by a malformed message is refused by a reset", () => {
    for (const [streamId, data, reason] of [
      [2, open("x", 0x85), "dcep-malformed"],
      [4, open("x".repeat(255)).slice(0, 20), "dcep-malformed"],
    ] as const) {
      const pair = new Pair().connect();
      dcep(pair, streamId, data);
      expect([pair.server.log, pair.server.drops.get(reason)]).toEqual([["up"], 1]);
      expect(pair.seen.some(({ name }) => name === "RE-CONFIG")).toBe(true);
    }
  });

  it("and opens a channel twice, or acknowledges none, changes nothing", () => {
    const pair = new Pair().connect();
    dcep(pair, 0, open("x"));
    dcep(pair, 0, open("y"));
    dcep(pair, 0, Uint8Array.of(2));
    dcep(pair, 0, Uint8Array.of(9));
    expect(pair.server.opened.map(({ label, state }) => [label, state])).toEqual([["x", "open"]]);
    expect(pair.server.drops.snapshot()).toEqual({ "dcep-unexpected": 3 });
  });

  it("and gives its channels long names is refused more of them, until it has closed some", () => {
    const pair = new Pair().connect();
    const limit = Math.floor(LIMITS.maxNameCharacters / 255);
    for (let i = 0; i < limit + 2; i++) dcep(pair, 2 * i, open("x".repeat(255)));
    expect(pair.server.channels.open).toHaveLength(limit);
    expect(pair.server.drops.get("channel-limit")).toBe(2);
    pair.client.association.resetStreams(pair.now, [0]);
    pair.settle();
    for (let i = 2; i < 4; i++) dcep(pair, 2 * (limit + i), open("x".repeat(255)));
    expect(pair.server.channels.open).toHaveLength(limit);
    expect(pair.server.drops.get("channel-limit")).toBe(3);
  });

  it("and opens more channels than allowed is refused", () => {
    const pair = new Pair({}, { maxChannels: 3 }).connect();
    for (let id = 0; id < 10; id += 2) dcep(pair, id, open("x"));
    expect(pair.server.channels.open).toHaveLength(3);
    expect(pair.server.drops.get("channel-limit")).toBe(2);
  });
});
