/**
 * What it costs an endpoint to answer a connectivity check, in memory, without sockets: in a loop, and where other work has pushed
 * code and data out of the caches before each. Prints one line of JSON per case: ns per check.
 *
 *   node bench/path/check.mjs [CHECKS] [MEGABYTES …]
 */
import { Endpoint } from "../../build/core/server-endpoint.js";
import { Certificate } from "../../build/dtls/certificate.js";
import { resolveLimits } from "../../build/server/options.js";
import { ControllingIce } from "../load/ice.mjs";
import { random } from "./memory-client.mjs";
import { reader } from "./reader.mjs";

const CLIENTS = 200;
const WARM_UP = 40_000;
const NOW = 1_000;

let answers = 0;
const certificate = Certificate.generate();
const limits = resolveLimits({ maxHandshakes: CLIENTS });
const endpoint = new Endpoint(
  { certificate, limits, random },
  { transmit: () => answers++, opened() {}, message() {}, closed() {} },
);
const clients = Array.from({ length: CLIENTS }, (_, i) => {
  const ice = new ControllingIce();
  const description = {
    ufrag: ice.ufrag,
    fingerprint: certificate.fingerprintBytes,
    sctpPort: 5000,
    maxMessageBytes: 0,
  };
  const session = endpoint.createSession(NOW, description);
  ice.setRemote({ ufrag: session.localUfrag, pwd: session.localPwd });
  return { source: { address: `10.0.3.${i}`, port: 10_000 + i }, check: ice.check() };
});

function answer(i) {
  const { source, check } = clients[i % CLIENTS];
  endpoint.handleDatagram(NOW, source, check);
}

function timed(work) {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}

for (let i = 0; i < WARM_UP; i++) answer(i);
const [checks = "2000", ...sizes] = process.argv.slice(2);
for (const megabytes of sizes.length > 0 ? sizes.map(Number) : [0, 4]) {
  const found = [];
  const between = megabytes === 0 ? undefined : reader(megabytes);
  for (let i = 0; i < Number(checks); i++) {
    if (between === undefined) {
      found.push(timed(() => Array.from({ length: 20 }, (_, n) => answer(20 * i + n))) / 20);
    } else {
      between();
      found.push(timed(() => answer(i)));
    }
  }
  found.sort((a, b) => a - b);
  const at = (share) => Math.round(found[Math.floor(share * (found.length - 1))]);
  console.log(JSON.stringify({ megabytes, medianNs: at(0.5), from: at(0.25), to: at(0.75) }));
}
if (answers === 0) throw new Error("no check was answered");
