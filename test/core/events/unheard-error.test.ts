import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Pull, Push } from "../../../lib/index.ts";
import { turn } from "../../support/eventually.ts";
import { open } from "../../support/fixtures.ts";

interface Warning extends Error {
  readonly code?: string;
  readonly detail?: string;
}

/** Gathers the warnings of this process. */
function warnings(t: TestContext): Warning[] {
  const heard: Warning[] = [];
  const hear = (warning: Warning): void => {
    if (warning.name === "BrokerlessWarning") heard.push(warning);
  };
  process.on("warning", hear);
  t.after(() => process.off("warning", hear));
  return heard;
}

/** Has the socket tell an error. */
async function err(push: Push): Promise<void> {
  await assert.rejects(
    push.send(() => {}),
    { code: "BROKERLESS_CODEC" },
  );
  await turn();
}

for (const reliability of [{}, { reliable: true }]) {
  const kind = JSON.stringify(reliability);
  test(`unheard: the first error of a socket is a warning that says how to listen ${kind}`, async (t) => {
    const heard = warnings(t);
    const push = open(t, new Push(reliability));
    await err(push);
    await err(push);
    assert.equal(heard.length, 1);
    assert.equal(heard[0]!.code, "BROKERLESS_CODEC");
    assert.match(heard[0]!.message, /^Push: BROKERLESS_CODEC: codec msgpack cannot encode/);
    assert.match(heard[0]!.detail!, /socket\.on\("error"/);
    await err(open(t, new Push(reliability)));
    assert.equal(heard.length, 2);
  });

  test(`unheard: a listener switches the warning off, and one that is gone does not ${kind}`, async (t) => {
    const heard = warnings(t);
    const push = open(t, new Push(reliability));
    const remove = push.on("error", () => {});
    await err(push);
    assert.deepEqual(heard, []);
    remove();
    await err(push);
    assert.equal(heard.length, 1);
  });
}

test("unheard: a plain socket that meets a reliable one is not silent", async (t) => {
  const push = open(t, new Push());
  const pull = open(t, new Pull({ reliable: true }));
  const warned = once(process, "warning");
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const [warning] = (await warned) as [Warning];
  assert.equal(warning.name, "BrokerlessWarning");
  assert.equal(warning.code, "BROKERLESS_PROTOCOL");
});
