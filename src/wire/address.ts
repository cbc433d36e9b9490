/** A UDP endpoint: an IP address in text form (IPv4 dotted, IPv6 without brackets) and a port. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
  /**
   * Which of our own addresses the datagrams come to, by a number of the socket's owner from 0 to 63: answers leave from there
   * (RFC 8445 §7.3). Two paths that differ in it alone are two. Absent where there is only one of our own.
   */
  readonly via?: number | undefined;
}

export function isIpv6(address: string): boolean {
  return address.includes(":");
}

export function isSameAddress(a: SocketAddress, b: SocketAddress): boolean {
  // Nearly always it is one object: that spares a look at the text.
  return a === b || (a.port === b.port && a.address === b.address && a.via === b.via);
}

/** `203.0.113.7:42424` or `[2001:db8::1]:42424`. */
export function formatAddress(at: SocketAddress): string {
  return isIpv6(at.address) ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`;
}

/** The 4 or 16 bytes of an IP address; `undefined` where the text is not one. A zone (`%eth0`) is left out. */
export function addressBytes(address: string): Uint8Array | undefined {
  if (isIpv6(address)) return ipv6Bytes(address);
  const bytes = new Uint8Array(4);
  return writeIpv4(address, bytes, 0) ? bytes : undefined;
}

/** Writes the 4 or 16 bytes of an IP address to `at`. False where the text is not one. */
export function writeAddress(address: string, bytes: Uint8Array, at: number): boolean {
  if (!isIpv6(address)) return writeIpv4(address, bytes, at);
  const found = ipv6Bytes(address);
  if (found === undefined) return false;
  bytes.set(found, at);
  return true;
}

/** The text of 4 or 16 address bytes (IPv6 in full, uncompressed groups). */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] << 8) | bytes[i + 1]).toString(16));
  return groups.join(":");
}

/** Behind these 96 bits, as {@link addressText} writes them, stands an IPv4 address or a small number. */
const MAPPED_PREFIX = "0:0:0:0:0:ffff:";
const UNASSIGNED_PREFIX = "0:0:0:0:0:0:";
/** Of translators: RFC 6052 §2.1. */
const TRANSLATED_PREFIX = "64:ff9b:0:0:0:0:";

/**
 * How many times the share of a single address each of its blocks may hold, the narrowest first: an IPv4 address or /64, a /56 and a
 * /48. Wider blocks have more people behind them, but not that many more.
 */
export const BLOCK_WEIGHTS: readonly number[] = [1, 2, 4];

/**
 * The blocks that an address is part of, the narrowest first: itself for IPv4, however it is spelled, and its /64, /56 and /48 for
 * IPv6, since a subscriber may have been given any of these, and any host takes as many addresses of a /64 as it likes. Where an IPv4
 * address or a small number stands at the end (`::/96`, `::ffff:0:0/96`, `64:ff9b::/96`) all of it counts. Empty where the text is not
 * an address.
 */
export function addressBlocks(address: string): string[] {
  const bytes = addressBytes(address);
  if (bytes === undefined) return [];
  const text = addressText(bytes);
  if (bytes.length === 4) return [text];
  if (text.startsWith(MAPPED_PREFIX)) return [addressText(bytes.subarray(12))];
  if (text.startsWith(UNASSIGNED_PREFIX) || text.startsWith(TRANSLATED_PREFIX)) return [text];
  const [first, second, third, fourth] = text.split(":", 4);
  const site = `${first}:${second}:${third}:`;
  return [`${site}${fourth}::/64`, `${site}${(bytes[6] << 8).toString(16)}::/56`, `${site}:/48`];
}

/** `::ffff:192.0.2.1`, as a dual-stack socket reports an IPv4 sender, becomes `192.0.2.1`. */
export function unmapAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

const DOT = 0x2e;
const DIGIT_0 = 0x30;

/** Character by character, since each check asks for it. */
function writeIpv4(address: string, bytes: Uint8Array, at: number): boolean {
  const last = at + 3;
  let value = 0;
  let digits = 0;
  for (let i = 0; i < address.length; i++) {
    const digit = address.charCodeAt(i) - DIGIT_0;
    if (digit === DOT - DIGIT_0 && digits > 0 && at < last) {
      bytes[at++] = value;
      value = digits = 0;
    } else if (digit >= 0 && digit <= 9 && digits < 3) {
      value = 10 * value + digit;
      digits++;
      if (value > 255) return false;
    } else return false;
  }
  bytes[last] = value;
  return digits > 0 && at === last;
}

function ipv6Bytes(address: string): Uint8Array | undefined {
  let text = address.split("%", 1)[0];
  const bytes = new Uint8Array(16);
  let end = 16;
  const dotted = text.lastIndexOf(":") + 1;
  if (text.includes(".", dotted)) {
    if (!writeIpv4(text.slice(dotted), bytes, 12)) return undefined;
    end = 12;
    text = text.slice(0, dotted).replace(/([^:]):$/, "$1");
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = halves[0] === "" ? [] : halves[0].split(":");
  const tail = halves.length === 1 || halves[1] === "" ? [] : halves[1].split(":");
  const groups = end / 2;
  if (halves.length === 1 ? head.length !== groups : head.length + tail.length >= groups) return undefined;
  if (![...head, ...tail].every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  head.forEach((group, i) => {
    writeGroup(bytes, 2 * i, group);
  });
  tail.forEach((group, i) => {
    writeGroup(bytes, end - 2 * (tail.length - i), group);
  });
  return bytes;
}

function writeGroup(bytes: Uint8Array, at: number, group: string): void {
  const value = Number.parseInt(group, 16);
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}
