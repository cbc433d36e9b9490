import { Deadlines } from "./deadlines.ts";
import type { Peer } from "./peer.ts";

/** What the connections of one endpoint have before them: a flush, for those touched since the last one, and their deadlines. */
export class Agenda<Connection extends Peer> {
  readonly #deadlines = new Deadlines<Connection>((connection) => connection.nextDeadline);
  /** Two lists in turn, the first `#count` entries of one in use: a list that is made anew has to grow with its first entry. */
  #touched: (Connection | undefined)[] = [];
  #flushed: (Connection | undefined)[] = [];
  #count = 0;

  get needsFlush(): boolean {
    return this.#count > 0;
  }

  /** When `handleTimeout` wants to be called, ms; `Infinity` for never. May be early, never late. */
  get nextDeadline(): number {
    return this.#deadlines.next;
  }

  /** Marks a connection for the next flush, which also looks at its deadline anew. */
  touch(connection: Connection): void {
    if (connection.touched || connection.state === "closed") return;
    connection.touched = true;
    this.#touched[this.#count++] = connection;
  }

  /** Looks at a connection's deadline anew, where nothing needs to be flushed. */
  reschedule(connection: Connection): void {
    if (connection.state !== "closed") this.#deadlines.update(connection);
  }

  handleTimeout(now: number): void {
    for (let due = this.#deadlines.expire(now); due !== undefined; due = this.#deadlines.expire(now)) {
      due.handleTimeout(now);
    }
  }

  flush(now: number): void {
    const touched = this.#touched;
    const count = this.#count;
    this.#touched = this.#flushed;
    this.#flushed = touched;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      const connection = touched[i] as Connection;
      touched[i] = undefined;
      connection.touched = false;
      connection.flush(now);
      this.reschedule(connection);
    }
  }

  /** Forgets a connection that has ended. */
  remove(connection: Connection): void {
    this.#deadlines.remove(connection);
  }
}
