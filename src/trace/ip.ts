import { addressBytes, type SocketAddress } from "../wire/address.ts";
import { ByteWriter } from "../wire/bytes.ts";

const PROTOCOL_UDP = 17;
const HOP_LIMIT = 64;
const DO_NOT_FRAGMENT = 0x4000;
const IPV4_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;

/** A datagram with the IP and UDP headers that it has on its way, as far as they are known here. Checksums are right. */
export function ipPacket(from: SocketAddress, to: SocketAddress, datagram: Uint8Array): Uint8Array {
  const [source, destination] = sameFamily(bytesOf(from), bytesOf(to));
  const udp = udpDatagram(source, destination, [from.port, to.port], datagram);
  const isIpv4 = source.length === 4;
  const header = isIpv4 ? ipv4Header(source, destination, udp.length) : ipv6Header(source, destination, udp.length);
  return new ByteWriter(header.length + udp.length).bytes(header).bytes(udp).finish();
}

/** RFC 791 §3.1. */
function ipv4Header(source: Uint8Array, destination: Uint8Array, payloadBytes: number): Uint8Array {
  const write = (checksum: number) =>
    new ByteWriter(IPV4_HEADER_BYTES)
      .u16(0x4500)
      .u16(IPV4_HEADER_BYTES + payloadBytes)
      .u16(0)
      .u16(DO_NOT_FRAGMENT)
      .u16((HOP_LIMIT << 8) | PROTOCOL_UDP)
      .u16(checksum)
      .bytes(source)
      .bytes(destination)
      .finish();
  return write(internetChecksum(write(0)));
}

/** RFC 8200 §3. */
function ipv6Header(source: Uint8Array, destination: Uint8Array, payloadBytes: number): Uint8Array {
  const lengths = new ByteWriter(40).u32(0x6000_0000).u16(payloadBytes).u8(PROTOCOL_UDP).u8(HOP_LIMIT);
  return lengths.bytes(source).bytes(destination).finish();
}

/** RFC 768; the checksum covers the addresses, too. */
function udpDatagram(
  source: Uint8Array,
  destination: Uint8Array,
  [from, to]: readonly [number, number],
  datagram: Uint8Array,
): Uint8Array {
  const length = UDP_HEADER_BYTES + datagram.length;
  const write = (checksum: number) =>
    new ByteWriter(length).u16(from).u16(to).u16(length).u16(checksum).bytes(datagram).finish();
  const pseudo = new ByteWriter(40 + length).bytes(source).bytes(destination).u16(PROTOCOL_UDP).u16(length);
  // "If the computed checksum is zero, it is transmitted as all ones".
  return write(internetChecksum(pseudo.bytes(write(0)).finish()) || 0xffff);
}

/** RFC 1071: the complement of the sum of 16-bit words in one's complement. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (i + 1 < bytes.length ? bytes[i + 1] : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** All zeros where it is none. */
function bytesOf({ address }: SocketAddress): Uint8Array {
  return addressBytes(address) ?? new Uint8Array(4);
}

/** A socket that is bound to `::` also has peers with IPv4: then its own address is unknown in that family as well. */
function sameFamily(a: Uint8Array, b: Uint8Array): readonly [Uint8Array, Uint8Array] {
  if (a.length === b.length) return [a, b];
  const isUnknown = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);
  if (isUnknown(a)) return [new Uint8Array(b.length), b];
  if (isUnknown(b)) return [a, new Uint8Array(a.length)];
  return [toIpv6(a), toIpv6(b)];
}

/** RFC 4291 §2.5.5.2: `::ffff:a.b.c.d`. */
function toIpv6(address: Uint8Array): Uint8Array {
  if (address.length === 16) return address;
  const mapped = new Uint8Array(16).fill(0xff, 10, 12);
  mapped.set(address, 12);
  return mapped;
}
