import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { Pull, Push } from "../../lib/index.ts";
import {
  type End,
  type Parcel,
  type Portion,
  runSink,
  runSource,
  runStage,
} from "../../patterns/pipeline.ts";

/** A pipeline over inproc: the addresses where its two PULL sides listen, and sockets for them. */
async function openPipeline<Part>(t: TestContext) {
  const address = `inproc://${randomUUID()}`;
  const work = new Push<number>();
  const ends = new Push<End>();
  const results = new Pull<Parcel<Part>>();
  await work.bind(`${address}.work`);
  await results.bind(`${address}.results`);
  ends.connect(`${address}.results`);
  const pullWork = () => {
    const pull = new Pull<number>();
    pull.connect(`${address}.work`);
    closeAfter(t, pull);
    return pull;
  };
  const pushResults = () => {
    const push = new Push<Portion<Part>>();
    push.connect(`${address}.results`);
    closeAfter(t, push);
    return push;
  };
  const stageSockets = () => ({ work: pullWork(), results: pushResults() });
  closeAfter(t, work, ends, results);
  return { work, ends, results, pullWork, pushResults, stageSockets, done: new AbortController() };
}

function closeAfter(t: TestContext, ...sockets: readonly { close(): Promise<void> }[]): void {
  t.after(() => Promise.all(sockets.map((socket) => socket.close())));
}

function* numbers(count: number): Generator<number> {
  for (let value = 1; value <= count; value++) yield value;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

for (const stages of [1, 3]) {
  test(`pipeline: every value passes one of ${stages} stages once`, async (t) => {
    const { work, ends, results, stageSockets, done } = await openPipeline<number>(t);
    const { signal } = done;
    const running = Array.from({ length: stages }, () =>
      runStage({ ...stageSockets(), step: sum, signal }),
    );
    await work.ready({ peers: stages });
    const source = runSource({ values: numbers(50_000), work, results: ends, signal });
    let total = 0;
    const progress: number[] = [];
    const count = await runSink({
      results,
      take: (value) => {
        total += value;
      },
      onProgress: (done) => progress.push(done),
    });
    done.abort();

    assert.equal(count, 50_000);
    assert.equal(total, (50_000 * 50_001) / 2);
    assert.equal(progress.at(-1), 50_000);
    assert.equal(await source, 50_000);
    const passed = await Promise.all(running);
    assert.equal(sum(passed), 50_000);
    assert.ok(
      passed.every((share) => share > 0),
      `shares ${passed}`,
    );
  });
}

test("pipeline: a source of nothing ends at once", async (t) => {
  const { work, ends, results, stageSockets, done } = await openPipeline<number>(t);
  const stage = runStage({ ...stageSockets(), step: sum, signal: done.signal });
  const source = runSource({ values: [], work, results: ends, signal: done.signal });
  assert.equal(await runSink({ results, take: () => assert.fail() }), 0);
  done.abort();
  assert.deepEqual(await Promise.all([source, stage]), [0, 0]);
});

test("pipeline: a second stage weighs what the first one made", async (t) => {
  const { work, ends, results, pullWork, pushResults, done } = await openPipeline<number[]>(t);
  const { signal } = done;
  const between = `inproc://${randomUUID()}`;
  const second = { work: new Pull<Portion<number>>(), results: pushResults() };
  await second.work.bind(between);
  const first = { work: pullWork(), results: new Push<Portion<number>>() };
  first.results.connect(between);
  closeAfter(t, second.work, first.results);

  const loops = [
    runStage({ ...first, step: sum, signal }),
    runStage({
      ...second,
      step: (portions) => portions.map((portion) => portion.value),
      weigh: (portion) => portion.count,
      signal,
    }),
    runSource({ values: numbers(10_000), work, results: ends, signal }),
  ];
  const sums: number[] = [];
  const count = await runSink({ results, take: (values) => void sums.push(...values) });
  done.abort();
  assert.equal(count, 10_000);
  assert.equal(sum(sums), (10_000 * 10_001) / 2);
  assert.deepEqual(await Promise.all(loops), [10_000, 10_000, 10_000]);
});

test("pipeline: what a step throws ends its stage with it", async (t) => {
  const { work, stageSockets, done } = await openPipeline<number>(t);
  const fault = new Error("no");
  const step = (): number => {
    throw fault;
  };
  const stage = runStage({ ...stageSockets(), step, signal: done.signal });
  await work.send(1);
  await assert.rejects(stage, fault);
});

test("pipeline: giving up ends a source that waits for stages", async (t) => {
  const { work, ends, done } = await openPipeline<number>(t);
  const source = runSource({
    values: numbers(Number.MAX_SAFE_INTEGER),
    work,
    results: ends,
    signal: done.signal,
  });
  setImmediate(() => done.abort());
  await assert.rejects(source, { code: "BROKERLESS_CLOSED" });
});

test("pipeline: a sink that is closed says how far it was", async (t) => {
  const { ends, results } = await openPipeline<number>(t);
  const sink = runSink({ results, take: () => {}, onProgress: () => void results.close() });
  await ends.send({ end: 7 });
  await assert.rejects(sink, { message: "the pipeline was closed after 0 of 7 values" });
});
