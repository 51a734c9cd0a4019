import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeadLetter } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";
import {
  type Handle,
  type Job,
  Worker,
  type WorkerOptions,
  WorkQueue,
  type WorkQueueOptions,
} from "../../patterns/work-queue.ts";
import { eventually, turn } from "../support/eventually.ts";
import { gate, range } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

/** Queues and workers of one test, closed after it. */
class Shop extends World {
  async queue<T = number>(options: Partial<WorkQueueOptions<T>> = {}): Promise<WorkQueue<T>> {
    const directory = this.directory();
    const bind = "tcp://127.0.0.1:*";
    return this.ends(
      await WorkQueue.open<T>({ directory, bind, graceMs: 50, retryMs: 0, ...options }),
    );
  }

  async worker<T = number>(
    queue: WorkQueue<T>,
    handle: Handle<T>,
    options: Partial<WorkerOptions<T>> = {},
  ): Promise<Worker<T>> {
    const connect = queue.addresses;
    const worker = this.ends(await Worker.start<T>({ connect, ...options }, handle), {
      timeoutMs: 0,
    });
    await worker.ready();
    return worker;
  }

  ends<S extends { close(options?: object): Promise<unknown> }>(some: S, options?: object): S {
    this.socket({ close: async () => void (await some.close(options)) });
    return some;
  }
}

test("work queue: every job is done once, however many workers there are", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue();
  const done: number[] = [];
  for (const _ of range(3))
    await shop.worker(queue, (value) => done.push(value), { concurrency: 4 });
  await Promise.all(range(300).map((value) => queue.add(value)));
  await queue.finished();
  assert.deepEqual(
    done.sort((a, b) => a - b),
    range(300),
  );
  assert.deepEqual(queue.stats(), { unfinished: 0, finished: 300, dead: 0, workers: 3 });
});

test("work queue: a worker does as many jobs at a time as it is told, and no more", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue();
  const open = gate();
  const worker = await shop.worker(queue, () => open.promise, { concurrency: 3 });
  await Promise.all(range(20).map((value) => queue.add(value)));
  await eventually(() => assert.equal(worker.stats().active, 3));
  await turn();
  assert.equal(worker.stats().active, 3);
  open.open();
  await queue.finished();
  assert.deepEqual(worker.stats(), { active: 0, done: 20, failed: 0, queues: 1 });
});

test("work queue: a job that fails is tried again, and is a dead letter in the end", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue({ attemptsMax: 3 });
  const attempts: number[] = [];
  const errors: unknown[] = [];
  const worker = await shop.worker(queue, (value, { attempt }) => {
    if (value === 1) attempts.push(attempt);
    if (value === 1 || attempt === 1) throw new Error("not today");
  });
  worker.on("retry", ({ error }) => errors.push(error));
  await queue.add(2, { confirm: "processed" });
  await assert.rejects(queue.add(1, { confirm: "processed" }), { code: "BROKERLESS_DEAD_LETTER" });
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.equal(errors.length, 4);
  assert.deepEqual(worker.stats(), { active: 0, done: 1, failed: 4, queues: 1 });
  assert.equal(queue.stats().dead, 1);
});

test("work queue: dead letters are browsed, tried anew and forgotten from the producer's end", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue();
  let isRepaired = false;
  const done: number[] = [];
  await shop.worker(queue, (value, job) => {
    if (!isRepaired) job.reject(`cannot do ${value}`);
    else done.push(value);
  });
  await Promise.allSettled(range(3).map((value) => queue.add(value, { confirm: "processed" })));
  const letters: DeadLetter<number>[] = [];
  for await (const letter of queue.deadLetters) letters.push(letter);
  assert.deepEqual(
    letters.map(({ value, reason, attempts }) => [value, reason, attempts]),
    range(3).map((value) => [value, `cannot do ${value}`, 1]),
  );
  isRepaired = true;
  assert.equal(await queue.deadLetters.purge([letters[0]!.seq]), 1);
  assert.equal(await queue.deadLetters.requeue(), 2);
  await queue.finished();
  assert.deepEqual(done, [1, 2]);
  assert.equal(queue.stats().dead, 0);
});

test("work queue: a job that rests holds back no other, with one worker too", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue();
  const done: number[] = [];
  await shop.worker(queue, (value, job) => {
    if (value === 0) job.retry({ delayMs: 1_000_000 });
    else done.push(value);
  });
  await Promise.all(range(20).map((value) => queue.add(value)));
  // Done is before acknowledged, and that before it is known here.
  await eventually(() => assert.equal(queue.stats().unfinished, 1));
  assert.equal(done.length, 19);
});

