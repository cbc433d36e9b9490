import { readText } from "../body.ts";
import type { ConnectOptions } from "../options.ts";
import { ConnectError, type ConnectErrorCode } from "../../errors.ts";

/** One open peer connection with its channel. */
export interface Link {
  readonly peer: RTCPeerConnection;
  readonly channel: RTCDataChannel;
  /** How the server calls this connection, too; empty where its answer does not say. */
  id: string;
  /** What further offers name it by; `undefined` where the server takes none. */
  session?: string;
}

/** One attempt to connect: signalling, ICE, DTLS, SCTP, an open channel. Leaves nothing behind when it fails. */
export function dial(url: string, options: ConnectOptions, signal: AbortSignal): Promise<Link> {
  const { timeoutMs = 15_000, channel: { label = "data", reliable, ...given } = {} } = options;
  return new Promise((resolve, reject) => {
    if (!globalThis.RTCPeerConnection) {
      throw new ConnectError("unsupported", "this browser has no RTCPeerConnection");
    }
    const peer = new RTCPeerConnection();
    const stop = new AbortController();
    const end = () => {
      clearTimeout(timer);
      stop.abort();
    };
    const fail = (error: unknown) => {
      end();
      peer.close();
      reject(error);
    };
    const failWith = (code: ConnectErrorCode, message: string, details?: { cause?: unknown; status?: number }) =>
      fail(new ConnectError(code, message, details));
    // Browsers before 2021 know no `signal` of listeners: there this may be called after the end.
    const handleAbort = () =>
      stop.signal.aborted || failWith("aborted", "connecting was aborted", { cause: signal.reason });

    let answered = false;
    const giveUp = () => {
      if (peer.remoteDescription && !answered) failWith("udp-blocked", "no answer by UDP: blocked, or a wrong address");
      else failWith("timeout", `not open within ${timeoutMs} ms`);
    };
    const timer = setTimeout(giveUp, timeoutMs);
    if (signal.aborted) {
      handleAbort();
      return;
    }
    signal.addEventListener("abort", handleAbort, { signal: stop.signal });

    try {
      const limits = reliable || given.maxPacketLifeTime !== undefined ? {} : { maxRetransmits: 0 };
      const channel = peer.createDataChannel(label, { ordered: false, ...limits, ...given });
      channel.binaryType = "arraybuffer";
      const link: Link = { peer, channel, id: "" };
      channel.onopen = () => {
        end();
        resolve(link);
      };
      const isAnswered = () => (answered = answered || /^co/.test(peer.iceConnectionState)); // connected, completed
      peer.oniceconnectionstatechange = isAnswered;
      peer.onconnectionstatechange = () => {
        if (peer.connectionState !== "failed") return;
        // Firefox may say so while ICE is still "new", where it sends to none of the server's addresses: loopback (measured).
        if (!isAnswered() || peer.iceConnectionState === "failed") giveUp();
        else failWith("handshake-failed", "DTLS refused: another certificate than announced?");
      };
      negotiate(link, url, options, stop.signal).catch(fail);
    } catch (error) {
      fail(error); // What createDataChannel says of wrong options.
    }
  });
}

/**
 * The offer goes out at once: the server, which is ICE-lite, needs none of our candidates. Where the link has a session already, ICE
 * is restarted, and the offer is set when it has been answered: until then the old path is in use, and an attempt that fails leaves
 * nothing behind. Firefox ends the connection where a second restart is set before the first one has succeeded (measured).
 */
export async function negotiate(
  link: Link,
  url: string,
  { headers, fetch: request = (to, init) => fetch(to, init) }: ConnectOptions,
  signal: AbortSignal,
): Promise<void> {
  const { peer, session } = link;
  const offer = await peer.createOffer({ iceRestart: !!session });
  const apply = () => peer.setLocalDescription(offer);
  const ready = session ? undefined : apply();
  ready?.catch(() => {}); // It is waited for below, unless signalling fails first.
  const given = typeof headers === "function" ? await headers() : headers;
  let response: Response;
  let text: string;
  try {
    const to = session ? `${url}${/\?/.test(url) ? "&" : "?"}rtc-session=${session}` : url;
    response = await request(to, { method: "POST", body: offer.sdp!, signal, headers: given! });
    text = await readText(response);
  } catch (cause) {
    throw new ConnectError("unreachable", `${url} cannot be reached`, { cause });
  }
  const { status } = response;
  if (!response.ok) throw new ConnectError("refused", `${url} answered ${status}: ${text.slice(0, 200)}`, { status });
  try {
    const { answer, candidate, id = "", session } = JSON.parse(text);
    link.id = id;
    link.session = session;
    await (ready || apply());
    await peer.setRemoteDescription(answer);
    if (candidate?.candidate) await peer.addIceCandidate(candidate);
  } catch (cause) {
    throw new ConnectError("bad-answer", `${url} did not answer the offer`, { cause });
  }
}
