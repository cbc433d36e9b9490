/**
 * The native client on whichever runtime runs it: connects, exchanges messages, prints one line of JSON and ends by itself.
 *
 *   client.mjs URL
 */
import { argv, stdout } from "node:process";
import { connect } from "../../build/index.js";

const url = argv[2];
const signal = AbortSignal.timeout(20_000);
const describe = (data) => (typeof data === "string" ? data : [...data]);

async function echo(connection, data) {
  await connection.send(data);
  return describe((await connection.recv({ signal })).data);
}

const connection = await connect(url);
const echoes = [];
for (const data of ["grüße", "", new Uint8Array([0, 255]), new Uint8Array(0)])
  echoes.push(await echo(connection, data));
const large = await echo(connection, new Uint8Array(20_000).fill(7));

const many = await Promise.all(Array.from({ length: 20 }, () => connect(url)));
const numbers = await Promise.all(many.map((one, number) => echo(one, `${number}`)));
for (const one of many) one.close();

const failure = await connect(url, {
  timeoutMs: 300,
  fetch: async (to, init) =>
    new Response((await (await fetch(to, init)).text()).replace(/127\.0\.0\.1 \d+/g, "127.0.0.1 9")),
}).then(
  () => "open",
  ({ code }) => code,
);
const closed = new Promise((resolve) => connection.on("close", resolve));
await fetch(new URL(`/close?id=${encodeURIComponent(connection.id)}`, url));
const reason = await closed;
stdout.write(`${JSON.stringify({ echoes, large: large.length, numbers, failure, reason })}\n`);
