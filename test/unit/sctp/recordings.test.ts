import { describe, expect, it } from "vitest";
import { Channels } from "../../../src/channel/channels.ts";
import { readRecording } from "../../hostile/support/sctp.ts";
import { chunksOf, LIMITS, packet, Party, type SeenChunk } from "./support.ts";

/** What a browser said to a server of ours, from its DCEP OPEN on; each packet is answered as the server would today. */
function replay(name: string): {
  channels: Channels;
  log: string[];
  answers: SeenChunk[];
  party: Party;
  heard: SeenChunk[];
} {
  const recording = readRecording(name);
  const log: string[] = [];
  // Firefox lists I-DATA, but that server did not.
  const own = { initiateTag: recording.localTag, initialTsn: recording.localInitialTsn, interleaving: false };
  const party = new Party(own);
  const channels = new Channels(
    { role: "server", limits: LIMITS, drops: party.drops },
    {
      associationEstablished: () => log.push("established"),
      associationClosed: (reason) => log.push(`association closed: ${reason}`),
      channelOpened: ({ id, label, ordered, maxRetransmits }) =>
        log.push(`opened ${id} ${label} ${ordered} ${maxRetransmits}`),
      channelMessage: (_, data) => log.push(`message ${data.length}`),
      channelClosed: ({ id }) => log.push(`channel closed ${id}`),
    },
  );
  channels.attach(party.association);
  Object.assign(party, {
    onMessage: (m: { streamId: number; ppid: number; data: Uint8Array }) =>
      channels.message(m.streamId, m.ppid, m.data),
  });
  party.association.establishFromInit(0, recording.browserInit);
  const answers: SeenChunk[] = [];
  const heard: SeenChunk[] = [];
  let now = 0;
  for (const chunks of recording.fromBrowser) {
    now += 5;
    const bytes = packet(recording.localTag, chunks);
    heard.push(...chunksOf(bytes));
    party.handle(now, bytes);
    for (const ids of party.incomingResets.splice(0)) channels.incomingStreamsReset(ids);
    for (const ids of party.outgoingResets.splice(0)) channels.outgoingStreamsReset(ids);
    answers.push(...party.flush(now));
  }
  return { channels, log, answers, party, heard };
}

describe.each(["chromium", "firefox"])("a recorded session of %s", (browser) => {
  it("with losses and FORWARD TSN: everything that came is delivered once, and the last SACK covers all", () => {
    const { log, answers, party, heard } = replay(`${browser}.fwd`);
    expect(log[0]).toBe("opened 0 data false 0");
    const open = answers.find(({ name }) => name === "DATA");
    expect([open?.ppid, ...(open?.data ?? [])]).toEqual([50, 2]);
    const all = heard.filter(({ name }) => name === "DATA").map(({ tsn }) => tsn);
    const whole = heard.filter(({ name, flags, ppid }) => name === "DATA" && (flags & 3) === 3 && ppid !== 50);
    expect(new Set(all).size + party.drops.get("sctp-duplicate")).toBe(all.length);
    expect(log.filter((line) => line.startsWith("message")).length).toBeGreaterThanOrEqual(whole.length);
    expect(heard.some(({ name }) => name === "FORWARD TSN")).toBe(true);
    party.association.acknowledgeNow();
    const sacks = [...answers, ...party.flush(1_000_000)].filter(({ name }) => name === "SACK");
    const last = Math.max(
      ...heard.filter(({ name }) => name === "DATA" || name === "FORWARD TSN").map(({ tsn }) => tsn),
    );
    expect(sacks.at(-1)).toMatchObject({ tsn: last, gaps: [] });
    expect(party.drops.get("sctp-malformed") + party.drops.get("sctp-unexpected")).toBe(0);
  });

  it("with a HEARTBEAT: it is answered as it came", () => {
    const { answers, heard } = replay(`${browser}.hb`);
    const asked = heard.filter(({ name }) => name === "HEARTBEAT").map(({ value }) => [...value]);
    expect(asked.length).toBeGreaterThan(0);
    expect(answers.filter(({ name }) => name === "HEARTBEAT ACK").map(({ value }) => [...value])).toEqual(asked);
  });
});

it("a channel that Chromium closes is reset from our side as well, and its number is free again", () => {
  const { log, answers, channels } = replay("chromium.close-dcclose");
  const resets = answers.filter(({ name }) => name === "RE-CONFIG").map(({ value }) => (value[0] << 8) | value[1]);
  // Our response (16) and our own request (13).
  expect(resets.sort()).toEqual([13, 16]);
  expect(channels.open).toEqual([]);
  expect(log[0]).toBe("opened 0 data false 0");
});

it("Firefox's pc.close() is a reset, then an ABORT", () => {
  const { log, party, answers } = replay("firefox.close-pcclose");
  expect(answers.some(({ name }) => name === "RE-CONFIG")).toBe(true);
  expect([party.closedBecause, log[0]]).toEqual(["peer-abort", "opened 0 data false 0"]);
});
