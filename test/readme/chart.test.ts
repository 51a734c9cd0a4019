import assert from "node:assert/strict";
import { test } from "node:test";
import { chartOf, type Figures } from "../../scripts/chart.ts";
import { textOf } from "./workplace.ts";

const figures = JSON.parse(textOf("docs/benchmarks.json")) as Figures;

test("chart: is what `npm run chart` draws of docs/benchmarks.json", () => {
  assert.equal(textOf("docs/images/throughput.svg"), chartOf(figures));
});

test("chart: each figure is one of docs/benchmarks.md, with its ratio and spread", () => {
  const rows = textOf("docs/benchmarks.md").split("\n");
  for (const { scenario, baselineMillions, bars } of figures.groups) {
    for (const { label, millions, ratio } of bars) {
      const wanted = [` ${millions} M/s `, ` ${baselineMillions} M/s `, ` ${ratio} `];
      const found = rows.some(
        (row) => row.includes(`\`${scenario}\``) && wanted.every((cell) => row.includes(cell)),
      );
      assert.ok(found, `${label}: no row of ${scenario} has ${wanted.join("|")}`);
    }
  }
});

test("chart: control: a bar is as long as its figure, and a figure without a spread is refused", () => {
  const group = { scenario: "s", baselineMillions: "1" };
  const drawn = (ratio: string): string =>
    chartOf({
      ...{ title: "a < b", machine: "m" },
      groups: [{ ...group, bars: [{ label: "ours", millions: "2", ratio }] }],
    });
  const widths = [...drawn("2.0 (1.9..2.1)").matchAll(/width="(\d+)" height="24"/g)].map(widthOf);
  assert.equal(widths[1], widths[0]! * 2);
  assert.match(drawn("2.0 (1.9..2.1)"), /a &lt; b/);
  assert.throws(() => drawn("2.0"), /no median/);
});

function widthOf(match: RegExpMatchArray): number {
  return Number(match[1]);
}
