import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import { BrokerlessError, type ErrorCode } from "../../lib/index.ts";

function textOf(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

const document = textOf("docs/guarantees.md");

test("docs/guarantees.md: has a row for every error code, and says of each whether to try again", () => {
  const codes = [...textOf("lib/errors.ts").matchAll(/^ {2}(BROKERLESS_\w+): \{/gm)];
  const rows = [...document.matchAll(/^\| `(BROKERLESS_\w+)` \|.*\| ([^|]+) \|$/gm)];
  assert.deepEqual(
    rows.map(([, code]) => code),
    codes.map(([, code]) => code),
  );
  for (const [, code, again] of rows) {
    const { retryable } = new BrokerlessError(code as ErrorCode, "");
    assert.equal(again !== "no", retryable, code);
  }
});

test("docs/guarantees.md: gives the limits that sockets have by default", () => {
  const MIB = 2 ** 20;
  const { messageBytesMax, queueBytesMax, lingerMs, heartbeatMs, batch } = COMMON_DEFAULTS;
  const shown = (option: string): string =>
    document.match(new RegExp(`^\\| \`${option}\` \\| ([^|;]+?)(?:;[^|]*)? \\|`, "m"))?.[1] ?? "";
  assert.equal(shown("messageBytesMax"), `${messageBytesMax / MIB} MiB`);
  assert.equal(shown("queueBytesMax"), `${queueBytesMax / MIB} MiB`);
  assert.equal(shown("lingerMs"), `${lingerMs.toLocaleString("en-US")} ms`);
  assert.equal(shown("heartbeatMs"), `${heartbeatMs.toLocaleString("en-US")} ms`);
  assert.ok(batch !== false);
  assert.equal(shown("batch.batchBytesMax"), `${batch.batchBytesMax / 1_024} KiB`);
});

test("docs/troubleshooting.md: has a row for every error code, with cause and remedy", () => {
  const codes = [...textOf("lib/errors.ts").matchAll(/^ {2}(BROKERLESS_\w+): \{/gm)];
  const text = textOf("docs/troubleshooting.md");
  const rows = [...text.matchAll(/^\| `(BROKERLESS_\w+)` \| [^|]+ \| [^|]+ \|$/gm)];
  assert.deepEqual(rows.map(([, code]) => code).sort(), codes.map(([, code]) => code).sort());
});
