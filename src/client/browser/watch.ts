/** How often the traffic is looked at. Browsers slow it down to once a second in a page that is not in front. */
const LOOK_MS = 300;
/**
 * Looks that found bytes sent, and none received since. SCTP repeats a lone message that is not acknowledged after 0.4 s
 * (measured) and then ever later, so a quiet page needs to lose three round trips in a row for a false alarm.
 */
const UNANSWERED_LOOKS = 3;
/** What each look that finds bytes received takes off the patience: back to the least within a minute after a first alarm. */
const CALMED = 0.02;

/**
 * Notices a dead path by what goes out and stays without an answer: a server acknowledges whatever it gets. By its own checks a browser
 * takes 6 s (Chromium) to 10 s (Firefox). Where nothing is sent, nothing is missed. Each alarm doubles the patience, since a server may
 * stand still, and a line may take seconds.
 *
 * @param stop aborts when nobody needs to know any more
 * @param alarm called for each suspicion
 */
export async function watch(peer: RTCPeerConnection, stop: AbortSignal, alarm: () => void): Promise<void> {
  let sent = 0;
  let received = 0;
  let unanswered = 0;
  let patience = UNANSWERED_LOOKS;
  while (!stop.aborted) {
    let out = 0;
    let back = 0;
    // Over all pairs: browsers name the selected one in different places, and pairs that are not in use add nothing.
    (await peer.getStats()).forEach(({ type, bytesSent, bytesReceived }) => {
      if (type !== "candidate-pair") return;
      out += bytesSent;
      back += bytesReceived;
    });
    if (back > received) {
      unanswered = 0;
      patience = Math.max(UNANSWERED_LOOKS, patience - CALMED);
    } else if (peer.connectionState !== "connected") {
      unanswered = 0; // The browser has noticed by itself.
      // From the answer on until a check succeeds Firefox counts nothing, and a second restart would end the connection (measured).
    } else if (out > sent && ++unanswered >= patience) {
      unanswered = 0;
      patience *= 2;
      alarm();
    }
    sent = out;
    received = back;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
