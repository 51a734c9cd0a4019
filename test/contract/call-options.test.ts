import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  type ReliableDelivery,
  Replier,
  Requester,
  Router,
  Subscriber,
} from "../../lib/index.ts";
import { FileJournal, JournalView, MemoryJournal, repairJournal } from "../../lib/journal/index.ts";
import { runSink, runSource, runStage } from "../../patterns/pipeline.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { open } from "../support/fixtures.ts";

/** Options that nobody knows, as plain JavaScript may give them. */
const UNKNOWN = { nothing: 1 } as never;
const SECOND = { nothing: undefined } as never;

type Calls = Readonly<Record<string, (options: never) => unknown>>;

async function refused(call: (options: never) => unknown, options: never): Promise<TypeError> {
  try {
    await call(options);
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error));
    return error;
  }
  return assert.fail("it was taken");
}

/** @param known of what each call says that it knows, at least one */
async function assertRefused(calls: Calls, known: RegExp): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    for (const options of [UNKNOWN, SECOND]) {
      const { message } = await refused(call, options);
      assert.match(message, /unknown option "nothing"; expected one of /, name);
      assert.match(message, known, name);
    }
    await refused(call, 7 as never);
  }
}

function sockets(t: TestContext) {
  return {
    push: open(t, new Push()),
    durable: open(t, new Push({ reliable: true })),
    publisher: open(t, new Publisher()),
    dealer: open(t, new Dealer()),
    router: open(t, new Router()),
    pull: open(t, new Pull()),
    reliable: open(t, new Pull({ reliable: true })),
    subscriber: open(t, new Subscriber()),
    requester: open(t, new Requester()),
    replier: open(t, new Replier()),
  };
}

test("call options: an unknown name is a TypeError in every call that sends or receives", async (t) => {
  const s = sockets(t);
  const sends: Calls = {
    push: (options) => s.push.send(1, options),
    durable: (options) => s.durable.send(1, options),
    publish: (options) => s.publisher.publish("a", 1, options),
    dealer: (options) => s.dealer.send(1, options),
    router: (options) => s.router.send("peer", 1, options),
  };
  await assertRefused(sends, /confirm, deduplicationId, headers, signal, timeoutMs$/);
  const receives: Calls = Object.fromEntries(
    [s.pull, s.reliable, s.subscriber, s.dealer, s.router].map((socket, index) => [
      `receive ${index}`,
      (options: never) => socket.receive(options),
    ]),
  );
  await assertRefused(receives, /one of signal, timeoutMs$/);
  const runs: Calls = {
    pull: (options) => s.pull.run(() => {}, options),
    reliable: (options) => s.reliable.run(() => {}, options),
    subscriber: (options) => s.subscriber.run(() => {}, options),
    serve: (options) => s.replier.serve(() => 1, options),
  };
  await assertRefused(runs, /one of concurrency, signal$/);
  await assertRefused({ request: (options) => s.requester.request(1, options) }, /resend/);
  for (const socket of Object.values(s)) {
    assert.equal(socket.stats().queuedMessages, 0);
    await assertRefused({ ready: (options) => socket.ready(options) }, /peers, signal/);
    const waits: Calls = {
      drain: (options) => socket.drain(options),
      once: (options) => (socket as Push).once("error", options),
    };
    await assertRefused(waits, /one of signal, timeoutMs$/);
  }
});

test("call options: a wrong time limit is a rejection, never thrown, in every call that returns a promise", async (t) => {
  const s = sockets(t);
  const wrong = { timeoutMs: 3e9 };
  const calls = [
    ...[s.pull, s.reliable, s.subscriber, s.dealer, s.router].map(
      (socket) => () => socket.receive(wrong),
    ),
    ...[s.push, s.durable, s.dealer].map((socket) => () => socket.send(1, wrong)),
    () => s.router.send("peer", 1, wrong),
    () => s.publisher.publish("a", 1, wrong),
    () => s.requester.request(1, wrong),
    ...Object.values(s).flatMap((socket) => [
      () => socket.ready(wrong),
      () => socket.drain(wrong),
      () => (socket as Push).once("error", wrong),
    ]),
  ];
  for (const call of calls) await assert.rejects(call(), TypeError);
});

test("call options: a receive that has a message refuses an unknown name too, and takes nothing", async (t) => {
  for (const reliability of [{}, { reliable: true }]) {
    const push = open(t, new Push(reliability));
    const pull = open(t, new Pull(reliability));
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    for (const value of [1, 2, 3]) void push.send(value);
    assert.equal(await pull.receive(), 1);
    await refused((options) => pull.receive(options), UNKNOWN);
    assert.deepEqual([await pull.receive(), await pull.receive()], [2, 3]);
  }
});

