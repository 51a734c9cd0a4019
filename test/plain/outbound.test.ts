import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFraming } from "../../lib/batch/framing/create-framing.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import type { Schema } from "../../lib/core/schema.ts";
import type { SendOptions } from "../../lib/core/send-options.ts";
import { COMMON_DEFAULTS, type ResolvedCommon } from "../../lib/core/socket-options.ts";
import type { BrokerlessError } from "../../lib/errors.ts";
import { type Codec, type CommonOptions, raw } from "../../lib/index.ts";
import { AddressedFrameSink } from "../../lib/plain/frame-sink.ts";
import { Outbound } from "../../lib/plain/outbound.ts";
import { turn } from "../support/eventually.ts";
import { range } from "../support/fixtures.ts";

/** Gives `answer` for every value, at once or later. */
function schemaOf(answer: (value: unknown) => unknown): Schema {
  const validate = (value: unknown): never => answer(value) as never;
  return { "~standard": { version: 1, vendor: "test", validate } };
}

interface Options {
  readonly common?: Partial<CommonOptions>;
  readonly schema?: Schema;
  readonly codec?: Codec<never>;
}

/** A way out whose native socket takes a frame when the test says so. */
function setUp({ common, schema, codec }: Options = {}) {
  const resolved = { ...COMMON_DEFAULTS, ...common } as ResolvedCommon;
  const used = (codec ?? msgpack()) as Codec<unknown>;
  const framing = createFraming(used, { batched: resolved.batch !== false, countMax: 1_000_000 });
  const sent: unknown[] = [];
  const refused: BrokerlessError[] = [];
  let release: (() => void) | null = null;
  let stuck = false;
  const outbound = new Outbound<null>({
    common: resolved,
    codec: used,
    schema: schema ?? null,
    sink: (writer) => new AddressedFrameSink(writer, { peers: () => 1, address: (frame) => frame }),
    firstKey: null,
    send: async (message) => {
      if (stuck) await new Promise<void>((resolve) => (release = resolve));
      sent.push(...framing.decode(message as Buffer));
    },
    onFailed: () => assert.fail("the fake never fails"),
    onRefused: (error) => refused.push(error),
  });
  const block = (): void => {
    stuck = true;
  };
  /** Takes one frame, or all from now on. */
  const take = async (how: "one" | "all"): Promise<void> => {
    if (how === "all") stuck = false;
    const resolve = release;
    release = null;
    resolve?.();
    await turn();
  };
  const send = (value: unknown, options?: SendOptions) => outbound.send(value, null, options);
  return { outbound, sent, refused, block, take, send };
}

/** Room for one message, then every call waits. */
const NARROW = { common: { queueBytesMax: 1 } } as const;

/** Fills a narrow one: one message is under way, the next ones wait. */
function fill(out: ReturnType<typeof setUp>): void {
  out.block();
  void out.send(0);
}

test("outbound: while one call waits, all later ones wait behind it", async () => {
  const out = setUp(NARROW);
  fill(out);
  const calls = [out.send(1), out.send(2, { timeoutMs: 60_000 }), out.send(3)];
  assert.equal(out.outbound.trySend(9, null), false);
  assert.equal(out.outbound.stats().waitingSends, 3);
  await out.take("all");
  await Promise.all(calls);
  assert.deepEqual(out.sent, [0, 1, 2, 3]);
});

test("outbound: calls with options, without, and with a schema leave in the order of the calls", async () => {
  const out = setUp({ schema: schemaOf((value) => ({ value })) });
  const { signal } = new AbortController();
  void out.send(1, { signal });
  void out.send(2);
  assert.equal(out.outbound.trySend(3, null), true);
  void out.send(4, { timeoutMs: 5 });
  void out.send(5, { confirm: "queued" });
  await out.outbound.drain(undefined);
  assert.deepEqual(out.sent, [1, 2, 3, 4, 5]);
});

test("outbound: checks that end in another order change nothing, and harm nobody", async () => {
  const ends: (() => void)[] = [];
  const schema = schemaOf(
    (value) =>
      new Promise((resolve) => {
        const issues = [{ message: "odd" }];
        ends.push(() => resolve((value as number) % 2 === 0 ? { value } : { issues }));
      }),
  );
  const out = setUp({ schema });
  const calls = range(6).map((value) => out.send(value));
  assert.equal(ends.length, 6);
  for (const end of ends.reverse()) {
    end();
    await turn();
  }
  const results = await Promise.allSettled(calls);
  await out.outbound.drain(undefined);
  assert.deepEqual(out.sent, [0, 2, 4]);
  assert.deepEqual(
    results.map(({ status }) => status === "fulfilled"),
    [true, false, true, false, true, false],
  );
  assert.deepEqual(
    out.refused.map(({ code }) => code),
    new Array(3).fill("BROKERLESS_SCHEMA"),
  );
});

