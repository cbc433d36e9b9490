/**
 * The part that is the same in every client written in JavaScript: numbered messages of every kind go out by one channel and
 * then by the other, at most `WINDOW` of them unanswered, and each must come back as it was. The clients in Python and Go do
 * the same.
 */
const WINDOW = 8;
/** Bytes of the messages by channel, in turn; 0 stands for text. The largest unreliable ones still fit a socket's buffer. */
const SIZES = { unreliable: [0, 4, 100, 1_100, 16_384], reliable: [0, 4, 100, 1_100, 16_384, 60_000] };

/** How the two channels are opened, by label. */
export const CHANNELS = { unreliable: { ordered: false, maxRetransmits: 0 }, reliable: {} };

export async function postOffer(url, sdp) {
  const response = await fetch(url, { method: "POST", body: sdp });
  if (!response.ok) throw new Error(`signalling answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** A string, or a Buffer that begins with its number. */
function messageOf(label, index) {
  const size = SIZES[label][index % SIZES[label].length];
  if (size === 0) return `${index} ä€😀`;
  const message = Buffer.alloc(size, index & 0xff);
  message.writeUInt32BE(index);
  return message;
}

const numberOf = (message) => (typeof message === "string" ? Number.parseInt(message, 10) : message.readUInt32BE(0));

function isSame(a, b) {
  return typeof a === "string" || typeof b === "string" ? a === b : a.equals(b);
}

/** Sends `count` messages with `send`; the returned function is to be called with each message that comes back. */
function startEcho(label, count, send, onDone) {
  const open = new Map();
  let next = 0;
  let done = 0;
  const fill = () => {
    while (next < count && open.size < WINDOW) {
      const message = messageOf(label, next);
      open.set(next++, message);
      send(message);
    }
  };
  fill();
  return (message) => {
    const index = numberOf(message);
    if (!open.has(index)) throw new Error(`${label}: message ${index} came twice, or was never sent`);
    if (!isSame(open.get(index), message)) throw new Error(`${label}: message ${index} came back changed`);
    open.delete(index);
    if (++done === count) onDone();
    else fill();
  };
}

/**
 * One channel after the other, then the end of the process.
 *
 * @param channels `{ label, send, onMessage, opened }`: what `send` takes, who is called with what comes, and a promise
 */
export async function echoOverAll(channels, count) {
  await Promise.all(channels.map(({ opened }) => opened));
  console.log("open");
  for (const channel of channels) {
    await new Promise((resolve) => {
      channel.onMessage = startEcho(channel.label, count, channel.send, resolve);
    });
    console.log(`${channel.label} ${count} echoes`);
  }
  // Native threads and sockets would keep the process alive.
  setTimeout(() => process.exit(0), 100);
}
