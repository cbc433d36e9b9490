/** Worker threads that each serve one UDP port with the same certificate; sessions are dealt out in turn. */
import { Worker } from "node:worker_threads";
import { Certificate } from "webrtc-datagram";

export class WorkerPool {
  #workers = [];
  #waiting = new Map();
  #next = 0;

  /**
   * @param {number} count threads, one core each
   * @param {number} firstPort UDP port of the first one, those of the others follow; 0 for any free ports
   */
  static async start(count, firstPort) {
    const pool = new WorkerPool();
    const certificate = Certificate.generate().toPem();
    for (let i = 0; i < count; i++) {
      const workerData = { certificate, port: firstPort === 0 ? 0 : firstPort + i };
      const worker = new Worker(new URL("worker.mjs", import.meta.url), { workerData });
      worker.on("message", (message) => pool.#settle(message));
      await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
      pool.#workers.push(worker);
    }
    return pool;
  }

  /** The answer of the worker whose turn it is. Rejects with one sentence where the offer is no good. */
  answer(offer) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#workers[id % this.#workers.length].postMessage({ id, offer });
    });
  }

  async close() {
    for (const worker of this.#workers) worker.postMessage("close");
    await Promise.all(this.#workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve))));
  }

  #settle({ id, session, error }) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error !== undefined) waiting?.reject(new Error(error));
    else waiting?.resolve(session);
  }
}
