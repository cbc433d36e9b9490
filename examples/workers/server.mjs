/**
 * An echo server on several cores: one worker thread and one UDP port for each, one signalling URL and one certificate for
 * all of them. A browser learns from the answer which port is its own, so nothing has to be forwarded between the threads.
 *
 *   node examples/workers/server.mjs [WORKERS] [FIRST_UDP_PORT] [HTTP_PORT]
 */
import { createServer } from "node:http";
import { availableParallelism } from "node:os";
import { nodeListener } from "webrtc-datagram/node-http";
import { WorkerPool } from "./pool.mjs";

const [workers = availableParallelism(), firstPort = 42_424, httpPort = 8_080] = process.argv.slice(2).map(Number);
const pool = await WorkerPool.start(workers, firstPort);

createServer(nodeListener(handleRequest)).listen(httpPort, () => {
  console.log(
    `${workers} workers on UDP ports from ${firstPort}; POST offers to http://127.0.0.1:${httpPort}/new_rtc_session`,
  );
});

async function handleRequest(request) {
  const headers = { "access-control-allow-origin": "*" };
  if (request.method !== "POST") return new Response("POST an SDP offer\n", { status: 405, headers });
  try {
    return Response.json(await pool.answer(await request.text()), { headers });
  } catch (error) {
    return new Response(`${error.message}\n`, { status: 400, headers });
  }
}
