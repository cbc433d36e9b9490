/**
 * The versions of DTLS that servers of the tests accept: all, unless the environment says otherwise. `npm run test:dtls12` runs the
 * suites that meet real or simulated browsers once more with `DTLS_VERSIONS=1.2`.
 */
import type { DtlsVersion } from "../../src/dtls/connection.ts";

export const DTLS_VERSIONS: readonly DtlsVersion[] = (process.env.DTLS_VERSIONS?.split(",") as DtlsVersion[]) ?? [
  "1.3",
  "1.2",
];
