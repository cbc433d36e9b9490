/**
 * Connects once by each of a server's addresses, with only that one in the answer. Prints one line of JSON: what came back by which.
 *
 *   several-addresses-client.mjs URL ADDRESS …
 */
import { argv, stdout } from "node:process";
import { connect } from "../../build/index.js";

const [, , url, ...addresses] = argv;

async function by(address) {
  try {
    const connection = await connect(url, {
      timeoutMs: 5_000,
      fetch: async (to, init) => only(address, await fetch(to, init)),
    });
    await connection.send("hello");
    const { data } = await connection.recv({ signal: AbortSignal.timeout(5_000) });
    const from = connection.remoteAddress.address;
    connection.close();
    return { data, from };
  } catch ({ code, message }) {
    return { code, message };
  }
}

/** The answer without the candidates of all other addresses. */
async function only(address, response) {
  const session = await response.json();
  const isOther = (line) => line.startsWith("a=candidate:") && !line.includes(` ${address} `);
  const lines = session.answer.sdp.split("\r\n").filter((line) => !isOther(line));
  return Response.json({ ...session, answer: { type: "answer", sdp: lines.join("\r\n") }, candidate: undefined });
}

const echoes = {};
for (const address of addresses) echoes[address] = await by(address);
stdout.write(`${JSON.stringify(echoes)}\n`);
