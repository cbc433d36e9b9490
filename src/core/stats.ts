import type { DtlsVersion } from "../dtls/connection.ts";
import type { AssociationStats } from "../sctp/association.ts";

/**
 * - `handshaking`: the path works; DTLS and SCTP are on their way
 * - `connected`: SCTP is up, no data channel yet
 * - `open`: a data channel is open
 */
export type ConnectionState = "handshaking" | "connected" | "open" | "closed";

/** What a connection can tell of itself. */
export interface ConnectionStats {
  readonly state: ConnectionState;
  /** Milliseconds since it began: a server's with the first verified check. */
  readonly ageMs: number;
  readonly dtls: {
    readonly version: DtlsVersion | undefined;
    /** IANA numbers of the cipher suite and of the key exchange's group. */
    readonly cipherSuite: number | undefined;
    readonly group: number | undefined;
    /** The group as IANA names it: `X25519MLKEM768`, `x25519`, `secp256r1`. */
    readonly groupName: string | undefined;
  };
  /** `undefined` before the DTLS handshake is complete. */
  readonly sctp: AssociationStats | undefined;
  readonly messagesReceived: number;
  readonly messagesSent: number;
  /** User data; for text, UTF-16 code units. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
}
