import { createSocket } from "node:dgram";
import { type AddressInfo, createServer } from "node:net";

/** A port that was free a moment ago for UDP, and one for TCP: among those of clients' connections not the same ones are. */
export async function freePorts(): Promise<{ UDP_PORT: string; HTTP_PORT: string }> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const ports = {
    UDP_PORT: String(socket.address().port),
    HTTP_PORT: String((listener.address() as AddressInfo).port),
  };
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  await new Promise<unknown>((resolve) => listener.close(resolve));
  return ports;
}
