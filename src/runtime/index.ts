/** The UDP socket of whichever runtime this is. Found out by features: no module of one runtime is imported in another. */
import { bunRuntime, openUdp as openBunUdp } from "./bun.ts";
import { denoRuntime, openUdp as openDenoUdp } from "./deno.ts";
import { openUdp as openNodeUdp } from "./node.ts";
import type { OpenUdp } from "./udp.ts";

export { sslKeyLog } from "./key-log.ts";
export { interfaceAddresses } from "./node.ts";
export type { DatagramHandler, OpenUdp, SendMemory, UdpOptions, UdpSocket } from "./udp.ts";

/** Binds a UDP socket with what this runtime is best at: `Bun.udpSocket`, `Deno.listenDatagram`, or `node:dgram`. */
export const openUdp: OpenUdp = (options, onDatagram) => {
  if (bunRuntime() !== undefined) return openBunUdp(options, onDatagram);
  // Deno has it behind --unstable-net only; without the flag its node:dgram serves.
  if (denoRuntime() !== undefined) return openDenoUdp(options, onDatagram);
  return openNodeUdp(options, onDatagram);
};
