import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
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
import {
  FileJournal,
  JournalView,
  LmdbJournal,
  MemoryJournal,
  repairJournal,
} from "../../lib/journal/index.ts";
import { quiet } from "../../lib/wait.ts";
import { runSink, runSource, runStage } from "../../patterns/pipeline.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { assertRefused, type Calls } from "../support/calls.ts";
import { open, range } from "../support/fixtures.ts";

class Settings {
  readonly timeoutMs = 1;
}

/** Null, and what has its values elsewhere than an object of names and values. */
const NO_OPTIONS = [
  null,
  7,
  "text",
  [],
  new Map([["timeoutMs", 1]]),
  new AbortController(),
  new AbortController().signal,
  new Headers(),
  new Settings(),
];
const NO_HANDLERS = [undefined, null, {}, "handler", 7];

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

test("arguments: options that are null or no plain object are a TypeError that names the call", async (t) => {
  const push = open(t, new Push());
  const durable = open(t, new Push({ reliable: true }));
  const publisher = open(t, new Publisher());
  const dealer = open(t, new Dealer());
  const router = open(t, new Router());
  const requester = open(t, new Requester());
  const replier = open(t, new Replier());
  const subscriber = open(t, new Subscriber());
  const pull = open(t, new Pull());
  const reliable = open(t, new Pull({ reliable: true }));
  const worker = await Worker.start({ connect: "inproc://no-queue" }, () => {});
  t.after(() => worker.close());
  const directory = await temporary(t);
  const file = await FileJournal.open(directory);
  const view = await JournalView.open(directory);
  const queue = open(t, await WorkQueue.open({ directory: join(directory, "queue") }));
  const handle = (): void => {};
  const calls: Calls = {
    "send of a plain Push": (options) => push.send(1, options),
    "send of a reliable Push": (options) => durable.send(1, options),
    "send of a Dealer": (options) => dealer.send(1, options),
    "send of a Router": (options) => router.send("peer", 1, options),
    publish: (options) => publisher.publish("topic", 1, options),
    request: (options) => requester.request(1, options),
    serve: (options) => replier.serve(handle, options),
    "receive of a plain Pull": (options) => pull.receive(options),
    "receive of a reliable Pull": (options) => reliable.receive(options),
    "run of a plain Pull": (options) => pull.run(handle, options),
    "run of a reliable Pull": (options) => reliable.run(handle, options),
    "run of a Subscriber": (options) => subscriber.run(handle, options),
    ready: (options) => push.ready(options),
    drain: (options) => durable.drain(options),
    once: (options) => push.once("error", options),
    "Push: writable": (options) => push.writable(options),
    "Publisher: writable": (options) => publisher.writable("topic", options),
    Push: (options) => new Push(options),
    Pull: (options) => new Pull(options),
    MemoryJournal: (options) => new MemoryJournal(options),
    FileJournal: (options) => FileJournal.open(directory, options),
    LmdbJournal: (options) => LmdbJournal.open(directory, options),
    read: (options) => view.read(options),
    append: (options) => file.append(Buffer.from("a"), options),
    repairJournal: (options) => repairJournal(directory, undefined, options),
    "Worker.start": (options) => Worker.start(options, handle),
    "Worker.close": (options) => worker.close(options),
    "WorkQueue.open": (options) => WorkQueue.open(options),
    "WorkQueue.add": (options) => queue.add(1, options),
    "WorkQueue.writable": (options) => queue.writable(options),
    runSource: runSource as never,
    runStage: runStage as never,
    runSink: runSink as never,
  };
  const text = (call: string) => new RegExp(`^${call}.*: options must be a plain object`);
  await assertRefused(calls, NO_OPTIONS, text);
  for (const socket of [push, durable]) assert.equal(socket.stats().queuedMessages, 0);
  assert.equal(file.seqNext, 1);
  const bare = Object.assign(Object.create(null), { confirm: "queued" });
  await durable.send(1, bare);
  await queue.close();
  await file.close();
});

