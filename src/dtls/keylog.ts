import { toHex } from "../wire/bytes.ts";

/**
 * Called with each line of a key log in NSS format (the SSLKEYLOGFILE of Wireshark), without line end. Whoever reads
 * these lines can decrypt the connection.
 */
export type KeyLog = (line: string) => void;

/** What a line gives: the master secret of DTLS 1.2 or a secret of DTLS 1.3. */
export type KeyLogLabel =
  | "CLIENT_RANDOM"
  | "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
  | "SERVER_HANDSHAKE_TRAFFIC_SECRET"
  | "CLIENT_TRAFFIC_SECRET_0"
  | "SERVER_TRAFFIC_SECRET_0"
  | "EXPORTER_SECRET";

/** `CLIENT_RANDOM <client random> <master secret>`, and the like. */
export function keyLogLine(label: KeyLogLabel, clientRandom: Uint8Array, secret: Uint8Array): string {
  return `${label} ${toHex(clientRandom)} ${toHex(secret)}`;
}
