/** Kernels beside node:crypto and @noble/ciphers. */
import { primitives, printPrimitives } from "../primitive/index.mjs";

export async function run({ quick, results }) {
  const found = await primitives(quick ? { rounds: 3, timeMs: 8 } : { rounds: 7, timeMs: 12 });
  printPrimitives(found);
  for (const { implementation, bytes, sealNs, openNs, overNodeCrypto } of found.records) {
    results.add(`record ${bytes} B`, implementation, { sealNs, openNs, overNodeCrypto });
  }
  for (const { keys, sealNs, overOneKey } of found.rotation) results.add("keys", String(keys), { sealNs, overOneKey });
  for (const { implementation, bytes, ns, overTable } of found.checksums) {
    results.add(`crc32c ${bytes} B`, implementation, { ns, overTable });
  }
  for (const { primitive, ns } of found.others) results.add("primitive", primitive, { ns });
}
