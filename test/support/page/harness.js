/**
 * Runs inside a browser's page: opens peer connections to the server under test and reports what happened to them.
 * Everything the tests need from a page goes through `window.harness`; `test/support/harness.ts` has its types.
 */
const UNRELIABLE = { ordered: false, maxRetransmits: 0 };

const connections = new Map();
let nextId = 1;

/** Opens a connection and one channel per entry of `channels`; resolves with its id when all channels are open. */
async function connect(options = {}) {
  const {
    url = "/new_rtc_session",
    channels = [{ label: "data", ...UNRELIABLE }],
    fingerprint,
    timeoutMs = 30_000,
  } = options;
  const peer = new RTCPeerConnection();
  const connection = {
    peer,
    channels: [],
    received: [],
    sentAt: [],
    sentTimes: [],
    counts: [],
    log: [],
    wake: new Set(),
  };
  const id = nextId++;
  connections.set(id, connection);
  peer.onconnectionstatechange = () => note(connection, `connection ${peer.connectionState}`);
  peer.oniceconnectionstatechange = () => note(connection, `ice ${peer.iceConnectionState}`);
  peer.ondatachannel = (event) => watch(connection, event.channel);
  for (const { label, ...init } of channels) watch(connection, peer.createDataChannel(label, init));
  await peer.setLocalDescription(await peer.createOffer());
  const response = await fetch(url, { method: "POST", body: peer.localDescription.sdp });
  if (!response.ok) throw new Error(`signalling: ${response.status} ${await response.text()}`);
  const { answer, candidate, id: serverId } = await response.json();
  connection.serverId = serverId;
  // A wrong fingerprint in the answer: the page must refuse the server's certificate.
  if (fingerprint) answer.sdp = answer.sdp.replace(/a=fingerprint:.*/g, `a=fingerprint:${fingerprint}`);
  await peer.setRemoteDescription(answer);
  await peer.addIceCandidate(candidate);
  const isOpen = () =>
    connection.channels.length >= channels.length && connection.channels.every((c) => c.readyState === "open");
  await until(connection, timeoutMs, isOpen, "channels open");
  return id;
}

function watch(connection, channel) {
  channel.binaryType = "arraybuffer";
  const index = connection.channels.push(channel) - 1;
  connection.counts[index] = 0;
  channel.onopen = () => {
    connection.openedAt ??= performance.timeOrigin + performance.now();
    note(connection, `open ${channel.label}`);
  };
  channel.onclose = () => note(connection, `close ${channel.label}`);
  channel.onerror = (event) => note(connection, `error ${channel.label} ${event.error?.message ?? ""}`);
  channel.onmessage = ({ data }) => {
    connection.received.push({ channel: index, data, at: performance.now(), time: Date.now() });
    connection.counts[index]++;
    wake(connection);
  };
}

/** Sends each message and waits until as many came back on that channel; returns them as text or arrays of bytes. */
async function echo(id, messages, { channel = 0, timeoutMs = 30_000 } = {}) {
  const connection = connections.get(id);
  const from = connection.received.length;
  for (const message of messages) connection.channels[channel].send(decode(message));
  const arrived = () => connection.received.slice(from).filter((entry) => entry.channel === channel);
  await until(connection, timeoutMs, () => arrived().length >= messages.length, `${messages.length} echoes`);
  return arrived().map(({ data }) => encode(data));
}

/** Messages cross the driver as JSON: text as it is, binary as an array of bytes. */
const decode = (message) => (typeof message === "string" ? message : new Uint8Array(message));
const encode = (data) => (typeof data === "string" ? data : [...new Uint8Array(data)]);

/** Sends a message of `bytes` bytes; returns the name of the exception the browser throws, or null. */
function trySend(id, bytes, channel = 0) {
  try {
    connections.get(id).channels[channel].send(new Uint8Array(bytes));
    return null;
  } catch (error) {
    return error.name;
  }
}

/** Waits until the log has a line that starts with `prefix`; returns the log. */
async function logged(id, prefix, timeoutMs = 30_000) {
  const connection = connections.get(id);
  await until(connection, timeoutMs, () => connection.log.some((line) => line.startsWith(prefix)), prefix);
  return connection.log;
}

/**
 * Sends `count` numbered messages of `bytes` bytes at `hz`, catching up where a timer came late. Echoes or the server's own
 * numbered messages are counted by `flowReport`.
 */
function sendFlow(id, { channel = 0, first = 0, count, hz, bytes }) {
  const { channels, sentAt, sentTimes } = connections.get(id);
  const started = performance.now();
  let next = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - started) * hz) / 1000) + 1);
      while (next < due && channels[channel].readyState === "open") {
        sentAt[first + next] = performance.now();
        sentTimes[first + next] = Date.now();
        channels[channel].send(numbered(first + next++, bytes));
      }
      if (next < count && channels[channel].readyState === "open") return;
      clearInterval(timer);
      resolve(next);
    }, 1000 / hz);
  });
}

function numbered(number, bytes) {
  const message = new DataView(new ArrayBuffer(bytes));
  message.setUint32(0, number);
  return message;
}

