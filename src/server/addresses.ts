import { conditionUdp } from "../runtime/conditioner.ts";
import { openEveryAddress } from "../runtime/every-address.ts";
import { interfaceAddresses, openUdp } from "../runtime/index.ts";
import type { OpenUdp, SendMemory, UdpSocket } from "../runtime/udp.ts";
import { isIpv6, type SocketAddress } from "../wire/address.ts";
import { type Limits, type ListenOptions, parsePublicAddress } from "./options.ts";

/** Binds what the options say; without an address `::`, or `0.0.0.0` on a machine without IPv6. */
export async function openSocket(
  { address, port = 0, publicAddresses = [], conditioner }: ListenOptions,
  limits: Limits,
  onDatagram: (datagram: Uint8Array, source: SocketAddress) => void,
  memory: SendMemory,
): Promise<UdpSocket> {
  const udp = { port, bufferBytes: limits.socketBufferBytes, memory };
  const conditioned = (open: OpenUdp) => (conditioner === undefined ? open : conditionUdp(open, conditioner));
  const open = (bound: string) => {
    const addresses = ownAddresses(bound, publicAddresses);
    const opener = addresses.length === 0 ? openUdp : openEveryAddress(openUdp, addresses);
    return conditioned(opener)({ address: bound, ...udp }, onDatagram);
  };
  if (address !== undefined) return open(address);
  try {
    return await open("::");
  } catch (error) {
    if ((error as { code?: string }).code !== "EAFNOSUPPORT") throw error;
    return open("0.0.0.0");
  }
}

/** What answers announce as candidates: what was given, or where the socket is reached. */
export function announcedAddresses(given: readonly string[] | undefined, bound: SocketAddress): SocketAddress[] {
  if (given !== undefined) return given.map((text) => parsePublicAddress(text, bound.port));
  const own = ownAddresses(bound.address, []);
  return own.length === 0 ? [bound] : own.map((address) => ({ address, port: bound.port }));
}

/** The addresses of this machine that a socket is reached at, the announced ones first. Empty where it is bound to a single one. */
function ownAddresses(bound: string, announced: readonly string[]): string[] {
  if (bound !== "::" && bound !== "0.0.0.0") return [];
  const own = interfaceAddresses().filter((address) => bound === "::" || !isIpv6(address));
  const first = announced.map((text) => parsePublicAddress(text, 1).address);
  return [...own.filter((address) => first.includes(address)), ...own.filter((address) => !first.includes(address))];
}
