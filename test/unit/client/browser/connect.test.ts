import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ConnectOptions, connect } from "../../../../src/browser.ts";
import { ANSWER, answering, enterPage, FakePeer, leavePage, settle } from "./fake-peer.ts";

beforeEach(enterPage);
afterEach(leavePage);

const URL = "https://game.example/new_rtc_session";

/** How an attempt ends that is on its way when `meanwhile` runs. */
async function failure(options: ConnectOptions, meanwhile: (peer: FakePeer) => unknown = () => {}): Promise<unknown> {
  const attempt = connect(URL, options).then(
    () => "open",
    (error) => error,
  );
  await settle();
  await meanwhile(FakePeer.last);
  return attempt;
}

describe("connect", () => {
  test("posts the raw offer at once and takes answer and candidate", async () => {
    const fetch = answering();
    const connecting = connect(URL, { fetch, headers: { authorization: "Bearer 7" } });
    await settle();
    expect(fetch).toHaveBeenCalledExactlyOnceWith(URL, expect.objectContaining({ method: "POST", body: "v=0 offer" }));
    expect(fetch.mock.calls[0][1].headers).toEqual({ authorization: "Bearer 7" });
    expect(FakePeer.last.remoteDescription).toEqual(ANSWER.answer);
    expect(FakePeer.last.candidates).toEqual([ANSWER.candidate]);
    FakePeer.last.open();
    const connection = await connecting;
    expect(connection.state).toBe("open");
    expect(connection.id).toBe(ANSWER.id);
    expect(connection.maxMessageBytes).toBe(1200);
  });

  test.each([200, 500])("reads no endless answer with status %s", async (status) => {
    let pulled = 0;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(1_000).fill(++pulled && 0x20)),
    });
    const code = status === 200 ? "bad-answer" : "refused";
    expect(await failure({ fetch: async () => new Response(body, { status }) })).toMatchObject({ code });
    expect(pulled).toBeLessThan(80);
  });

  test("does without a candidate where the answer has its own", async () => {
    const fetch = async () => Response.json({ answer: ANSWER.answer });
    const connecting = connect(URL, { fetch });
    await settle();
    FakePeer.last.open();
    const connection = await connecting;
    expect(FakePeer.last.candidates).toEqual([]);
    // Another server's answer does not say how it calls the connection.
    expect(connection.id).toBe("");
  });

  test.each<[string, ConnectOptions["channel"], object]>([
    ["unordered and sent once by default", undefined, { ordered: false, maxRetransmits: 0 }],
    ["retransmitting as asked", { ordered: true, maxRetransmits: 3 }, { ordered: true, maxRetransmits: 3 }],
    ["limited by time instead", { maxPacketLifeTime: 100 }, { ordered: false, maxPacketLifeTime: 100 }],
    ["reliable", { ordered: true, reliable: true }, { ordered: true }],
    ["negotiated", { negotiated: true, id: 4 }, { ordered: false, maxRetransmits: 0, negotiated: true, id: 4 }],
  ])("opens a channel that is %s", async (_, channel, init) => {
    await failure({ fetch: answering(), ...(channel && { channel }) }, (peer) => {
      expect(peer.channel.init).toEqual(init);
      peer.open();
    });
  });

  test("rejects with what createDataChannel says of wrong options", async () => {
    const channel = { maxRetransmits: 1, maxPacketLifeTime: 1 };
    expect(await failure({ fetch: answering(), channel })).toBeInstanceOf(TypeError);
    expect(FakePeer.last.closed).toBe(true);
  });

  test("says that this is no browser for it", async () => {
    vi.stubGlobal("RTCPeerConnection", undefined);
    await expect(connect(URL)).rejects.toMatchObject({ name: "ConnectError", code: "unsupported" });
  });

  test("says that signalling cannot be reached, with the cause", async () => {
    const cause = new TypeError("Failed to fetch");
    const fetch = () => Promise.reject(cause);
    expect(await failure({ fetch })).toMatchObject({ code: "unreachable", cause });
  });

  test("says that signalling refused, with status and sentence", async () => {
    const fetch = async () => new Response("no player 7", { status: 403 });
    const error = await failure({ fetch });
    expect(error).toMatchObject({ code: "refused", status: 403 });
    expect((error as Error).message).toContain("no player 7");
    expect(FakePeer.last.closed).toBe(true);
  });

  test.each([
    ["text", "<html>"],
    ["other JSON", "{}"],
    ["null", "null"],
    ["an offer", '{"answer":{"type":"offer","sdp":"a=ice-ufrag:abcd"}}'],
    ["an answer cut off at the limit", `{"answer":"${"x".repeat(70_000)}"}`],
  ])("says that %s is no answer", async (_, body) => {
    expect(await failure({ fetch: async () => new Response(body) })).toMatchObject({ code: "bad-answer" });
  });

  test.each(["failed", "new"])("says that UDP is blocked when the connection fails while ICE is %s", async (ice) => {
    expect(await failure({ fetch: answering() }, (peer) => peer.become("failed", ice))).toMatchObject({
      code: "udp-blocked",
    });
  });

  test("says that the handshake failed when ICE has not", async () => {
    expect(await failure({ fetch: answering() }, (peer) => peer.become("failed", "connected"))).toMatchObject({
      code: "handshake-failed",
    });
  });

  test.each([
    ["udp-blocked", "checking"],
    ["timeout", "connected"],
    ["timeout", "completed"],
  ])("calls it %s when time is up while ICE is %s", async (code, ice) => {
    const error = await failure({ fetch: answering(), timeoutMs: 3_000 }, (peer) => {
      peer.become("connecting", ice);
      return vi.advanceTimersByTimeAsync(3_000);
    });
    expect(error).toMatchObject({ code });
    expect(FakePeer.last.closed).toBe(true);
  });

  test("a network that dies in the middle is no blocked one", async () => {
    const error = await failure({ fetch: answering() }, (peer) => {
      peer.become("connecting", "connected");
      peer.become("failed", "failed");
    });
    expect(error).toMatchObject({ code: "timeout" });
  });

  test("gives up a signalling server that does not answer, and its request", async () => {
    let signal: AbortSignal | null | undefined;
    const fetch = (_: string, init: RequestInit) => {
      signal = init.signal;
      return new Promise<Response>(() => {});
    };
    expect(await failure({ fetch }, () => vi.advanceTimersByTimeAsync(15_000))).toMatchObject({ code: "timeout" });
    expect(signal?.aborted).toBe(true);
  });

  test("gives up when the signal aborts, with its reason as the cause", async () => {
    const controller = new AbortController();
    const options = { fetch: answering(), signal: controller.signal };
    const error = await failure(options, () => controller.abort("changed my mind"));
    expect(error).toMatchObject({ code: "aborted", cause: "changed my mind" });
    expect(FakePeer.last.closed).toBe(true);
  });

  test("does not begin with a signal that has aborted", async () => {
    const fetch = answering();
    await expect(connect(URL, { fetch, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
    expect(fetch).not.toHaveBeenCalled();
  });
});
