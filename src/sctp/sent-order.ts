import type { SentChunk } from "./outstanding.ts";

/** The chunks in flight in the order in which they were sent last, so that what is oldest is found without a look at the rest. */
export class SentOrder {
  oldest: SentChunk | undefined;
  newest: SentChunk | undefined;

  append(chunk: SentChunk): void {
    chunk.older = this.newest;
    if (this.newest === undefined) this.oldest = chunk;
    else this.newest.newer = chunk;
    this.newest = chunk;
  }

  remove(chunk: SentChunk): void {
    const { older, newer } = chunk;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    chunk.older = undefined;
    chunk.newer = undefined;
  }
}
