/**
 * npm run check:architecture: the imports of src/ obey the drawing in ARCHITECTURE.md. Type-only imports count.
 *
 *   - nothing imports a floor above its own
 *   - no imports run in a circle
 *   - src/ imports nothing of the repository but itself and the built kernels
 *   - at the root of src/ are only the entry points that package.json names, errors.ts and limits.ts
 *   - each file of src/ is in a room of the drawing, and each room has a file
 *
 * Exit code 1 where one of these does not hold. dependency-cruiser reads the imports with a TypeScript of its own, since
 * TypeScript 7 has no interface for it.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { installNpmFolder } from "../npm-folder.mjs";
import { readFloors, roomOf } from "./drawing.mjs";

const SHOWN_CIRCLES = 3;
const root = fileURLToPath(new URL("../..", import.meta.url));

const { exports, bin } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
const built = JSON.stringify([exports, bin]).matchAll(/"\.\/build\/([\w-]+)\.js"/g);
const DOORS = [...new Set([...built].map(([, name]) => `${name}.ts`)), "errors.ts", "limits.ts"];

installNpmFolder("scripts/checks");
const { cruise } = await import("dependency-cruiser");

const floors = readFloors(readFileSync(new URL("../../ARCHITECTURE.md", import.meta.url), "utf8"));
const rooms = floors.flatMap((floor) => floor.rooms);
const forbidden = [
  { name: "circle", severity: "error", from: {}, to: { circular: true } },
  {
    name: "outside",
    severity: "error",
    from: {},
    to: { dependencyTypes: ["local"], pathNot: "^(src|build/kernels)/" },
  },
  ...floors.slice(0, -1).map(upward),
];

const { output } = await cruise(["src"], {
  baseDir: root,
  tsPreCompilationDeps: true,
  doNotFollow: { path: "node_modules|^build/" },
  validate: true,
  ruleSet: { forbidden },
});

const files = output.modules.map(({ source }) => source).filter((file) => file.startsWith("src/"));
const { violations } = output.summary;
const isCircle = ({ rule }) => rule.name === "circle";
const circles = [...new Set(violations.filter(isCircle).map(({ cycle }) => circle(cycle)))];
const problems = [
  ...violations.filter((violation) => !isCircle(violation)).map(describe),
  ...files.filter((file) => roomOf(rooms, file) === undefined).map((file) => `${file} is in no room of the drawing`),
  ...rooms.filter(isEmpty).map((room) => `the drawing has a room ${room}, which is not there`),
  ...files.filter(isAtRoot).map((file) => `${file} stands at the root of src/, and is none of ${DOORS.join(", ")}`),
  // One import of a floor above can close a hundred circles: the shortest say where.
  ...circles.sort((one, other) => one.length - other.length).slice(0, SHOWN_CIRCLES),
];
for (const problem of problems) console.error(problem);
if (circles.length > SHOWN_CIRCLES) console.error(`and ${circles.length - SHOWN_CIRCLES} longer circles`);
if (problems.length > 0) {
  console.error('The house does not stand as ARCHITECTURE.md draws it, under "The house".');
  process.exitCode = 1;
} else console.log(`${files.length} files on ${floors.length - 1} floors: no circle, no import of a floor above`);

/** No file of this floor imports one of those above it. */
function upward({ name, rooms }, index) {
  const above = floors.slice(index + 1).flatMap((floor) => floor.rooms);
  return { name, severity: "error", from: pathOf(rooms), to: pathOf(above) };
}

/** Files that are in one of these rooms, and not in a smaller one of another floor inside it. */
function pathOf(own) {
  const inside = rooms.filter((room) => !own.includes(room) && own.some((outer) => room.startsWith(outer)));
  const path = own.map(pattern);
  return inside.length === 0 ? { path } : { path, pathNot: inside.map(pattern) };
}

function pattern(room) {
  return `^${room.replaceAll(".", "\\.")}${room.endsWith("/") ? "" : "$"}`;
}

function isAtRoot(file) {
  return /^src\/[^/]+$/.test(file) && !DOORS.includes(file.slice("src/".length));
}

function isEmpty(room) {
  return room.startsWith("src/") && !files.some((file) => roomOf(rooms, file) === room);
}

function describe({ rule, from, to }) {
  if (rule.name === "outside") return `${from} imports ${to}, which is no part of src/`;
  return `${from} (${rule.name}) imports ${to} of a floor above`;
}

/** One circle is reported once for each of its files. Here it always begins with the first by name, so that it is told once. */
function circle(cycle) {
  const names = cycle.map(({ name }) => name);
  const first = names.indexOf([...names].sort()[0]);
  return `a circle of imports: ${[...names.slice(first), ...names.slice(0, first), names[first]].join(" → ")}`;
}
