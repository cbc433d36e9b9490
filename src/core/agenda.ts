import { Deadlines } from "./deadlines.ts";
import type { Peer } from "./peer.ts";

/** What the connections of one endpoint have before them: a flush, for those touched since the last one, and their deadlines. */
export class Agenda<Connection extends Peer> {
  readonly #deadlines = new Deadlines<Connection>((connection) => connection.nextDeadline);
  #touched: Connection[] = [];

  get needsFlush(): boolean {
    return this.#touched.length > 0;
  }

  /** When `handleTimeout` wants to be called, ms; `Infinity` for never. May be early, never late. */
  get nextDeadline(): number {
    return this.#deadlines.next;
  }

  /** Marks a connection for the next flush, which also looks at its deadline anew. */
  touch(connection: Connection): void {
    if (connection.touched || connection.state === "closed") return;
    connection.touched = true;
    this.#touched.push(connection);
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
    this.#touched = [];
    for (const connection of touched) {
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
