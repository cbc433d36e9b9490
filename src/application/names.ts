/** The names that an object of this type may have. All of them, so that a new one cannot be forgotten. */
export type Names<Type> = { readonly [Name in keyof Required<Type>]: true };

/** So many are listed where none is near. */
const FEW_NAMES = 6;

/**
 * The check of all doors that take options: a name that is misspelt would be as good as not given, and nobody would know.
 *
 * @param what how the caller calls the object: `options`, `limits`, `channel`
 * @param kind what its names are: `an option of Server.listen`
 * @throws TypeError that names the one which is not known, and the nearest that is
 */
export function checkNames<Type>(what: string, given: Type, known: Names<Type>, kind: string): void {
  if (typeof given !== "object" || given === null) throw new TypeError(`${what} must be an object`);
  for (const name in given) {
    if (known[name] !== true) throw unknownName(what === "options" ? "" : `${what}.`, name, known, kind);
  }
}

/** The same for a single name, of an event above all. */
export function checkName<Type>(name: keyof Type, known: Names<Type>, kind: string): void {
  if (known[name] !== true) throw unknownName("", String(name), known, kind);
}

function unknownName(path: string, name: string, known: object, kind: string): TypeError {
  const names = Object.keys(known);
  const nearest = nearestOf(name, names);
  const few = names.length <= FEW_NAMES ? ` (${names.join(", ")})` : "";
  const help = nearest === undefined ? few : `: did you mean ${path}${nearest}?`;
  return new TypeError(`${path}${name} is not ${kind}${help}`);
}

/** Of these the one that was probably meant: a third of its letters may be wrong. */
function nearestOf(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance >= least || distance > Math.max(1, candidate.length / 3)) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

/** Letters to insert, to leave out, to replace, or to swap with their neighbour. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1];
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (isSwap) row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length];
}
