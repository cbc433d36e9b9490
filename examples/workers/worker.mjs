/** One thread of the pool: a server of its own on a port of its own. */
import { parentPort, workerData } from "node:worker_threads";
import { Certificate, Server } from "webrtc-datagram";

const { certificate, privateKey } = workerData.certificate;
const server = await Server.listen({
  port: workerData.port,
  certificate: Certificate.fromPem(certificate, privateKey),
  onMessage: ({ connection, channel, data }) => connection.trySend(data, { channel }),
});

parentPort.on("message", async (message) => {
  if (message === "close") {
    await server.close();
    parentPort.close();
    return;
  }
  const { id, offer } = message;
  parentPort.postMessage({ id, ...server.answer(offer) });
});
parentPort.postMessage({});
