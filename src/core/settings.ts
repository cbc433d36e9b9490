import type { ChannelOptions } from "../channel/channels.ts";
import type { RandomSource } from "../crypto/platform.ts";
import type { Certificate } from "../dtls/certificate.ts";
import type { DtlsVersion } from "../dtls/connection.ts";
import type { Names } from "../application/names.ts";
import type { AssociationLimits, EndpointLimits } from "../limits.ts";

/** What signalling says of the peer. */
export interface PeerDescription {
  /** SHA-256 over the peer's certificate, 32 bytes (RFC 8122 §5). */
  readonly fingerprint: Uint8Array;
  /** The peer's SCTP port (RFC 8841 §5); 5000 in both browsers. */
  readonly sctpPort: number;
  /** Largest message the peer takes, in bytes; 0 for no limit (RFC 8841 §6). */
  readonly maxMessageBytes: number;
  /** The peer's SCTP INIT chunk, where it came by signalling (`a=sctp-init`). */
  readonly sctpInit?: Uint8Array | undefined;
}

/** A data channel that both sides know beforehand: the `id` and the options of the page's `createDataChannel`. */
export interface NegotiatedChannel extends Omit<ChannelOptions, "negotiated"> {
  readonly label: string;
  readonly id: number;
}

/** What this side is and allows. */
export interface PeerSettings {
  certificate: Certificate;
  limits: EndpointLimits & AssociationLimits;
  random: RandomSource;
  /** Channels that pages create with `negotiated: true`: open on every connection as soon as SCTP is up. Default: none. */
  negotiatedChannels?: readonly NegotiatedChannel[] | undefined;
  /** Versions of DTLS, the preferred first. Default: 1.3, then 1.2. */
  dtlsVersions?: readonly DtlsVersion[] | undefined;
  /** Receives NSS key log lines (for Wireshark). Default: none. */
  keyLog?: ((line: string) => void) | undefined;
}

/** The names of a `PeerSettings`. */
export const PEER_SETTINGS: Names<PeerSettings> = {
  certificate: true,
  limits: true,
  random: true,
  negotiatedChannels: true,
  dtlsVersions: true,
  keyLog: true,
};
