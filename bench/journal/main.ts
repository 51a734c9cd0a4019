/**
 * Measures journals: append throughput and latency, reading, opening.
 *
 * npx tsx bench/journal/main.ts [--only append,latency,read,open] [--size 100] [--messages 2000000]
 *   [--runs 5] [--directory DIR] [--json]
 *
 * The systems of a row run in turn within each run, so that what else the machine does hits all of
 * them; ratios are taken within a run, and shown as min, median and max over the runs.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { appendRows } from "./append.ts";
import { latencyRows } from "./latency.ts";
import { openRows, readRows } from "./read.ts";
import { print, type Row, summarize } from "./report.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "append,latency,read,open" },
    size: { type: "string", default: "100" },
    messages: { type: "string", default: "2000000" },
    runs: { type: "string", default: "5" },
    directory: { type: "string", default: process.cwd() },
    json: { type: "boolean", default: false },
  },
});

const size = Number(values.size);
const messages = Number(values.messages);
const runs = Number(values.runs);
const scenarios: Record<string, (place: string) => Promise<Row[]>> = {
  append: (place) => appendRows({ place, size, messages }),
  latency: (place) => latencyRows({ place, size }),
  read: (place) => readRows({ place, size, messages }),
  open: (place) => openRows({ place, size }),
};

const rows: Row[] = [];
for (const name of values.only.split(",")) {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new TypeError(`--only: no scenario "${name}"`);
  for (let run = 0; run < runs; run++) {
    const place = await mkdtemp(join(values.directory, ".bench-journal-"));
    try {
      rows.push(...(await scenario(place)));
    } finally {
      await rm(place, { recursive: true });
    }
  }
}
const summary = summarize(rows);
if (values.json)
  console.log(JSON.stringify({ size, messages, runs, node: process.version, summary }));
else print(summary);