test("call options: an answer with an unknown name is a TypeError, and no answer", async (t) => {
  const push = open(t, new Push({ reliable: true }));
  const pull = open(t, new Pull({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const processed = push.send(1, { confirm: "processed" });
  const { value } = await pull.deliveries().next();
  const delivery = value as ReliableDelivery<unknown>;
  await assertRefused({ nack: (options) => delivery.nack(options) }, /one of delayMs, error$/);
  await assertRefused({ reject: (options) => delivery.reject("", options) }, /one of error$/);
  await assertRefused({ ack: (options) => delivery.ack(options) }, /one of effect$/);
  assert.equal(delivery.isAcknowledged, false);
  delivery.ack();
  await processed;
});

test("call options: an unknown name is a TypeError in the calls of journals", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(directory, { recursive: true }));
  const journals = [new MemoryJournal(), await FileJournal.open(directory)];
  const view = await JournalView.open(directory);
  for (const journal of journals) {
    await assertRefused(
      { append: (options) => journal.append(Buffer.from("a"), options) },
      /one of values$/,
    );
    assert.equal(journal.seqNext, 1);
  }
  const reads: Calls = Object.fromEntries(
    [...journals, view].map((journal, index) => [
      `read ${index}`,
      (options: never) => journal.read(options),
    ]),
  );
  await assertRefused(reads, /one of follow, from, onMissing, signal$/);
  const repair = (options: never) => repairJournal(directory, undefined, options);
  await assertRefused({ repair }, /one of newStream$/);
  for (const journal of journals) await journal.close();
});

test("call options: an unknown name is a TypeError in the calls of patterns", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(directory, { recursive: true }));
  const queue = open(t, await WorkQueue.open({ directory }));
  const worker = await Worker.start({ connect: "inproc://no-queue" }, () => {});
  t.after(() => worker.close());
  const calls: Calls = {
    add: (options) => queue.add(1, { ...(options as object) }),
    finished: (options) => queue.finished(options),
    "queue.once": (options) => queue.once("error", options),
    "worker.once": (options) => worker.once("error", options),
    ready: (options) => worker.ready(options),
    close: (options) => worker.close(options),
    runSource: runSource as never,
    runStage: runStage as never,
    runSink: runSink as never,
  };
  for (const [name, call] of Object.entries(calls)) {
    assert.match((await refused(call, UNKNOWN)).message, /unknown option "nothing"/, name);
  }
  assert.equal(queue.stats().unfinished, 0);
  await queue.close();
});

test("call options: a work queue and a worker name their own options, and make nothing where one is wrong", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(home, { recursive: true }));
  const directory = join(home, "queue");
  const inbox = join(home, "inbox");
  const open = (options: object) => WorkQueue.open({ directory, ...options });
  const start = (options: object) =>
    Worker.start({ connect: "inproc://no-queue", inbox, ...options }, () => {});
  const ofQueue = (await refused(open, UNKNOWN)).message;
  assert.match(
    ofQueue,
    /^WorkQueue\.open: unknown option "nothing"; .*\bbind, .*\bdirectory, .*\bsync$/,
  );
  const ofWorker = (await refused(start, UNKNOWN)).message;
  assert.match(
    ofWorker,
    /^Worker\.start: unknown option "nothing"; .*\bconcurrency, .*\bconnect, /,
  );
  // What they decide themselves is no option.
  for (const name of ["reliable", "journal", "confirm", "order"]) {
    assert.doesNotMatch(ofQueue, new RegExp(`\\b${name}\\b`));
    await refused(open, { [name]: undefined } as never);
  }
  await refused(start, { reliable: true } as never);
  const { message } = await refused(open, { attempts: 3 } as never);
  assert.match(message, /unknown option "attempts" \(did you mean attemptsMax\?\); expected/);
  assert.deepEqual(await readdir(home), []);
  for (const call of [WorkQueue.open, (options: never) => Worker.start(options, () => {})]) {
    await refused(call as never, undefined as never);
  }
});

test("call options: a name that was probably meant is named", async (t) => {
  const { requester, push } = sockets(t);
  const guesses: readonly [call: () => unknown, guess: string][] = [
    [() => requester.request(1, { timeout: 5 } as never), "timeoutMs"],
    [() => push.send(1, { timeoutMS: 5 } as never), "timeoutMs"],
    [() => new Push({ reliable: true, attempts: 3 } as never), "attemptsMax"],
    [() => new Push({ reliable: true, retry: 3 } as never), "retryMs"],
    [() => new Push({ reliable: true, retyrMs: 3 } as never), "retryMs"],
    [() => new Pull({ reliable: true, prefech: 3 } as never), "prefetch"],
    [() => new Pull({ securty: "none" } as never), "security"],
  ];
  for (const [call, guess] of guesses) {
    const { message } = await refused(call, undefined as never);
    assert.ok(message.includes(`(did you mean ${guess}?); expected one of `), message);
  }
  for (const name of ["a", "ms", "colour", "x".repeat(20), "timeout".repeat(5)]) {
    const { message } = await refused(() => new Push({ [name]: 1 } as never), undefined as never);
    assert.ok(!message.includes("did you mean"), message);
  }
});

test("call options: an unknown event is a TypeError, and every known one is taken", async (t) => {
  const listener = () => {};
  for (const socket of Object.values(sockets(t)) as Push[]) {
    const known =
      /unknown event "deadletter" \(did you mean deadLetter\?\); expected one of deadLetter, .*\bretry\b/;
    assert.throws(() => socket.on("deadletter" as never, listener), known);
    await assert.rejects(socket.once("deadletter" as never), known);
    socket.on("deadLetter", listener)();
    const subscribers = () => socket.on("subscribers" as never, listener);
    if ((socket as object) instanceof Publisher) subscribers()();
    else assert.throws(subscribers, TypeError);
  }
});
