import { compilePeer } from "../compile.ts";

/** The peer over wolfSSL, 5.5 or later. */
export function buildPeer(): string {
  return compilePeer({
    file: "wolfssl/peer.c",
    options: ["-lwolfssl"],
    header: "wolfssl/options.h",
    missing: "wolfSSL interoperability needs a C compiler and wolfSSL: apt-get install gcc libwolfssl-dev",
  });
}
