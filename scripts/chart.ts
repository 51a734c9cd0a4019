/** `npm run chart`: draws docs/images/throughput.svg from the figures of docs/benchmarks.json. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { answerHelp } from "./help.ts";

/** The figures, as texts: they are shown as they stand in docs/benchmarks.md. */
export interface Figures {
  readonly title: string;
  /** What they were measured on, and when. */
  readonly machine: string;
  readonly groups: readonly FigureGroup[];
}

/** Bars of one scenario, beside zeromq.js in the same run. */
export interface FigureGroup {
  readonly scenario: string;
  /** Of zeromq.js (million messages a second). */
  readonly baselineMillions: string;
  readonly bars: readonly {
    readonly label: string;
    /** Million messages a second. */
    readonly millions: string;
    /** To zeromq.js: median (lowest..highest). */
    readonly ratio: string;
  }[];
}

interface Bar {
  readonly label: string;
  readonly millions: string;
  readonly note: string;
  readonly color: string;
}

const WIDTH = 800;
const BAR = { x: 240, height: 24, step: 32 };
/** What is left of the widest bar for its text. */
const NOTE_WIDTH = 290;
const HEAD = 58;
const GROUP_GAP = 14;
const FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";

/**
 * A bar chart on a card of its own, readable on light and dark pages. Pure.
 *
 * @returns an SVG document
 */
export function chartOf({ title, machine, groups }: Figures): string {
  const widest = Math.max(...groups.flatMap(({ bars }) => bars.map(({ millions }) => +millions)));
  const scale = (WIDTH - BAR.x - NOTE_WIDTH) / widest;
  const rows: string[] = [];
  let y = HEAD;
  for (const group of groups) {
    for (const bar of barsOf(group)) {
      rows.push(rowOf(bar, y, scale));
      y += BAR.step;
    }
    y += GROUP_GAP;
  }
  const height = y + 26;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title" font-family="${FONT}" font-size="15">
  <title id="title">${escaped(title)}</title>
  <rect x="1" y="1" width="${WIDTH - 2}" height="${height - 2}" rx="12" fill="#f7f9fc" stroke="#b8c2d0"/>
  <text x="24" y="36" font-weight="600" font-size="17" fill="#1d2736">${escaped(title)}</text>
${rows.join("\n")}
  <text x="24" y="${height - 18}" font-size="12.5" fill="#3d4a5c">${escaped(machine)}</text>
</svg>
`;
}

function barsOf({ baselineMillions, bars }: FigureGroup): Bar[] {
  const baseline = { label: "zeromq.js", millions: baselineMillions, note: "", color: "#8a97a8" };
  const ours = bars.map(({ label, millions, ratio }) => {
    const [, middle, spread] = ratio.match(/^([\d.]+) \((.+)\)$/) ?? [];
    if (middle === undefined) throw new Error(`${ratio} is no median with its spread`);
    return { label, millions, note: `${middle} times (${spread})`, color: "#2f6fb5" };
  });
  return [baseline, ...ours];
}

function rowOf({ label, millions, note, color }: Bar, y: number, scale: number): string {
  const width = Math.round(+millions * scale);
  const base = y + BAR.height - 7;
  const figure = `${millions} M/s${note === "" ? "" : `, ${note}`}`;
  return `  <text x="${BAR.x - 12}" y="${base}" text-anchor="end" fill="#1d2736">${escaped(label)}</text>
  <rect x="${BAR.x}" y="${y}" width="${width}" height="${BAR.height}" rx="3" fill="${color}"/>
  <text x="${BAR.x + width + 8}" y="${base}" fill="#1d2736">${escaped(figure)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  answerHelp("usage: npm run chart\n\nDraws docs/images/throughput.svg from docs/benchmarks.json.");
  const at = (path: string): URL => new URL(`../docs/${path}`, import.meta.url);
  const figures = JSON.parse(readFileSync(at("benchmarks.json"), "utf8")) as Figures;
  writeFileSync(at("images/throughput.svg"), chartOf(figures));
}
