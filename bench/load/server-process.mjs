/** A server under test: its process, what the driver may ask of it, and how a client connects to it. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { BareClient, WsClient } from "./plain-clients.mjs";
import { RtcClient } from "./rtc-client.mjs";

const START_TIMEOUT_MS = 10_000;
const folder = new URL("../servers/", import.meta.url);

export class ServerProcess {
  #child;
  #calls = new Map();
  #nextCall = 0;
  #connect;

  /**
   * @param {string} name a file in `bench/servers`, without its ending
   * @param {{ execArgv?: string[], env?: Record<string, string> }} [options]
   */
  static async start(name, { execArgv = [], env = {} } = {}) {
    const server = new ServerProcess();
    server.name = name;
    server.#child = fork(fileURLToPath(new URL(`${name}.mjs`, folder)), [], {
      execArgv,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    server.#child.on("exit", () => server.#fail(new Error(`${name} has ended`)));
    await server.#ready();
    server.#connect = await server.#connector();
    return server;
  }

  /** A connected client. */
  connect() {
    return this.#connect();
  }

  async connectMany(count, concurrency = 8) {
    const clients = [];
    let started = 0;
    const worker = async () => {
      while (started < count) {
        started++;
        clients.push(await this.connect());
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
    return clients;
  }

  call(method, ...args) {
    const id = this.#nextCall++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#child.send({ id, method, args });
    });
  }

  /** CPU time of the server's process since its start, microseconds. */
  async cpuUs() {
    const { user, system } = await this.call("cpu");
    return user + system;
  }

  /** Lets the process end by itself, so that it can write its profile; after a second it is ended. */
  async stop() {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.connected) this.#child.disconnect();
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(killer);
  }

  #ready() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} does not start`)), START_TIMEOUT_MS);
      this.#child.once("exit", (code) => reject(new Error(`${this.name} ended at once with code ${code}`)));
      this.#child.on("message", (message) => {
        if (message.ready) {
          clearTimeout(timer);
          resolve();
          return;
        }
        const call = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        if (message.error !== undefined) call?.reject(new Error(`${this.name}: ${message.error}`));
        else call?.resolve(message.result);
      });
    });
  }

  async #connector() {
    if (this.name === "bare" || this.name === "ws") {
      const address = await this.call("address");
      return () => (this.name === "ws" ? WsClient : BareClient).connect(address);
    }
    return () => RtcClient.connect((offer) => this.call("answer", offer));
  }

  #fail(error) {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}
