/** Half-open ranges of bytes, sorted and disjoint, flat: start, end, start, end … */
export type Ranges = number[];

/** Adds [start, end), joining what touches. False, and nothing added, where there would be more than `limit` ranges. */
export function addRange(ranges: Ranges, start: number, end: number, limit: number): boolean {
  if (start === end) return true;
  let i = 0;
  while (i < ranges.length && ranges[i + 1] < start) i += 2;
  let covered = i;
  let from = start;
  let to = end;
  while (covered < ranges.length && ranges[covered] <= end) {
    from = Math.min(from, ranges[covered]);
    to = Math.max(to, ranges[covered + 1]);
    covered += 2;
  }
  if (covered === i && ranges.length >= 2 * limit) return false;
  ranges.splice(i, covered - i, from, to);
  return true;
}

/** True where all of [0, length) is there. */
export function coversAll(ranges: Ranges, length: number): boolean {
  return length === 0 || (ranges[0] === 0 && ranges[1] === length);
}

/** The first stretch of [from, length) that is missing, or `undefined`. */
export function nextGap(ranges: Ranges, from: number, length: number): [number, number] | undefined {
  let start = from;
  for (let i = 0; i < ranges.length; i += 2) {
    if (start < ranges[i]) return [start, ranges[i]];
    if (start < ranges[i + 1]) start = ranges[i + 1];
  }
  return start < length ? [start, length] : undefined;
}
