/** The floors of the house, as the drawing in ARCHITECTURE.md has them. */

/** `floor 4  src/server/server.ts, clock.ts   what they are for`: a floor's first line has its name, each line may have rooms. */
const LINE = /^(floor \d+|ground)?\s*(?:((?:src|assembly)\/[^\s,]*(?:, [^\s,]+)*))?/;

/**
 * Rooms are folders (`src/core/`) and files (`src/server/server.ts`). Further names of a line need not repeat the first one's
 * folder: in `src/client/native/connect.ts, client/` the second is `src/client/`.
 *
 * @param {string} text of ARCHITECTURE.md
 * @returns {{ name: string, rooms: string[] }[]} the lowest floor first
 */
export function readFloors(text) {
  const drawing = text.match(/^## The house$[\s\S]*?^```$([\s\S]*?)^```$/m)?.[1];
  if (drawing === undefined) throw new Error('ARCHITECTURE.md has no drawing under "The house"');
  const floors = [];
  for (const line of drawing.split("\n")) {
    const [, name, names] = line.match(LINE);
    if (name !== undefined) floors.unshift({ name, rooms: [] });
    if (names !== undefined) floors[0].rooms.push(...roomsOf(names));
  }
  return floors;
}

function roomsOf(names) {
  const [first, ...others] = names.split(", ");
  const folder = first.replace(/[^/]+\/?$/, "");
  return [first, ...others.map((name) => folder + name)];
}

/** The room that a file is in: of those that match, the one with the longest name. */
export function roomOf(rooms, file) {
  const matching = rooms.filter((room) => (room.endsWith("/") ? file.startsWith(room) : file === room));
  return matching.sort((one, other) => other.length - one.length)[0];
}
