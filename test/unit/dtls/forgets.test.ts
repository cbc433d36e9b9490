import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import type { DtlsVersion } from "../../../src/dtls/connection.ts";
import { bytes, exchange, Party } from "./support.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

it.each([
  ["1.2", true],
  ["1.2", false],
  ["1.3", true],
  ["1.3", false],
] as const)("a %s connection, compact: %s, lets go of what only its handshake needed", async (version, compact) => {
  const { pair, certificate, judge } = connect(version, compact);
  await nextTurn();
  collectGarbage();
  expect(judge.deref()).toBeUndefined();
  expect(certificate.deref() === undefined).toBe(compact);
  expect(pair.map(({ connection }) => connection.state)).toEqual(["connected", "connected"]);
});

/** In a function of its own, so that nothing but the connection holds on to what it was given. */
function connect(version: DtlsVersion, compact: boolean) {
  let certificate: WeakRef<ArrayBufferLike> | undefined;
  const verifyPeerCertificate = (der: Uint8Array) => {
    certificate = new WeakRef(der.buffer);
    return true;
  };
  const judge = new WeakRef(verifyPeerCertificate);
  const client = new Party({ role: "client", versions: [version] });
  const server = new Party({ role: "server", versions: [version], compact, verifyPeerCertificate });
  client.connection.start(0);
  exchange(client, server);
  // The server of DTLS 1.2 keeps its last flight until it hears that it came.
  client.connection.send(1, bytes("it did"));
  exchange(client, server, 1);
  return { pair: [client, server], certificate: certificate!, judge };
}
