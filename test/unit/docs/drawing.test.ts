/** The drawing of the house in ARCHITECTURE.md, as scripts/checks reads it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../support/commands.ts";

interface Floor {
  readonly name: string;
  readonly rooms: string[];
}

const { readFloors, roomOf } = (await import(new URL("../../../scripts/checks/drawing.mjs", import.meta.url).href)) as {
  readFloors(text: string): Floor[];
  roomOf(rooms: string[], file: string): string | undefined;
};

const rooms = readFloors(readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8")).flatMap((floor) => floor.rooms);

test("each file of src/ has a room in the drawing, and each room is there, once", () => {
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .map((name) => `src/${name.replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => roomOf(rooms, file) === undefined)).toEqual([]);
  expect(rooms.filter((room) => !existsSync(join(ROOT, room)))).toEqual([]);
  expect(rooms).toEqual([...new Set(rooms)]);
});

test("floors are read from the lowest up, further names of a line are in the first one's folder, and remarks are no rooms", () => {
  const text = `# Architecture

## The house

Who lives where.

\`\`\`
floor 2  src/server.ts, client.ts, client/   both ends; options.ts has their options
         src/core/          all else
                  peer.ts     one of them
floor 1  src/wire/          bytes
ground   assembly/          kernels
\`\`\`

\`\`\`
floor 9  src/elsewhere/
\`\`\`
`;
  expect(readFloors(text)).toEqual([
    { name: "ground", rooms: ["assembly/"] },
    { name: "floor 1", rooms: ["src/wire/"] },
    { name: "floor 2", rooms: ["src/server.ts", "src/client.ts", "src/client/", "src/core/"] },
  ]);
});

test("a file is in the smallest room around it, and one whose name only begins like a room's is not in it", () => {
  const some = ["src/core/", "src/core/path/", "src/core.ts"];
  expect(roomOf(some, "src/core/path/credit.ts")).toBe("src/core/path/");
  expect(roomOf(some, "src/core.ts")).toBe("src/core.ts");
  expect(roomOf(some, "src/core-options.ts")).toBeUndefined();
});
