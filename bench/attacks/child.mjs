import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A process that answers calls: `{ id, method, argument }` gives `{ id, result }` or `{ id, error }`. */
export class Child {
  /** Why it ended, once it has. */
  ended;
  #process;
  #calls = new Map();
  #nextId = 1;
  #output = "";

  static async start(file, { args = [], execArgv = [] } = {}) {
    const child = new Child();
    child.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv, silent: true });
    for (const stream of [child.#process.stdout, child.#process.stderr]) {
      stream.on("data", (text) => {
        child.#output = (child.#output + text).slice(-2_000);
      });
    }
    child.#process.on("message", ({ id, result, error }) => child.#answer(id, result, error));
    child.#process.on("exit", (code, signal) => {
      const [error = ""] = /.*Error.*/.exec(child.#output) ?? [];
      child.ended = `${signal ?? `exit code ${code}`} ${error}`.trim();
      for (const id of child.#calls.keys()) child.#answer(id, undefined, `the process ended: ${child.#output}`);
    });
    await new Promise((resolve, reject) => child.#calls.set(0, { resolve, reject }));
    return child;
  }

  async call(method, argument) {
    if (this.ended !== undefined) throw new Error(`the process ended: ${this.ended}`);
    const id = this.#nextId++;
    this.#process.send({ id, method, argument });
    return await new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
  }

  async stop() {
    if (this.ended !== undefined) return;
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await exited;
  }

  #answer(id, result, error) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(error));
  }
}
