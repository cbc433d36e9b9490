import { surface } from "../application/user-code.ts";

type Listener<Args extends unknown[]> = (...args: Args) => void;

/** Listeners by event name. A listener that throws disturbs neither the others nor the caller: its error surfaces as uncaught. */
export class Emitter<Events extends { [Name in keyof Events]: unknown[] }> {
  /** Made for the first listener: thousands of connections have none. */
  #listeners: { [Name in keyof Events]?: Set<Listener<Events[Name]>> } | undefined;

  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    if (typeof listener !== "function") throw new TypeError("listener must be a function");
    // Without `??=`: the page's client is for Chromium 80, too.
    this.#listeners = this.#listeners ?? {};
    this.#listeners[name] = (this.#listeners[name] ?? new Set()).add(listener);
    return this;
  }

  off<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
    this.#listeners?.[name]?.delete(listener);
    return this;
  }

  /** True where somebody listened. */
  protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): boolean {
    const listeners = this.#listeners?.[name];
    if (!listeners?.size) return false;
    for (const listener of [...listeners]) {
      try {
        listener(...args);
      } catch (error) {
        surface(error);
      }
    }
    return true;
  }
}
