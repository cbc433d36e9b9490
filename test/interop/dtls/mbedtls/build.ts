import { compilePeer } from "../compile.ts";

/** The peer over mbedTLS, 2.28 or later. */
export function buildPeer(): string {
  return compilePeer({
    file: "mbedtls/peer.c",
    options: ["-lmbedtls", "-lmbedx509", "-lmbedcrypto"],
    header: "mbedtls/ssl.h",
    missing: "mbedTLS interoperability needs a C compiler and mbedTLS: apt-get install gcc libmbedtls-dev",
  });
}
