/**
 * The attacker, in a process of its own. It gets ready (sessions, connections, datagrams), then attacks for as long as it is told, and
 * says how many bytes that took and how busy its processor was. Calls as in `server.mjs`.
 */
import { findAttack } from "./kinds/index.mjs";
import { Rate } from "./rate.mjs";

let attack;
let rate;

const methods = {
  async prepare({ name, url, udpPort, bytesPerSecond }) {
    rate = new Rate(bytesPerSecond);
    const kind = findAttack(name);
    attack = await kind.prepare({ url, to: { address: "127.0.0.1", port: udpPort }, rate });
    return { newcomerUrl: attack.newcomerUrl };
  },
  async run(ms) {
    const before = process.cpuUsage();
    const start = performance.now();
    rate.start(start + ms);
    let failure;
    try {
      await attack.run();
    } catch (error) {
      failure = String(error);
    }
    const took = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    return {
      cpu: (user + system) / 1000 / took,
      bytesPerSecond: (1000 * rate.bytes) / took,
      sends: rate.sends,
      failure,
    };
  },
};
process.on("message", async ({ id, method, argument }) => {
  try {
    process.send({ id, result: await methods[method](argument) });
  } catch (error) {
    process.send({ id, error: error instanceof Error ? error.stack : String(error) });
  }
});
process.on("disconnect", () => process.exit(0));
process.on("unhandledRejection", () => {}); // A server that closes its connections is what many attacks bring about.
process.send({ id: 0 });