test("outbound: what a schema throws is the cause of a refusal, which is counted once", async () => {
  const cause = new RangeError("mine");
  const schema = schemaOf(() => {
    throw cause;
  });
  const out = setUp({ schema });
  await assert.rejects(out.send(1), { code: "BROKERLESS_SCHEMA", message: /: mine$/, cause });
  assert.throws(() => out.outbound.trySend(1, null), { code: "BROKERLESS_SCHEMA", cause });
  assert.equal(out.outbound.stats().sendsRefused, 1);
});

test("outbound: trySend with an asynchronous schema is a TypeError, whatever the check says", async () => {
  const out = setUp({ schema: schemaOf(async () => ({ issues: [{ message: "no" }] })) });
  assert.throws(() => out.outbound.trySend(1, null), TypeError);
  await turn();
  await turn();
});

test("outbound: wrong options are TypeErrors although there is room, and nothing is sent", async () => {
  const out = setUp();
  const wrong: readonly unknown[] = [
    { timeoutMs: -1 },
    { timeoutMs: "1" },
    { signal: {} },
    { confirm: "stored" },
    { confirm: "sent" },
  ];
  for (const options of wrong) {
    await assert.rejects(out.send(1, options as SendOptions), TypeError, JSON.stringify(options));
  }
  await out.outbound.drain(undefined);
  assert.deepEqual(out.sent, []);
});

test("outbound: a call that gives up is not sent, and those behind it are", async () => {
  const out = setUp(NARROW);
  fill(out);
  const controller = new AbortController();
  const first = out.send(1, { signal: controller.signal });
  const second = out.send(2, { timeoutMs: 1 });
  const third = out.send(3);
  controller.abort(new RangeError("mine"));
  await assert.rejects(first, { name: "RangeError", message: "mine" });
  await assert.rejects(second, { code: "BROKERLESS_TIMEOUT", retryable: true });
  assert.equal(out.outbound.stats().waitingSends, 1);
  await out.take("all");
  await third;
  assert.deepEqual(out.sent, [0, 3]);
});

test("outbound: a call whose time limit passes while its room is there is sent", async (t) => {
  const out = setUp(NARROW);
  fill(out);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const late = out.send(1, { timeoutMs: 0 });
  t.mock.timers.tick(1);
  t.mock.timers.reset();
  await out.take("all");
  await late;
  assert.deepEqual(out.sent, [0, 1]);
});

test("outbound: drain waits for the calls that waited before it, however they end", async () => {
  const out = setUp({ common: { queueBytesMax: 1, messageBytesMax: 10 } });
  fill(out);
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [out.send(1), out.send("far too large"), out.send(3, { signal }), out.send(4)];
  const log: string[] = [];
  const drained = out.outbound.drain(undefined).then(() => log.push(`drained ${out.sent}`));
  calls.push(out.send(5));
  controller.abort();
  await out.take("one");
  await out.take("one");
  assert.deepEqual(log, []);
  await out.take("one");
  await drained;
  assert.deepEqual(log, ["drained 0,1,4"]);
  assert.deepEqual(
    out.refused.map(({ code }) => code),
    ["BROKERLESS_TOO_LARGE"],
  );
  await out.take("all");
  const settled = await Promise.allSettled(calls);
  assert.deepEqual(
    settled.map(({ status }) => status === "fulfilled"),
    [true, false, false, true, true],
  );
});

test("outbound: drain ends when the last call that waited gives up", async () => {
  const out = setUp(NARROW);
  fill(out);
  const controller = new AbortController();
  const call = out.send(1, { signal: controller.signal });
  let drained = false;
  void out.outbound.drain(undefined).then(() => {
    drained = true;
  });
  await out.take("one");
  await turn();
  controller.abort();
  await out.take("all");
  await turn();
  assert.equal(drained, true);
  await call.catch(() => {});
});

test("outbound: drain waits for values that are still being checked", async () => {
  const schema = schemaOf(async (value) => {
    await turn();
    return { value };
  });
  const out = setUp({ schema });
  for (const value of range(3)) void out.send(value);
  await out.outbound.drain(undefined);
  assert.deepEqual(out.sent, [0, 1, 2]);
});

test("outbound: drain with nothing to wait for resolves, and so does each of many", async () => {
  const out = setUp();
  await out.outbound.drain(undefined);
  void out.send(1);
  await Promise.all(range(5).map(() => out.outbound.drain({ timeoutMs: 60_000 })));
  assert.deepEqual(out.sent, [1]);
});