test("work queue: a job may ask for its next attempt's time", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue({ retryMs: 60_000, retryMsMax: 60_000 });
  const attempts: number[] = [];
  await shop.worker(queue, (_, job) => {
    attempts.push(job.attempt);
    if (job.attempt === 1) job.retry({ delayMs: 1 });
  });
  await queue.add(7, { confirm: "processed" });
  assert.deepEqual(attempts, [1, 2]);
});

test("work queue: a producer that adds again after a crash adds nothing twice", async (t) => {
  const shop = new Shop(t);
  const directory = shop.directory();
  for (const round of range(2)) {
    const queue = await shop.queue({ directory });
    await Promise.all(
      range(50).map((value) => queue.add(value, { deduplicationId: `job ${value}` })),
    );
    await queue.add(50 + round);
    assert.equal(queue.stats().unfinished, 51 + round);
    await queue.close();
  }
});

test("work queue: jobs outlive the producer", async (t) => {
  const shop = new Shop(t);
  const directory = shop.directory();
  const first = await shop.queue({ directory });
  await Promise.all(range(10).map((value) => first.add(value)));
  await first.close();
  const second = await shop.queue({ directory });
  const done: number[] = [];
  await shop.worker(second, (value) => done.push(value));
  await second.finished();
  assert.deepEqual(done, range(10));
});

test("work queue: a busy worker that outlives its queue says later what it has done", async (t) => {
  const shop = new Shop(t);
  const directory = shop.directory();
  const bind = `ipc://${directory}/socket`;
  const first = await shop.queue({ directory: `${directory}/queue`, bind, graceMs: 120_000 });
  const open = gate();
  const ids: string[] = [];
  const worker = await shop.worker(first, async (_, { id }) => {
    ids.push(id);
    await open.promise;
  });
  await first.add(1);
  await eventually(() => assert.equal(worker.stats().active, 1));
  await first.close();
  const second = await shop.queue({ directory: `${directory}/queue`, bind, graceMs: 120_000 });
  open.open();
  await second.finished();
  assert.equal(ids.length, 1);
});

test("work queue: closing a worker finishes what is unacked and leaves the rest to others", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue({ attemptsMax: 1 });
  const open = gate();
  const done: string[] = [];
  const work = (name: string) => async (value: number, job: Job) => {
    if (name === "first") await open.promise;
    assert.equal(job.signal.aborted, false);
    done.push(`${name} ${value}`);
  };
  const first = await shop.worker(queue, work("first"), { concurrency: 2, prefetch: 10 });
  await Promise.all(range(10).map((value) => queue.add(value)));
  await eventually(() => assert.equal(first.stats().active, 2));
  const closed = first.close({ timeoutMs: 20_000 });
  open.open();
  assert.equal(await closed, 0);
  assert.deepEqual(done, ["first 0", "first 1"]);
  await shop.worker(queue, work("second"));
  await queue.finished();
  // With one attempt each, what was not begun would be dead had it counted as one.
  assert.equal(queue.stats().dead, 0);
  assert.deepEqual(
    done.slice(2).sort(),
    range(10)
      .slice(2)
      .map((value) => `second ${value}`),
  );
});

/** How a handler may end at its abort, and whether its job is left to others then. */
const ENDS: readonly (readonly [how: string, end: (job: Job) => unknown, left: 0 | 1])[] = [
  ["resolves", () => {}, 0],
  ["rejects the job", (job) => job.reject("hopeless"), 0],
  ["rejects the job, and throws", (job) => hopeless(job), 0],
  ["throws", ({ signal }) => signal.throwIfAborted(), 1],
  ["asks for another attempt", (job) => job.retry({ delayMs: 0 }), 1],
  ["never ends", () => gate().promise, 1],
];

function hopeless(job: Job): never {
  job.reject("hopeless");
  throw new Error("hopeless");
}

for (const [how, end, left] of ENDS) {
  test(`work queue: close counts what is left to others, where a handler ${how} at its abort`, async (t) => {
    const shop = new Shop(t);
    const queue = await shop.queue();
    const begun = gate();
    const first = await shop.worker(queue, async (_, job) => {
      begun.open();
      await new Promise((resolve) => job.signal.addEventListener("abort", resolve));
      await end(job);
    });
    await queue.add(1);
    await begun.promise;
    assert.equal(await first.close({ timeoutMs: 0 }), left);
    let others = 0;
    await shop.worker(queue, () => {
      others += 1;
    });
    await queue.finished();
    assert.equal(others, left);
  });
}

