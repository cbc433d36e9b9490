/** A load's report as one self-contained page: a table, and charts over time drawn as SVG. */
import type { Report, SecondReport } from "./measurements.ts";
import { summary } from "./summary.ts";

interface Line {
  readonly name: string;
  readonly color: string;
  readonly values: readonly (number | null)[];
}

interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

const WIDTH = 720;
const HEIGHT = 180;
const LEFT = 56;
const BOTTOM = 22;
const TOP = 8;

export function reportPage(report: Report): string {
  const { clients, rateHz, bytes, url } = report;
  const title = `${clients} clients × ${rateHz} Hz × ${bytes} B`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(url)}</p>
<pre>${escapeHtml(summary(report))}</pre>
${chartsOf(report).map(chartSvg).join("\n")}
<p id="hint">Point at a chart to read its values.</p>
<script>${SCRIPT}</script>
</html>
`;
}

function chartsOf({ series }: Report): Chart[] {
  const values = (pick: (second: SecondReport) => number | null) => series.map(pick);
  const lost = ({ sent, received }: SecondReport) => (sent === 0 ? null : (100 * (sent - received)) / sent);
  return [
    {
      title: "Round trip",
      unit: "ms",
      lines: [
        { name: "p50", color: "#2a7de1", values: values(({ rttP50Ms }) => rttP50Ms) },
        { name: "p99", color: "#e1872a", values: values(({ rttP99Ms }) => rttP99Ms) },
        { name: "max", color: "#999999", values: values(({ rttMaxMs }) => rttMaxMs) },
      ],
    },
    { title: "Loss", unit: "%", lines: [{ name: "lost", color: "#d33c3c", values: values(lost) }] },
    {
      title: "Messages",
      unit: "/s",
      lines: [
        { name: "sent", color: "#999999", values: values(({ sent }) => sent) },
        { name: "came back", color: "#2aa876", values: values(({ received }) => received) },
      ],
    },
    {
      title: "Open connections",
      unit: "",
      lines: [{ name: "open", color: "#7a52cc", values: values(({ open }) => open) }],
    },
  ];
}

function chartSvg({ title, unit, lines }: Chart): string {
  const seconds = lines[0].values.length;
  const top = niceCeiling(Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const x = (second: number) => LEFT + ((second + 0.5) * (WIDTH - LEFT - 8)) / Math.max(1, seconds);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share * top).toFixed(1);
    return `<line x1="${LEFT}" x2="${WIDTH - 8}" y1="${at}" y2="${at}"/><text x="${LEFT - 6}" y="${at}" dy="4">${shortNumber(share * top)}</text>`;
  });
  const paths = lines.map(({ color, values }) => `<path stroke="${color}" d="${pathOf(values, x, y)}"/>`);
  const legend = lines.map(({ name, color }) => `<b style="color:${color}">${escapeHtml(name)}</b>`).join(" ");
  const data = JSON.stringify({
    left: LEFT,
    width: WIDTH - LEFT - 8,
    unit,
    lines: lines.map(({ name, values }) => ({ name, values })),
  });
  return `<figure>
<figcaption>${escapeHtml(title)}${unit === "" ? "" : `, ${escapeHtml(unit)}`} ${legend} <output></output></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)} over time" data-chart="${escapeHtml(data)}">
<g class="grid">${grid.join("")}<text x="${WIDTH - 8}" y="${HEIGHT - 4}">${seconds} s</text><text x="${LEFT + 12}" y="${HEIGHT - 4}">0</text></g>
${paths.join("")}
<line class="cursor" y1="${TOP}" y2="${HEIGHT - BOTTOM}" x1="-9" x2="-9"/>
</svg>
</figure>`;
}

/** A line with a gap wherever a second has no value. */
function pathOf(
  values: readonly (number | null)[],
  x: (second: number) => number,
  y: (value: number) => number,
): string {
  let path = "";
  let isDrawing = false;
  for (const [second, value] of values.entries()) {
    if (value !== null) path += `${isDrawing ? "L" : "M"}${x(second).toFixed(1)} ${y(value).toFixed(1)}`;
    isDrawing = value !== null;
  }
  // A single second is a point, which a path of length 0 shows with its round caps.
  return values.length === 1 && path !== "" ? `${path}h0.1` : path;
}

/** The next of 1, 2, 5, 10, 20 … */
function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10;
  return step * power;
}

function shortNumber(value: number): string {
  return value >= 10_000 ? `${Number((value / 1_000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => entities[character]);
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; }
pre { white-space: pre-wrap; font: .85rem/1.6 ui-monospace, monospace; }
figure { margin: 1.5rem 0; }
figcaption b { margin-left: .6rem; font-weight: 600; }
output { float: right; font-variant-numeric: tabular-nums; opacity: .8; }
svg { width: 100%; height: auto; }
path { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.grid line { stroke: currentColor; stroke-opacity: .15; }
.grid text { fill: currentColor; font-size: 11px; text-anchor: end; opacity: .7; }
.cursor { stroke: currentColor; stroke-opacity: .5; }
#hint { opacity: .6; }
`;

const SCRIPT = `
for (const svg of document.querySelectorAll("svg")) {
  const { left, width, unit, lines } = JSON.parse(svg.dataset.chart);
  const output = svg.parentNode.querySelector("output"), cursor = svg.querySelector(".cursor");
  const count = lines[0].values.length;
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) * ${WIDTH}) / box.width - left;
    const second = Math.min(count - 1, Math.max(0, Math.floor((at / width) * count)));
    const x = left + ((second + 0.5) * width) / count;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    const text = (value) => (value === null ? "–" : Number(value.toPrecision(4)) + " " + unit);
    output.textContent = second + " s: " + lines.map(({ name, values }) => name + " " + text(values[second])).join(", ");
  };
  svg.onpointerleave = () => { output.textContent = ""; cursor.setAttribute("x1", -9); cursor.setAttribute("x2", -9); };
}
`;
