import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { shownReceiver, shownSender } from "../../lib/socket/explain.ts";
import { withGuarantees } from "../../scripts/guarantees.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const KINDS = ["memory", "journal"] as const;
const ROWS = [
  ...KINDS.flatMap((kind) =>
    (["total", "perReceiver"] as const).flatMap((order) => shownSender({ kind, order })),
  ),
  ...shownReceiver("memory"),
  ...shownReceiver("inbox"),
];

test("docs/guarantees.md: says what explain() says; npm run guarantees writes it", () => {
  const document = readFileSync(join(ROOT, "docs/guarantees.md"), "utf8");
  assert.equal(document, withGuarantees(document));
  // Negative control: a claim that was changed by hand is seen.
  const changed = document.replace("the messages in flight", "no messages");
  assert.notEqual(changed, document);
  assert.notEqual(changed, withGuarantees(changed));
});

test("docs/guarantees.md: every claim names a test that is there", () => {
  const texts = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(ROOT, "test", name), "utf8"));
  for (const { failure, shownBy } of ROWS) {
    assert.ok(shownBy.length > 0, `no test shows: ${failure}`);
    for (const name of shownBy) {
      const isThere = texts.some((text) => text.includes(`"${name}`) || text.includes(`\`${name}`));
      assert.ok(isThere, `there is no test whose name begins with: ${name}`);
    }
  }
});

test("docs/guarantees.md: in total order nothing is out of order", () => {
  for (const kind of KINDS) {
    for (const { failure, reordered } of shownSender({ kind, order: "total" })) {
      assert.match(reordered, /^nothing/, failure);
    }
  }
});