test("work queue: what is not finished when closing takes too long goes to others, as an attempt", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue();
  const open = gate();
  const jobs: Job[] = [];
  const first = await shop.worker(queue, (_, job) => {
    jobs.push(job);
    return open.promise;
  });
  await queue.add(1);
  await eventually(() => assert.equal(jobs.length, 1));
  assert.equal(await first.close({ timeoutMs: 1 }), 1);
  assert.equal(jobs[0]!.signal.reason?.code, "BROKERLESS_CLOSED");
  await shop.worker(queue, (_, job) => jobs.push(job));
  await queue.finished();
  assert.deepEqual(
    jobs.map(({ attempt }) => attempt),
    [1, 2],
  );
  assert.equal(jobs[0]!.id, jobs[1]!.id);
  // What the first says when it is too late counts for nothing, and harms nobody.
  open.open();
  await turn();
});

test("work queue: a job may take longer than its lease while its worker is alive", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue({ leaseMs: 1_500 });
  const attempts: number[] = [];
  const handle: Handle<number> = async (_, job) => {
    attempts.push(job.attempt);
    const startedMs = performance.now();
    // What is tested is a job of some length, two leases and more here.
    await eventually(() => assert.ok(performance.now() - startedMs > 3_500, "still at work"));
    assert.equal(job.signal.aborted, false);
  };
  for (const _ of range(2)) await shop.worker(queue, handle);
  await queue.add(1, { confirm: "processed" });
  assert.deepEqual(attempts, [1]);
});

test("work queue: a job that takes longer than jobMsMax is told, and given to another", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue({ leaseMs: 30 });
  const reasons: string[] = [];
  let begun = 0;
  // By begins, not by attempts: on a busy machine the first lease may be over before a handler has the job.
  const handle: Handle<number> = (_, { signal }) => {
    begun += 1;
    if (begun > 1) return;
    return new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason.message);
        resolve();
      });
    });
  };
  // The first resolves when it is told, which must not make the job done.
  for (const _ of range(2)) await shop.worker(queue, handle, { jobMsMax: 40 });
  await queue.add(1, { confirm: "processed" });
  // The one that is too late is told on another connection than the one that has done it.
  await eventually(() => assert.equal(reasons.length, 1));
  assert.match(reasons[0]!, /longer than 40 ms|another worker/);
});

test("work queue: with an inbox a worker's restart repeats nothing that it has done", async (t) => {
  const shop = new Shop(t);
  const queue = await shop.queue();
  const inbox = shop.directory();
  const done: number[] = [];
  for (const round of range(3)) {
    const worker = await shop.worker(queue, (value) => done.push(value), { inbox });
    await Promise.all(range(20).map((value) => queue.add(round * 20 + value)));
    await queue.finished();
    await worker.close();
  }
  assert.deepEqual(done, range(60));
});

test("work queue: a second producer on the same directory is refused", async (t) => {
  const shop = new Shop(t);
  const directory = shop.directory();
  await shop.queue({ directory });
  await assert.rejects(shop.queue({ directory }), { code: "BROKERLESS_LOCKED" });
});

test("work queue: an address that is taken leaves the directory free", async (t) => {
  const shop = new Shop(t);
  const other = await shop.queue();
  const directory = shop.directory();
  await assert.rejects(shop.queue({ directory, bind: other.addresses[0] }), {
    code: "BROKERLESS_ADDRESS",
  });
  const journal = await FileJournal.open(directory);
  await journal.close();
});

test("work queue: wrong options are refused, and leave nothing open", async (t) => {
  const shop = new Shop(t);
  const directory = shop.directory();
  const wrong = { directory, attempts: 3 } as never;
  await assert.rejects(WorkQueue.open(wrong), { name: "TypeError", message: /attempts/ });
  await assert.rejects(shop.queue({ directory: "" }), TypeError);
  const connect = "tcp://127.0.0.1:1";
  const nothing = () => {};
  for (const options of [
    { connect, concurrency: 0 },
    { connect, concurrency: 1.5 },
    { connect, jobMsMax: 0 },
    { connect, prefetch: 0 },
    { connect: "127.0.0.1:1" },
    { connect: [] },
    { connect, lease: 1 } as never,
  ]) {
    const inbox = shop.directory();
    await assert.rejects(Worker.start({ ...options, inbox }, nothing), TypeError);
    await (await FileJournal.open(inbox)).close();
  }
  await assert.rejects(Worker.start({ connect }, null as never), TypeError);
  const queue = await shop.queue({ directory });
  const worker = await shop.worker(queue, nothing);
  assert.throws(() => worker.close({ timeoutMs: -1 }), TypeError);
});
