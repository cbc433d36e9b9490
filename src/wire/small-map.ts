/**
 * A `Map` for what nearly always has one entry or none: a connection's channels, their streams. An empty `Map` takes 184 bytes
 * and a look into it a hash; this takes 48, and a comparison. From the second entry on it is a `Map`, until it is empty again.
 */
export class SmallMap<Key extends number | string, Value> {
  #key: Key | undefined;
  #value: Value | undefined;
  #map: Map<Key, Value> | undefined;

  get size(): number {
    if (this.#map !== undefined) return this.#map.size;
    return this.#key === undefined ? 0 : 1;
  }

  get(key: Key): Value | undefined {
    if (this.#map !== undefined) return this.#map.get(key);
    return this.#key === key ? this.#value : undefined;
  }

  has(key: Key): boolean {
    return this.#map === undefined ? this.#key === key : this.#map.has(key);
  }

  set(key: Key, value: Value): void {
    if (this.#map !== undefined) {
      this.#map.set(key, value);
    } else if (this.#key === undefined || this.#key === key) {
      this.#key = key;
      this.#value = value;
    } else {
      this.#map = new Map([
        [this.#key, this.#value as Value],
        [key, value],
      ]);
      this.#key = undefined;
      this.#value = undefined;
    }
  }

  /** False where it was not there. */
  delete(key: Key): boolean {
    if (this.#map !== undefined) {
      const was = this.#map.delete(key);
      if (this.#map.size === 0) this.#map = undefined;
      return was;
    }
    if (this.#key !== key) return false;
    this.clear();
    return true;
  }

  clear(): void {
    this.#key = undefined;
    this.#value = undefined;
    this.#map = undefined;
  }

  /** In the order in which they were set first; a copy, so that it may change meanwhile. */
  keys(): Key[] {
    if (this.#map !== undefined) return [...this.#map.keys()];
    return this.#key === undefined ? [] : [this.#key];
  }

  /** As {@link keys}. */
  values(): Value[] {
    if (this.#map !== undefined) return [...this.#map.values()];
    return this.#key === undefined ? [] : [this.#value as Value];
  }
}
