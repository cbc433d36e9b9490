/** The page of `echo-server`: one file, nothing but what every browser has. It is also how to write such a page by hand. */
export const DEMO_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>webrtc-datagram echo</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.3rem; margin: 0 0 1rem; }
  dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .6rem; margin: 0 0 1rem; }
  dl div { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem; padding: .4rem .7rem; }
  dt { font-size: .8rem; opacity: .7; }
  dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
  canvas { width: 100%; height: 8rem; display: block; }
  form { display: flex; gap: .5rem; margin: 1rem 0; }
  input { flex: 1; font: inherit; padding: .3rem .5rem; }
  button { font: inherit; padding: .3rem .8rem; }
  #log { font: .85rem/1.5 ui-monospace, monospace; white-space: pre-wrap; max-height: 14rem; overflow: auto; }
</style>
<h1>UDP-like messages, there and back</h1>
<dl>
  <div><dt>state</dt><dd id="state">connecting</dd></div>
  <div><dt>opened in</dt><dd id="opened">–</dd></div>
  <div><dt>round trip</dt><dd id="rtt">–</dd></div>
  <div><dt>median</dt><dd id="median">–</dd></div>
  <div><dt>sent</dt><dd id="sent">0</dd></div>
  <div><dt>lost</dt><dd id="lost">0</dd></div>
</dl>
<canvas id="chart" aria-label="round-trip times of the last echoes"></canvas>
<form id="form">
  <input id="text" aria-label="message" placeholder="send your own message" maxlength="1000" autocomplete="off">
  <button>Send</button>
  <button type="button" id="reconnect">Reconnect</button>
</form>
<div id="log" role="log"></div>
<script type="module">
const RATE_HZ = 20, LOST_AFTER_MS = 2000, KEEP = 200;
const show = (id, text) => { document.getElementById(id).textContent = text; };
const log = (text) => {
  const box = document.getElementById("log");
  box.prepend(text + "\\n");
  while (box.childNodes.length > 200) box.lastChild.remove();
};
let connection, channel, timer, sequence, pending, trips, sent, lost;

async function connect() {
  close();
  sequence = 0; pending = new Map(); trips = []; sent = 0; lost = 0;
  show("state", "connecting"); show("opened", "–");
  const started = performance.now();
  const pc = connection = new RTCPeerConnection();
  const dc = channel = pc.createDataChannel("echo", { ordered: false, maxRetransmits: 0 });
  dc.binaryType = "arraybuffer";
  dc.onopen = () => {
    show("state", "open");
    show("opened", Math.round(performance.now() - started) + " ms");
    timer = setInterval(tick, 1000 / RATE_HZ);
  };
  dc.onclose = () => { if (pc === connection) { show("state", "closed"); clearInterval(timer); } };
  dc.onmessage = ({ data }) => typeof data === "string" ? log("← " + data) : echoed(new DataView(data));
  pc.onconnectionstatechange = () => {
    if (pc === connection && pc.connectionState === "failed") show("state", "failed: is UDP blocked?");
  };
  await pc.setLocalDescription(await pc.createOffer());
  const response = await fetch("/new_rtc_session", { method: "POST", body: pc.localDescription.sdp });
  if (!response.ok) throw new Error("signalling answered " + response.status + ": " + await response.text());
  const { answer, candidate } = await response.json();
  await pc.setRemoteDescription(answer);
  await pc.addIceCandidate(candidate);
}

function tick() {
  const now = performance.now();
  for (const [number, at] of pending) {
    if (now - at < LOST_AFTER_MS) break;
    pending.delete(number);
    lost++;
  }
  const message = new DataView(new ArrayBuffer(100));
  message.setUint32(0, sequence);
  pending.set(sequence++, now);
  channel.send(message);
  sent++;
  show("sent", sent);
  show("lost", lost + " (" + (100 * lost / sent).toFixed(1) + " %)");
}

function echoed(message) {
  const number = message.getUint32(0), at = pending.get(number);
  if (at === undefined) return;
  pending.delete(number);
  trips.push(performance.now() - at);
  if (trips.length > KEEP) trips.shift();
  show("rtt", trips.at(-1).toFixed(2) + " ms");
  show("median", trips.toSorted((a, b) => a - b)[trips.length >> 1].toFixed(2) + " ms");
  draw();
}

function draw() {
  const canvas = document.getElementById("chart"), scale = devicePixelRatio;
  const width = canvas.width = canvas.clientWidth * scale, height = canvas.height = canvas.clientHeight * scale;
  const context = canvas.getContext("2d"), top = Math.max(...trips) * 1.1;
  context.strokeStyle = "#2a7de1";
  context.lineWidth = 1.5 * scale;
  context.beginPath();
  trips.forEach((trip, i) => context.lineTo(i * width / (KEEP - 1), height - trip / top * height));
  context.stroke();
}

function close() {
  clearInterval(timer);
  connection?.close();
}

document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  const input = document.getElementById("text");
  if (input.value === "" || channel?.readyState !== "open") return;
  channel.send(input.value);
  log("→ " + input.value);
  input.value = "";
};
const start = () => connect().catch((error) => { show("state", "failed"); log(String(error)); });
document.getElementById("reconnect").onclick = start;
start();
</script>
</html>
`;
