/**
 * Something that can have what its next message needs brought into the caches before the work begins.
 *
 * A message looks at some thirty small objects of its connection. At sixty messages a second, or among thousands of connections,
 * none of them is in the processor's caches, and each is waited for where it is met. So a connection first reads one field of
 * each: none of these reads needs another's result, except for the references on the way, so that the memory is fetched side by
 * side. One field of an object that is smaller than a cache line (64 bytes) is enough.
 *
 * Measured: `docs/performance-notes.md`. It changes nothing but the time, so what is missing here is slower, never wrong.
 */
export interface Prefetchable {
  /** Returns a small integer, for the one reason that the compiler must not leave the reads out. */
  prefetch(): number;
}
