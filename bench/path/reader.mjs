const LINE_WORDS = 8;

/** Reads as many megabytes as are given, one word a line: other work, for whose data and code the caches are needed. */
export function reader(megabytes) {
  const words = new Float64Array((megabytes * 1_048_576) / 8);
  let sum = 0;
  return () => {
    for (let i = 0; i < words.length; i += LINE_WORDS) sum += words[i]++;
    return sum;
  };
}
