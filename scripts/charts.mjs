/**
 * Draws the results of `npm run bench` as bar charts for the README: one SVG per chart, without a library, legible on a
 * light and on a dark page.
 *
 *   node scripts/charts.mjs [RESULTS.json] [FOLDER]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [source = fileURLToPath(new URL("../bench/results.json", import.meta.url)), folder = defaultFolder()] =
  process.argv.slice(2);
const OURS = "webrtc-datagram";
const NAMES = { bare: "bare node:dgram", "roamhq-wrtc": "@roamhq/wrtc", ws: "ws (TCP)" };

const CHARTS = [
  { file: "echo.svg", scenario: "echo 100 B", key: "cpuUs", title: "CPU per echo of 100 B, one busy client, µs" },
  { file: "paced.svg", scenario: "paced", key: "cpuUs", title: "CPU per echo, 50 clients × 60 messages/s, µs" },
  { file: "handshake.svg", scenario: "handshake", key: "cpuMs", title: "CPU per opened connection, ms" },
];

const WIDTH = 720;
const LABEL = 170;
const ROW = 26;
const TOP = 40;

const { results, machine } = JSON.parse(readFileSync(source, "utf8"));
mkdirSync(folder, { recursive: true });
for (const { file, scenario, key, title } of CHARTS) {
  const bars = results
    .filter((row) => row.scenario === scenario && row.figures[key]?.median > 0)
    .map(({ subject, figures }) => ({ subject, value: figures[key].median }))
    .sort((a, b) => a.value - b.value);
  if (bars.length === 0) continue;
  writeFileSync(join(folder, file), draw(title, bars));
  console.log(join(folder, file));
}

function draw(title, bars) {
  const height = TOP + bars.length * ROW + 24;
  const scale = (WIDTH - LABEL - 80) / Math.max(...bars.map(({ value }) => value));
  const rows = bars.map(({ subject, value }, i) => {
    const y = TOP + i * ROW;
    const width = Math.max(1, value * scale).toFixed(1);
    const kind = subject === OURS ? "ours" : "other";
    const number = value >= 100 ? value.toFixed(0) : value.toFixed(1);
    return [
      `<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${NAMES[subject] ?? subject}</text>`,
      `<rect class="${kind}" x="${LABEL}" y="${y + 2}" width="${width}" height="${ROW - 8}" rx="2"/>`,
      `<text x="${(LABEL + Number(width) + 6).toFixed(1)}" y="${y + 15}">${number}</text>`,
    ].join("");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">
<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600 }
.ours { fill: #0969da }
.other { fill: #8c959f }
@media (prefers-color-scheme: dark) { text { fill: #b1bac4 } .ours { fill: #58a6ff } .other { fill: #6e7681 } }
</style>
<text class="title" x="0" y="18">${title}</text>
${rows.join("\n")}
<text x="0" y="${height - 6}">Node.js ${machine.node.slice(1)}, ${machine.cpus} cores, loopback; less is better</text>
</svg>
`;
}

function defaultFolder() {
  return fileURLToPath(new URL("../docs/charts/", import.meta.url));
}
