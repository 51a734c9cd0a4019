import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ReceiveQueue } from "../../../lib/core/queue/receive-queue.ts";
import { turn } from "../../support/eventually.ts";
import { range, take } from "../../support/fixtures.ts";

/** A native socket whose frames come when the test says so. */
class Source {
  reads = 0;
  readonly #frames: (number[] | Error)[] = [];
  #waiting: ((frame: number[] | Error) => void) | null = null;

  push(frame: number[] | Error): void {
    if (this.#waiting === null) this.#frames.push(frame);
    else {
      const waiting = this.#waiting;
      this.#waiting = null;
      waiting(frame);
    }
  }

  readonly read = async (): Promise<number[]> => {
    this.reads += 1;
    assert.equal(this.#waiting, null, "two reads at the same time");
    const frame =
      this.#frames.shift() ??
      (await new Promise<number[] | Error>((resolve) => {
        this.#waiting = resolve;
      }));
    if (frame instanceof Error) throw frame;
    return frame;
  };
}

/** Frames without headers. */
const bare = (read: () => Promise<number[]>) => async () => ({
  values: await read(),
  headers: null,
});

function setUp(...frames: number[][]) {
  const source = new Source();
  const inbox = new ReceiveQueue<number>(bare(source.read));
  for (const frame of frames) source.push(frame);
  return { source, inbox };
}

test("inbox: values come one at a time, in order, over frames", async () => {
  const { inbox } = setUp([1, 2], [], [3]);
  assert.deepEqual(await take(inbox.values(), 3), [1, 2, 3]);
});

test("inbox: batches come as the frames, and after single values as what is left", async () => {
  const { inbox } = setUp([1, 2, 3], [4, 5]);
  assert.equal(await inbox.receive(undefined), 1);
  assert.deepEqual(await take(inbox.batches(), 2), [
    [2, 3],
    [4, 5],
  ]);
});

test("inbox: nothing is read before somebody asks, nor more than is asked for", async () => {
  const { source, inbox } = setUp([1, 2], [3]);
  await turn();
  assert.equal(source.reads, 0);
  await inbox.receive(undefined);
  await turn();
  assert.equal(source.reads, 1);
  assert.equal(inbox.count, 1);
});

test("inbox: those who ask are served in the order of asking", async () => {
  const { source, inbox } = setUp();
  const order: string[] = [];
  const asking = ["a", "b", "c"].map(async (name) => {
    order.push(name + (await inbox.receive(undefined)));
  });
  source.push([1]);
  source.push([2, 3]);
  await Promise.all(asking);
  assert.deepEqual(order, ["a1", "b2", "c3"]);
});

test("inbox: a call that gives up takes nothing with it", async () => {
  const { source, inbox } = setUp();
  const controller = new AbortController();
  const abandoned = inbox.receive({ signal: controller.signal });
  await turn();
  controller.abort("changed my mind");
  await assert.rejects(abandoned, (error) => error === "changed my mind");
  source.push([1]);
  assert.equal(await inbox.receive(undefined), 1);
});

test("inbox: with a signal that has aborted, not even a waiting value is taken", async () => {
  const { inbox } = setUp([1, 2]);
  await inbox.receive(undefined);
  await assert.rejects(inbox.receive({ signal: AbortSignal.abort("no") }));
  assert.equal(await inbox.receive(undefined), 2);
});

test("inbox: the end of one iteration leaves the rest of the frame to the next", async () => {
  const { inbox } = setUp([1, 2, 3, 4]);
  assert.deepEqual(await take(inbox.values(), 2), [1, 2]);
  assert.deepEqual(await take(inbox.batches(), 1), [[3, 4]]);
});

test("inbox: an iteration that is ended while it waits takes nothing", async () => {
  const { source, inbox } = setUp();
  const iteration = inbox.values();
  const pending = iteration.next();
  await turn();
  assert.deepEqual(await iteration.return!(), { done: true, value: undefined });
  assert.deepEqual(await pending, { done: true, value: undefined });
  assert.deepEqual(await iteration.next(), { done: true, value: undefined });
  source.push([1]);
  assert.equal(await inbox.receive(undefined), 1);
});

test("inbox: close ends iterations and rejects calls, now and later", async () => {
  const { inbox } = setUp();
  const iteration = inbox.values();
  const batches = inbox.batches();
  const pending = [iteration.next(), batches.next()];
  const call = inbox.receive(undefined);
  await turn();
  inbox.close();
  for (const end of await Promise.all(pending)) assert.equal(end.done, true);
  await assert.rejects(call, { code: "BROKERLESS_CLOSED" });
  await assert.rejects(inbox.receive(undefined), { code: "BROKERLESS_CLOSED" });
  assert.equal((await iteration.next()).done, true);
  assert.equal((await inbox.values().next()).done, true);
});

test("inbox: close drops what was read and not handed out", async () => {
  const { inbox } = setUp([1, 2]);
  await inbox.receive(undefined);
  inbox.close();
  assert.equal(inbox.count, 0);
  assert.equal((await inbox.values().next()).done, true);
});

test("inbox: a read that fails is told to all who wait, and the next asker tries again", async () => {
  const { source, inbox } = setUp();
  const waiting = [inbox.receive(undefined), inbox.values().next(), inbox.batches().next()];
  source.push(new RangeError("broken"));
  for (const call of waiting) await assert.rejects(call, RangeError);
  source.push([7]);
  assert.equal(await inbox.receive(undefined), 7);
});

test("inbox: timers fire while values are handed out without a pause", async (t) => {
  const frame = range(500);
  const inbox = new ReceiveQueue<number>(bare(async () => frame));
  let fired = 0;
  const timer = setInterval(() => {
    fired += 1;
  }, 1);
  t.after(() => clearInterval(timer));
  let seen = 0;
  for await (const _ of inbox.values()) {
    seen += 1;
    if (fired === 3) break;
    assert.ok(seen < 100_000_000, "no timer fired");
  }
  assert.equal(fired, 3);
});

test("inbox: timers fire although each of the values of one frame takes long", async (t) => {
  const inbox = new ReceiveQueue<number>(bare(async () => range(1_000_000)));
  let fired = 0;
  const timer = setInterval(() => {
    fired += 1;
  }, 1);
  t.after(() => clearInterval(timer));
  for await (const value of inbox.values()) {
    const startMs = performance.now();
    while (performance.now() - startMs < 0.1);
    if (fired === 3) break;
    assert.ok(value < 5_000, "no timer fired in half a second");
  }
});

type Ask = "receive" | "abort" | "value" | "batch" | "frame";

test("inbox: whoever asks however, and gives up or not, every value is handed out once in order", async () => {
  const asks = fc.array(
    fc.oneof(fc.constantFrom<Ask>("receive", "abort", "value", "batch"), fc.constant<Ask>("frame")),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(asks, fc.array(fc.nat({ max: 3 })), async (script, sizes) => {
      const { source, inbox } = setUp();
      let produced = 0;
      const produce = (count: number): void => {
        source.push(range(count).map(() => produced++));
      };
      const got: number[] = [];
      const pending: Promise<unknown>[] = [];
      for (const [index, ask] of script.entries()) {
        const controller = new AbortController();
        if (ask === "frame") produce(sizes[index % Math.max(1, sizes.length)] ?? 1);
        else if (ask === "receive") pending.push(inbox.receive(undefined).then((v) => got.push(v)));
        else if (ask === "abort") {
          const { signal } = controller;
          pending.push(
            inbox.receive({ signal }).then(
              (v) => got.push(v),
              () => {},
            ),
          );
        } else if (ask === "value") {
          pending.push(
            inbox
              .values()
              .next()
              .then(({ value }) => got.push(value as number)),
          );
        } else {
          pending.push(
            inbox
              .batches()
              .next()
              .then(({ value }) => got.push(...(value as number[]))),
          );
        }
        if (index % 3 === 0) await turn();
        controller.abort();
      }
      for (let index = 0; index < script.length; index++) produce(1);
      await Promise.all(pending);
      assert.deepEqual(got, range(got.length));
    }),
  );
});