/** How many distinct numbers arrived on a channel, how many twice, and how long echoes took. */
function flowReport(id, channel = 0) {
  const { received, sentAt } = connections.get(id);
  const arrived = received.filter((entry) => entry.channel === channel && typeof entry.data !== "string");
  const numbers = arrived.map(({ data }) => new DataView(data).getUint32(0));
  const trips = arrived.map(({ at }, index) => at - sentAt[numbers[index]]).sort((a, b) => a - b);
  const quantile = (share) => trips[Math.min(trips.length - 1, Math.floor(trips.length * share))] ?? 0;
  const distinct = new Set(numbers).size;
  return { distinct, duplicates: numbers.length - distinct, medianMs: quantile(0.5), p99Ms: quantile(0.99) };
}

/** How many messages have come on the first channel when there are `count` of them, or by then. */
async function receives(id, count, timeoutMs) {
  const connection = connections.get(id);
  await until(connection, timeoutMs, () => connection.counts[0] >= count, "messages").catch(() => {});
  return connection.counts[0];
}

/** Of each numbered message of a channel that arrived: when, ms since 1970, and how many of other channels had come before it. */
function arrivals(id, channel = 0) {
  const found = [];
  let others = 0;
  for (const { channel: from, data, time } of connections.get(id).received) {
    if (from === channel) found.push({ number: new DataView(data).getUint32(0), time, others });
    else others++;
  }
  return found;
}

/** Sends messages of `bytes` bytes on a channel, as fast as they go, until `stopBulk`; resolves with how many there were. */
async function sendBulkUntilStopped(id, { channel, bytes }) {
  const connection = connections.get(id);
  const to = connection.channels[channel];
  to.bufferedAmountLowThreshold = HIGH_WATER_BYTES / 2;
  connection.sendsBulk = true;
  let sent = 0;
  while (connection.sendsBulk) {
    to.send(new Uint8Array(bytes));
    sent++;
    if (to.bufferedAmount > HIGH_WATER_BYTES)
      await new Promise((resolve) => to.addEventListener("bufferedamountlow", resolve, { once: true }));
  }
  return sent;
}

function stopBulk(id) {
  connections.get(id).sendsBulk = false;
}

/** Forgets what arrived, for the next flow on the same connection. */
function forgetReceived(id) {
  const connection = connections.get(id);
  connection.received = [];
  connection.counts.fill(0);
}

/** Bulk data: message `n` of `words` 32-bit words holds the numbers n·words … (n+1)·words − 1. */
const HIGH_WATER_BYTES = 1_048_576;

async function sendBulk(id, { channel, messages, words }) {
  const { channels } = connections.get(id);
  const to = channels[channel];
  to.bufferedAmountLowThreshold = HIGH_WATER_BYTES / 2;
  for (let n = 0; n < messages; n++) {
    if (to.bufferedAmount > HIGH_WATER_BYTES)
      await new Promise((resolve) => to.addEventListener("bufferedamountlow", resolve, { once: true }));
    to.send(Uint32Array.from({ length: words }, (_, i) => n * words + i));
  }
}

/** Waits for `messages` bulk messages on a channel; resolves with the index of the first that is not as sent, or null. */
async function receiveBulk(id, { channel, messages, words, timeoutMs }) {
  const connection = connections.get(id);
  const arrived = () => connection.received.filter((entry) => entry.channel === channel);
  await until(connection, timeoutMs, () => connection.counts[channel] >= messages, `${messages} bulk messages`);
  const wrong = arrived().findIndex(({ data }, n) => {
    const numbers = new Uint32Array(data);
    return numbers.length !== words || !numbers.every((number, i) => number === n * words + i);
  });
  return wrong < 0 && arrived().length === messages ? null : wrong;
}

/** What `getStats` says of DTLS: `FEFC` is 1.3, `FEFD` is 1.2. */
async function tlsVersion(id) {
  const report = await connections.get(id).peer.getStats();
  for (const stats of report.values()) if (stats.type === "transport" && stats.tlsVersion) return stats.tlsVersion;
  return "";
}

function note(connection, line) {
  connection.log.push(line);
  wake(connection);
}

function wake(connection) {
  for (const check of [...connection.wake]) check();
}

function until(connection, timeoutMs, condition, what) {
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearTimeout(timer);
      connection.wake.delete(check);
      settle(value);
    };
    const check = () => condition() && finish(resolve);
    const timer = setTimeout(
      () => finish(reject, new Error(`${what}: not within ${timeoutMs} ms; log: ${connection.log.join(", ")}`)),
      timeoutMs,
    );
    connection.wake.add(check);
    check();
  });
}

window.harness = {
  connect,
  echo,
  trySend,
  logged,
  sendFlow,
  flowReport,
  receives,
  arrivals,
  sendBulkUntilStopped,
  stopBulk,
  sentTimes: (id) => connections.get(id).sentTimes,
  forgetReceived,
  sendBulk,
  receiveBulk,
  tlsVersion,
  openedAt: (id) => connections.get(id).openedAt,
  descriptions: (id) => [connections.get(id).peer.localDescription.sdp, connections.get(id).peer.remoteDescription.sdp],
  log: (id) => connections.get(id).log,
  maxMessageSize: (id) => connections.get(id).peer.sctp.maxMessageSize,
  serverId: (id) => connections.get(id).serverId,
  serverUfrag: (id) => /a=ice-ufrag:(\S+)/.exec(connections.get(id).peer.remoteDescription.sdp)[1],
  ufrag: (id) => /a=ice-ufrag:(\S+)/.exec(connections.get(id).peer.localDescription.sdp)[1],
  closeChannel: (id, index) => connections.get(id).channels[index].close(),
  peerOf: (id) => connections.get(id).peer,
  closePeer: (id) => connections.get(id).peer.close(),
};
