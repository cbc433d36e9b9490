import type { Certificate } from "../../../src/dtls/certificate.ts";
import type { DtlsVersion } from "../../../src/dtls/connection.ts";
import type { Random } from "../../sim/random.ts";
import { Party, SERVER_CERTIFICATE } from "../../unit/dtls/support.ts";

const X25519MLKEM768 = 0x11ec;
const X25519 = 0x001d;
const RANDOM_AT = 27;
/** A fatal handshake_failure without protection. */
export const PLAIN_ALERT = Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40);

/** The datagrams of a ClientHello of either version, and of one that takes two. */
const TEMPLATES = ([["1.2"], ["1.3"], ["1.3", "1.2"]] as DtlsVersion[][]).map((versions, i) => {
  const client = new Party({ role: "client", versions, groups: i === 2 ? [X25519MLKEM768, X25519] : [X25519] });
  client.connection.start(0);
  const datagrams = client.take();
  client.connection.close(0);
  return datagrams;
});

/** A ClientHello that no client has sent before, as datagrams. */
export function anyHello(random: Random): Uint8Array[] {
  const [first, ...rest] = TEMPLATES[random.below(TEMPLATES.length)];
  const other = first.slice();
  other.set(random.bytes(32), RANDOM_AT);
  return [other, ...rest];
}

/** What somebody sends who wants hellos to cost much: whole ones, the beginning or the end of one, and alerts. */
export function floodDatagrams(random: Random): Uint8Array[] {
  const hello = anyHello(random);
  if (random.chance(0.1)) return [PLAIN_ALERT];
  if (random.chance(0.2)) return [hello[0]];
  return random.chance(0.1) ? [hello[hello.length - 1]] : hello;
}

/** A server's certificate that counts its signatures. */
export function countingCertificate(): { certificate: Certificate; counts: { signatures: number } } {
  const counts = { signatures: 0 };
  const { der, fingerprintBytes } = SERVER_CERTIFICATE;
  const sign = (data: Uint8Array) => {
    counts.signatures++;
    return SERVER_CERTIFICATE.sign(data);
  };
  return { certificate: { der, fingerprintBytes, sign } as Certificate, counts };
}
