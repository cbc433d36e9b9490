/** Buckets per power of two: a value is known to 1.6 %. */
const STEPS = 64;
const LINEAR_LIMIT = 2 * STEPS;
const BUCKETS = 27 * STEPS;
const MAX_MICROSECONDS = 0x7fff_ffff;

/** What is said of many durations. Milliseconds; NaN where there was none. */
export interface Quantiles {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Durations by frequency, in bounded memory however many there are: linear up to 128 µs, logarithmic beyond. */
export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #max = Number.NaN;

  get count(): number {
    return this.#count;
  }

  record(milliseconds: number): void {
    const microseconds = Math.min(Math.max(0, Math.round(1_000 * milliseconds)), MAX_MICROSECONDS);
    this.#buckets[bucketOf(microseconds)]++;
    this.#count++;
    this.#sum += milliseconds;
    if (!(milliseconds <= this.#max)) this.#max = milliseconds;
  }

  add(other: Histogram): void {
    for (let i = 0; i < BUCKETS; i++) this.#buckets[i] += other.#buckets[i];
    this.#count += other.#count;
    this.#sum += other.#sum;
    if (!(other.#max <= this.#max) && other.#count > 0) this.#max = other.#max;
  }

  /** The value that this share of all values does not exceed, 0 … 1; milliseconds. */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN;
    let remaining = Math.max(1, Math.ceil(share * this.#count));
    for (let i = 0; i < BUCKETS; i++) {
      remaining -= this.#buckets[i];
      if (remaining <= 0) return Math.min(middleOf(i) / 1_000, this.#max);
    }
    return this.#max;
  }

  quantiles(): Quantiles {
    return {
      count: this.#count,
      mean: this.#sum / this.#count,
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p99: this.quantile(0.99),
      p999: this.quantile(0.999),
      max: this.#max,
    };
  }
}

function bucketOf(microseconds: number): number {
  if (microseconds < LINEAR_LIMIT) return microseconds;
  const exponent = 25 - Math.clz32(microseconds); // So that the shifted value is 64 … 127.
  return (exponent + 1) * STEPS + ((microseconds >>> exponent) - STEPS);
}

function middleOf(bucket: number): number {
  if (bucket < LINEAR_LIMIT) return bucket;
  const exponent = Math.floor(bucket / STEPS) - 1;
  return (STEPS + (bucket % STEPS) + 0.5) * 2 ** exponent;
}