test("arguments: a handler that is no function is a TypeError at once, and takes no message", async (t) => {
  const push = open(t, new Push<number>({ reliable: true, attemptsMax: 1 }));
  const pull = open(t, new Pull<number>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const sockets = [pull, open(t, new Pull()), open(t, new Subscriber())];
  const replier = open(t, new Replier());
  const running = NO_HANDLERS.flatMap((handler) => [
    ...sockets.map((socket) => quiet(socket.run(handler as never))),
    quiet(replier.serve(handler as never)),
  ]);
  void pull.run(() => {});
  await Promise.all(range(20).map((n) => push.send(n, { confirm: "processed" })));
  for (const run of running) {
    await assert.rejects(run, { name: "TypeError", message: /: handler must be a function, got / });
  }
  const stage = { work: pull, results: push, signal: new AbortController().signal };
  const calls: Calls = {
    "Worker:": (handler) => Worker.start({ connect: "inproc://no-queue" }, handler),
    runStage: (step) => runStage({ ...stage, step } as never),
    runSink: (given) => runSink({ results: pull, take: given } as never),
  };
  await assertRefused(calls, NO_HANDLERS, (call) => new RegExp(`^${call}.* must be a function`));
});

test("arguments: headers in a Map or a Headers are a TypeError, and are not dropped", async (t) => {
  const push = open(t, new Push());
  const reliable = open(t, new Push({ reliable: true }));
  const publisher = open(t, new Publisher());
  const dealer = open(t, new Dealer());
  const requester = open(t, new Requester());
  const journal = new MemoryJournal();
  const calls: Calls = {
    "send of a plain Push": (headers) => push.send(1, { headers }),
    "send of a reliable Push": (headers) => reliable.send(1, { headers }),
    "send of a Dealer": (headers) => dealer.send(1, { headers }),
    publish: (headers) => publisher.publish("topic", 1, { headers }),
    request: (headers) => requester.request(1, { headers }),
    entry: (headers) => journal.append({ value: Buffer.from("a"), headers }),
  };
  const odd = [
    null,
    new Map([["a", "1"]]),
    new Headers({ a: "1" }),
    new URLSearchParams("a=1"),
    ["a"],
    new (class {
      readonly a = "1";
    })(),
  ];
  await assertRefused(
    calls,
    odd,
    (call) => new RegExp(`^${call}:? headers must be a plain object of names and texts, got `),
  );
  for (const socket of [push, reliable]) assert.equal(socket.stats().queuedMessages, 0);
  assert.equal(journal.seqNext, 1);
});

test("arguments: what makes a socket reliable contradicts reliable: false", async (t) => {
  const journal = new MemoryJournal();
  // Types refuse it too, where they are asked.
  const untyped: object = { reliable: false };
  assert.throws(() => new Push({ ...untyped, journal }), {
    name: "TypeError",
    message: /^Push: option "journal" contradicts reliable: false/,
  });
  assert.throws(() => new Pull({ ...untyped, inbox: journal }), {
    name: "TypeError",
    message: /^Pull: option "inbox" contradicts reliable: false/,
  });
  open(t, new Push({ reliable: false, journal: undefined }));
  open(t, new Pull({ reliable: false, inbox: undefined }));
  open(t, new Push({ reliable: true, journal }));
});

test("arguments: a plain Push refuses the confirm levels of the ack layer", (t) => {
  // Types refuse it too, where they are asked.
  for (const plain of [{}, { reliable: false }, { journal: undefined }] as object[]) {
    for (const confirm of ["stored", "delivered", "processed"]) {
      assert.throws(() => new Push({ ...plain, confirm } as object), {
        name: "TypeError",
        message: `Push: option "confirm": the level "${confirm}" needs reliable: true, or a journal`,
      });
    }
    open(t, new Push({ ...plain, confirm: "queued" } as object));
    open(t, new Push({ ...plain, confirm: undefined } as object));
  }
  open(t, new Push({ reliable: true, confirm: "processed" }));
  open(t, new Push({ journal: new MemoryJournal(), confirm: "delivered" }));
});

test("arguments: a plain socket refuses the other options of the ack layer, and says what they need", () => {
  const journal = { graceMs: 1, leaseMs: 10, order: "none", overflow: "reject", retryMs: 1 };
  for (const [name, value] of Object.entries(journal)) {
    assert.throws(() => new Push({ [name]: value }), {
      name: "TypeError",
      message: `Push: option "${name}" needs reliable: true, or a journal`,
    });
  }
  for (const name of ["prefetch", "prefetchBytesMax"]) {
    assert.throws(() => new Pull({ [name]: 1 }), {
      name: "TypeError",
      message: `Pull: option "${name}" needs reliable: true, or an inbox`,
    });
  }
});

test("arguments: a Requester and a Replier refuse limits of batches, which would do nothing", (t) => {
  const text = /option "batch" has no effect here: each request and reply is a frame of its own$/;
  for (const batch of [{}, { batchBytesMax: 1 }, true]) {
    const options: object = { batch };
    assert.throws(() => new Requester(options), { name: "TypeError", message: text });
    assert.throws(() => new Replier(options), { name: "TypeError", message: text });
  }
  const shared: object = { batch: false };
  open(t, new Requester(shared));
  open(t, new Replier(shared));
});

test("arguments: dead letters are named by an array of seqs", async (t) => {
  const push = open(t, new Push({ reliable: true }));
  const letters = push.deadLetters;
  const calls: Calls = {
    requeue: (seqs) => letters.requeue(seqs),
    purge: (seqs) => letters.purge(seqs),
  };
  const odd = [null, 7, "1", {}, new Set([1])];
  await assertRefused(calls, odd, (call) => new RegExp(`^${call}: seqs must be an array, got `));
  await assertRefused(
    calls,
    [[1], [null]],
    (call) =>
      new RegExp(`^${call}: seqs must be those of dead letters of this stream, .*, got (1|null)$`),
  );
});

test("arguments: times of a call may have parts of a millisecond, and are finite and not negative", async (t) => {
  const push = open(t, new Push({ reliable: true }));
  const pull = open(t, new Pull({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  void push.send("again");
  const deliveries = pull.deliveries();
  const next = async () => (await deliveries.next()).value as ReliableDelivery<unknown>;
  const delivery = await next();
  const worker = await Worker.start({ connect: "inproc://no-queue" }, () => {});
  const calls: Calls = {
    "nack: delayMs": (delayMs) => delivery.nack({ delayMs }),
    extend: (ms) => delivery.extend(ms),
    "drain: timeoutMs": (timeoutMs) => push.drain({ timeoutMs }),
    "Worker.close: timeoutMs": (timeoutMs) => worker.close({ timeoutMs }),
  };
  const odd = [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, "1", null, {}];
  await assertRefused(calls, odd, (call) => new RegExp(`^${call}.* must be a number`));
  assert.equal(delivery.isAcknowledged, false);
  delivery.extend(1_000.5);
  delivery.nack({ delayMs: 0.25 });
  const again = await next();
  assert.deepEqual([again.value, again.attempt], ["again", 2]);
  again.ack();
  await push.drain({ timeoutMs: 60_000.5 });
  await worker.close({ timeoutMs: 0.5 });
});
