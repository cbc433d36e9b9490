import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "./child.mjs";

const SAMPLE_MS = 250;
const SETTLE_MS = 300;

/** A server and its honest client. */
export class Bench {
  hasRestarted = false;
  startWeight;
  #mode;
  #ms;
  #bytes;
  #server;
  #victim;
  /** Opens while the attack lasts; apart from the other, whose round trips that would change. */
  #newcomer;
  #addresses;

  /** @param options `ms` of an attack; `bytes` a second, the attacker's */
  static async start(mode, { ms, bytes }) {
    const bench = new Bench();
    bench.#mode = mode;
    bench.#ms = ms;
    bench.#bytes = bytes;
    await bench.#begin();
    return bench;
  }

  get isAlive() {
    return this.#server.ended === undefined;
  }

  async restart() {
    await this.stop();
    await this.#begin();
    this.hasRestarted = true;
    this.startWeight = await this.weigh();
  }

  async weigh() {
    return await this.#server.call("collect");
  }

  /** The honest client alone, and then beside the attack. Has `ended` where the server did not outlive it. */
  async run(attack) {
    try {
      return await this.#run(attack);
    } catch (error) {
      if (this.isAlive) return { failure: String(error).slice(0, 300) };
      return { ended: this.#server.ended };
    }
  }

  async stop() {
    await this.#victim.stop();
    await this.#newcomer.stop();
    await this.#server.stop();
  }

  async #begin() {
    this.#server = await Child.start("server.mjs", {
      args: [JSON.stringify({ mode: this.#mode })],
      execArgv: ["--expose-gc"],
    });
    this.#addresses = await this.#server.call("addresses");
    this.#victim = await Child.start("victim.mjs");
    await this.#victim.call("start", this.#addresses.url);
    this.#newcomer = await Child.start("victim.mjs");
    await this.#newcomer.call("open", this.#addresses.url);
    await this.#victim.call("measure", 1_000); // What is compiled once for all.
  }

  async #run(attack) {
    const attacker = await Child.start("attacker.mjs");
    try {
      const { name } = attack;
      const { newcomerUrl = this.#addresses.url } = await attacker.call("prepare", {
        name,
        ...this.#addresses,
        bytesPerSecond: this.#bytes,
      });
      await this.#reopen();
      const idle = await this.#victim.call("measure", this.#ms / 2);
      const memoryBefore = (await this.#server.call("usage")).used;
      const during = await this.#attack(attacker, newcomerUrl);
      await sleep(SETTLE_MS);
      const memoryAfter = (await this.weigh()).used;
      return { idle, ...during, memoryBefore, memoryAfter };
    } finally {
      await attacker.stop();
    }
  }

  async #attack(attacker, newcomerUrl) {
    const before = await this.#server.call("usage");
    const start = performance.now();
    const [attack, attacked, peak, openMs] = await Promise.all([
      attacker.call("run", this.#ms),
      this.#victim.call("measure", this.#ms),
      this.#samplePeak(start + this.#ms),
      sleep(this.#ms / 2).then(() => this.#newcomer.call("open", newcomerUrl)),
    ]);
    const { cpuMs } = await this.#server.call("usage");
    const serverCpu = (cpuMs - before.cpuMs) / (performance.now() - start);
    return { attack, attacked, peak, openMs, serverCpu };
  }

  /** The most that the server has in use, garbage included. */
  async #samplePeak(end) {
    let peak = 0;
    while (performance.now() < end) {
      peak = Math.max(peak, (await this.#server.call("usage")).used);
      await sleep(SAMPLE_MS);
    }
    return peak;
  }

  /** Where an attack has ended the honest client's connection, the next one finds another. */
  async #reopen() {
    const { state } = await this.#victim.call("measure", 1);
    if (state !== "open") await this.#victim.call("start", this.#addresses.url);
  }
}