test("outbound: a drain that gives up leaves the others", async () => {
  const out = setUp(NARROW);
  fill(out);
  const other = out.outbound.drain(undefined);
  await assert.rejects(out.outbound.drain({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
  await assert.rejects(
    out.outbound.drain({ signal: AbortSignal.abort("mine") }),
    (e) => e === "mine",
  );
  await out.take("all");
  await other;
});

test("outbound: close rejects calls and drains that wait, and sends nothing more", async () => {
  const out = setUp(NARROW);
  fill(out);
  const call = out.send(1);
  const drain = out.outbound.drain(undefined);
  out.outbound.close();
  await assert.rejects(call, { code: "BROKERLESS_CLOSED", retryable: false });
  await assert.rejects(drain, { code: "BROKERLESS_CLOSED" });
  await assert.rejects(out.send(2), { code: "BROKERLESS_CLOSED" });
  assert.throws(() => out.outbound.trySend(2, null), { code: "BROKERLESS_CLOSED" });
  await out.take("all");
  assert.deepEqual(out.sent, [0]);
});

test("outbound: what is refused while it waits is counted and reported like the rest", async () => {
  const out = setUp({ common: { queueBytesMax: 1, messageBytesMax: 10 } });
  fill(out);
  const waiting = out.send("x".repeat(100));
  await out.take("all");
  await assert.rejects(waiting, { code: "BROKERLESS_TOO_LARGE" });
  await assert.rejects(out.send("x".repeat(100)), { code: "BROKERLESS_TOO_LARGE" });
  await assert.rejects(
    out.send(() => {}),
    { code: "BROKERLESS_CODEC" },
  );
  assert.throws(() => out.outbound.trySend("x".repeat(100), null), {
    code: "BROKERLESS_TOO_LARGE",
  });
  // The last one threw, so that nobody can have missed it.
  assert.equal(out.outbound.stats().sendsRefused, 3);
  assert.equal(out.refused.length, 3);
});

test("outbound: a queue of empty frames is bounded too", () => {
  const out = setUp({
    codec: raw() as Codec<never>,
    common: { batch: false, queueBytesMax: 100_000 },
  });
  out.block();
  let accepted = 0;
  while (out.outbound.trySend(new Uint8Array(0), null)) {
    accepted += 1;
    assert.ok(accepted < 1_000, "the queue has no bound");
  }
  assert.ok(accepted > 100);
});

test("outbound: the gauges say what is queued, and the counters what has left", async () => {
  const out = setUp({ common: { batch: false } });
  out.block();
  for (const value of range(10)) void out.send(value);
  const before = out.outbound.stats();
  assert.deepEqual([before.queuedMessages, before.queuedBytes, before.messagesSent], [10, 20, 0]);
  await out.take("all");
  const { queuedMessages, queuedBytes, messagesSent, framesSent, bytesSent } = out.outbound.stats();
  assert.deepEqual(
    [queuedMessages, queuedBytes, messagesSent, framesSent, bytesSent],
    [0, 0, 10, 10, 20],
  );
});

test("outbound: 100,000 calls that wait are admitted in their order, in time proportional to them", async () => {
  const out = setUp({ common: { queueBytesMax: 1_000 } });
  fill(out);
  for (let value = 1; value < 100_000; value++) void out.send(value);
  await out.take("all");
  while (out.sent.length < 100_000) await turn();
  assert.deepEqual(out.sent, range(100_000));
});

type Step =
  | "send"
  | "send limited"
  | "send and abort"
  | "try"
  | "large"
  | "take"
  | "turn"
  | "drain";

test("outbound: whatever is called, what was accepted leaves once and in order, and nothing else does", async () => {
  const step = fc.constantFrom<Step>(
    "send",
    "send",
    "send limited",
    "send and abort",
    "try",
    "large",
    "take",
    "turn",
    "drain",
  );
  const queueBytesMax = fc.constantFrom(1, 600, 2_000);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), queueBytesMax, async (script, bytes) => {
      const out = setUp({ common: { queueBytesMax: bytes, messageBytesMax: 100 } });
      out.block();
      const outcomes: Promise<number | null>[] = [];
      const drains: Promise<void>[] = [];
      let value = 0;
      const call = (promise: Promise<void>, mine: number): void => {
        outcomes.push(
          promise.then(
            () => mine,
            () => null,
          ),
        );
      };
      for (const each of script) {
        const mine = value++;
        if (each === "send") call(out.send(mine), mine);
        else if (each === "send limited") call(out.send(mine, { timeoutMs: 60_000 }), mine);
        else if (each === "send and abort") {
          const controller = new AbortController();
          call(out.send(mine, { signal: controller.signal }), mine);
          if (mine % 2 === 0) await turn();
          controller.abort();
        } else if (each === "try") {
          if (out.outbound.trySend(mine, null)) outcomes.push(Promise.resolve(mine));
        } else if (each === "large") call(out.send("x".repeat(200)), mine);
        else if (each === "take") await out.take("one");
        else if (each === "turn") await turn();
        else drains.push(out.outbound.drain(undefined));
      }
      await out.take("all");
      await out.outbound.drain(undefined);
      await Promise.all(drains);
      const accepted = (await Promise.all(outcomes)).filter((each) => each !== null);
      assert.deepEqual(out.sent, accepted);
      assert.equal(out.outbound.stats().queuedMessages, 0);
      assert.equal(out.outbound.stats().waitingSends, 0);
    }),
    { numRuns: 300 },
  );
});
