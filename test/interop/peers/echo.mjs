/**
 * The part that is the same in every client: sends `count` numbered messages, at most 16 of them unanswered, and reports how
 * many distinct ones came back unchanged.
 */
const WINDOW = 16;
const MESSAGE_BYTES = 100;

export async function postOffer(url, sdp) {
  const response = await fetch(url, { method: "POST", body: sdp });
  if (!response.ok) throw new Error(`signalling answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** @param send sends one Buffer. Returns the function to call with each message that comes back. */
export function startEcho(count, send, onDone) {
  const seen = new Set();
  let next = 0;
  const fill = () => {
    while (next < count && next - seen.size < WINDOW) {
      const message = Buffer.alloc(MESSAGE_BYTES, next & 0xff);
      message.writeUInt32BE(next++);
      send(message);
    }
  };
  fill();
  return (message) => {
    const number = message.readUInt32BE(0);
    const intact = message.length === MESSAGE_BYTES && message.subarray(4).every((byte) => byte === (number & 0xff));
    if (!intact) throw new Error(`message ${number} came back changed`);
    seen.add(number);
    if (seen.size === count) onDone(`${seen.size} echoes`);
    else fill();
  };
}

export function finish(line) {
  console.log(line);
  // Native threads and sockets would keep the process alive.
  setTimeout(() => process.exit(0), 100);
}
