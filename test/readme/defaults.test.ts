/** What documents say about defaults is what the code has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_SEND_DEFAULTS,
} from "../../lib/reliable/reliable-options.ts";
import { textOf } from "./workplace.ts";

test("docs/durable-work.md: the defaults of reliable sockets are those of the code", () => {
  const text = textOf("docs/durable-work.md");
  const rows = text.matchAll(/^\| (`\w+`(?:, `\w+`)*) \| `\w+` \| ([^|]+) \|/gm);
  const said = new Map([...rows].map(([, names, value]) => [names!.replaceAll("`", ""), value]));
  const send = RELIABLE_SEND_DEFAULTS;
  const { prefetch, prefetchBytesMax } = RELIABLE_RECEIVE_DEFAULTS;
  const count = prefetch.toLocaleString("en-US");
  const seconds = (ms: number) => `${ms / 1_000} s`;
  for (const [names, value] of Object.entries({
    "prefetch, prefetchBytesMax": `${count}; ${prefetchBytesMax / 2 ** 20} MiB`,
    leaseMs: seconds(send.leaseMs),
    graceMs: seconds(send.graceMs),
    attemptsMax: `${send.attemptsMax}`,
    "retryMs, retryMsMax": `${seconds(send.retryMs)}; ${seconds(send.retryMsMax)}`,
    order: `\`"${send.order}"\``,
    overflow: `\`"${send.overflow}"\``,
  })) {
    assert.equal(said.get(names), value, names);
  }
});
