/** Clients without WebRTC, with the face of `RtcClient`: bare UDP and WebSocket. */
import { createSocket } from "node:dgram";
import { peers } from "../servers/peers.mjs";

class PlainClient {
  onMessages = () => {};
  onMessage = undefined;
  datagramsSent = 0;
  datagramsReceived = 0;
  sentAt = 0;
  receivedAt = 0;
  isOpen = true;

  arrived(data) {
    this.receivedAt = performance.now();
    this.datagramsReceived++;
    this.onMessage?.(data);
    this.onMessages(1);
  }

  departs() {
    this.datagramsSent++;
    this.sentAt = performance.now();
  }
}

export class BareClient extends PlainClient {
  #socket = createSocket({ type: "udp4", recvBufferSize: 1_048_576, sendBufferSize: 1_048_576 });

  static async connect({ port, address }) {
    const client = new BareClient();
    client.#socket.on("message", (data) => client.arrived(data));
    await new Promise((resolve) => client.#socket.connect(port, address, resolve));
    return client;
  }

  send(data) {
    this.departs();
    this.#socket.send(data);
    return true;
  }

  async close() {
    await new Promise((resolve) => this.#socket.close(resolve));
  }
}

export class WsClient extends PlainClient {
  #socket;

  static async connect({ port }) {
    const { WebSocket } = peers("ws");
    const client = new WsClient();
    client.#socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    client.#socket.on("message", (data) => client.arrived(data));
    await new Promise((resolve, reject) => {
      client.#socket.on("open", resolve);
      client.#socket.on("error", reject);
    });
    return client;
  }

  send(data) {
    this.departs();
    this.#socket.send(data);
    return true;
  }

  async close() {
    this.#socket.terminate();
  }
}
