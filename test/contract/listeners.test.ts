import assert from "node:assert/strict";
import { getMaxListeners } from "node:events";
import { type TestContext, test } from "node:test";
import { Pull, Push, Replier, Requester } from "../../lib/index.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { turn } from "../support/eventually.ts";
import { gate, open, range } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

/** Far beyond the ten of which Node warns (count). */
const LISTENERS = 64;

/** The warnings of this process, so far and from now on. */
function warnings(t: TestContext): string[] {
  const names: string[] = [];
  const hear = ({ name }: Error) => void names.push(name);
  process.on("warning", hear);
  t.after(() => process.off("warning", hear));
  return names;
}

function listen(signal: AbortSignal, count: number): void {
  for (const _ of range(count)) signal.addEventListener("abort", () => {}, { once: true });
}

test("listeners: control: a signal that nobody has prepared for many warns", async (t) => {
  const names = warnings(t);
  const { signal } = new AbortController();
  listen(signal, LISTENERS);
  await turn();
  // Newer versions of Node have no bound for signals, and warn of none.
  const expected = getMaxListeners(signal) === 0 ? [] : ["MaxListenersExceededWarning"];
  assert.deepEqual(names, expected);
});

test("listeners: many handlers of a replier may pass their signals on as often as they like", async (t) => {
  const names = warnings(t);
  const replier = open(t, new Replier<number, number>());
  const requester = open(t, new Requester<number, number>());
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  const all = gate();
  let begun = 0;
  void replier.serve(async (n, { signal }) => {
    listen(signal, LISTENERS);
    if (++begun === LISTENERS) all.open();
    await all.promise;
    return n;
  });
  await Promise.all(range(LISTENERS).map((n) => requester.request(n)));
  await turn();
  assert.deepEqual(names, []);
});

test("listeners: a job may pass its signal on as often as it likes", async (t) => {
  const names = warnings(t);
  const world = new World(t);
  const queue = world.socket(await WorkQueue.open<number>({ directory: world.directory() }));
  const connect = await queue.bind("tcp://127.0.0.1:*");
  const worker = await Worker.start<number>({ connect }, (_, { signal }) => {
    listen(signal, LISTENERS);
  });
  world.socket({ close: async () => void (await worker.close()) });
  await queue.add(1, { confirm: "processed" });
  await turn();
  assert.deepEqual(names, []);
});

test("listeners: of a stream many messages may wait for their level together", async (t) => {
  const names = warnings(t);
  const push = open(t, new Push<number>({ reliable: true }));
  const stream = push.writable({ confirm: "processed" });
  for (const n of range(LISTENERS)) stream.write(n);
  await turn();
  const pull = open(t, new Pull<number>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  void pull.run(() => {});
  await new Promise<void>((resolve) => stream.end(resolve));
  assert.deepEqual(names, []);
});
