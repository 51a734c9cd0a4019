import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { z } from "zod";
import { BrokerlessError, json, msgpack, Pull, Push, raw } from "../../lib/index.ts";
import { eachTransport as eachWire, type Transport } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { open, take } from "../support/fixtures.ts";

interface Context {
  readonly transport: Transport;
  /** Can be bound once. */
  readonly address: string;
  /** Closes the socket when the test ends. */
  open<S extends { close(): Promise<void> }>(socket: S): S;
}

function eachTransport(claim: string, run: (context: Context) => Promise<void>): void {
  eachWire(claim, (t, wire) =>
    run({
      transport: wire.transport,
      address: wire.address(),
      open: (socket) => open(t, socket),
    }),
  );
}

const code = (expected: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === expected;

eachTransport("push: a tight loop and an awaited loop arrive whole and in order", async (c) => {
  const push = c.open(new Push<number>());
  const pull = c.open(new Pull<number>());
  pull.connect(await push.bind(c.address));
  for (let n = 0; n < 20_000; n++) void push.send(n);
  for (let n = 20_000; n < 40_000; n++) await push.send(n);
  const values = await take(pull, 40_000);
  assert.deepEqual(
    values,
    Array.from({ length: 40_000 }, (_, n) => n),
  );
  assert.ok(push.stats().framesSent < 4_000, "messages share frames");
});

eachTransport("push: either side may bind, and the other may connect before it", async (c) => {
  const pull = c.open(new Pull<string>());
  const push = c.open(new Push<string>());
  if (c.transport === "tcp") push.connect(await pull.bind(c.address));
  else {
    push.connect(c.address);
    await pull.bind(c.address);
  }
  await Promise.all([push.ready(), pull.ready()]);
  await push.send("hello");
  assert.equal(await pull.receive(), "hello");
});

for (const bytes of [0, 1_024, 40_000]) {
  eachTransport(`push: 100 jobs of ${bytes} bytes give 4 pullers 20 to 30 each`, async (c) => {
    const push = c.open(new Push<Uint8Array>({ codec: raw() }));
    const address = await push.bind(c.address);
    const pulls = Array.from({ length: 4 }, () => c.open(new Pull<Uint8Array>({ codec: raw() })));
    for (const pull of pulls) pull.connect(address);
    await push.ready({ peers: 4 });
    for (let n = 0; n < 100; n++) void push.send(new Uint8Array(bytes));
    const counts = await countEach(pulls, 100);
    for (const count of counts) assert.ok(count >= 20 && count <= 30, counts.join(" "));
  });
}

eachTransport("push: awaited sends are shared evenly too", async (c) => {
  const push = c.open(new Push<number>());
  const address = await push.bind(c.address);
  const pulls = Array.from({ length: 4 }, () => c.open(new Pull<number>()));
  for (const pull of pulls) pull.connect(address);
  await push.ready({ peers: 4 });
  for (let n = 0; n < 100; n++) await push.send(n);
  const counts = await countEach(pulls, 100);
  for (const count of counts) assert.ok(count >= 20 && count <= 30, counts.join(" "));
});

/** Takes `total` messages from all pullers. @returns how many each got */
async function countEach<T>(pulls: readonly Pull<T>[], total: number): Promise<number[]> {
  const counts = pulls.map(() => 0);
  let seen = 0;
  await Promise.all(
    pulls.map(async (pull, index) => {
      for await (const _ of pull) {
        counts[index]! += 1;
        seen += 1;
        if (seen === total) await Promise.all(pulls.map((each) => each.close()));
      }
    }),
  );
  return counts;
}

eachTransport("push: batch false is one message a frame, round-robin", async (c) => {
  const push = c.open(new Push<number>({ batch: false }));
  const address = await push.bind(c.address);
  const pulls = [
    c.open(new Pull<number>({ batch: false })),
    c.open(new Pull<number>({ batch: false })),
  ];
  for (const pull of pulls) pull.connect(address);
  await push.ready({ peers: 2 });
  for (let n = 0; n < 50; n++) void push.send(n);
  assert.deepEqual(await countEach(pulls, 50), [25, 25]);
  assert.equal(push.stats().framesSent, 50);
});

eachTransport("push: a message longer than a frame goes alone, between short ones", async (c) => {
  const push = c.open(new Push<string>());
  const pull = c.open(new Pull<string>());
  pull.connect(await push.bind(c.address));
  const long = "x".repeat(300_000);
  for (const text of ["a", "b", long, "c", long, "d"]) void push.send(text);
  assert.deepEqual(await take(pull, 6), ["a", "b", long, "c", long, "d"]);
});

for (const [name, codec, value] of [
  ["msgpack", msgpack(), { a: [1, "b", null, true], at: new Date(5), none: undefined }],
  ["json", json(), { a: [1, "b", null, true] }],
  ["raw", raw(), Buffer.from("bytes")],
] as const) {
  eachTransport(`push: ${name} values arrive as they were`, async (c) => {
    const push = c.open(new Push<unknown>({ codec: codec as never }));
    const pull = c.open(new Pull<unknown>({ codec: codec as never }));
    pull.connect(await push.bind(c.address));
    for (let n = 0; n < 100; n++) void push.send(value);
    for (const received of await take(pull, 100)) assert.deepEqual(received, value);
  });
}

test("push: an object may be changed as soon as send has returned", async (t) => {
  const push = new Push<{ n: number }>();
  const pull = new Pull<{ n: number }>();
  t.after(() => Promise.all([push.close(), pull.close()]));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const job = { n: 0 };
  for (; job.n < 1_000; job.n++) void push.send(job);
  const values = await take(pull, 1_000);
  assert.ok(values.every(({ n }, index) => n === index));
});

eachTransport(
  "push: a full queue makes send wait and trySend say no; nothing is lost",
  async (c) => {
    const push = c.open(new Push<Uint8Array>({ codec: raw(), queueBytesMax: 100_000 }));
    const address = await push.bind(c.address);
    let accepted = 0;
    while (push.trySend(Buffer.alloc(1_000, accepted))) accepted += 1;
    assert.ok(push.stats().queuedBytes >= 100_000 && push.stats().queuedBytes < 102_000);
    const waiting = [push.send(Buffer.alloc(1_000, 1)), push.send(Buffer.alloc(1_000, 2))];
    assert.equal(push.stats().waitingSends, 2);
    const pull = c.open(new Pull<Uint8Array>({ codec: raw() }));
    pull.connect(address);
    const values = await take(pull, accepted + 2);
    await Promise.all(waiting);
    assert.deepEqual(
      values.slice(-2).map((bytes) => bytes[0]),
      [1, 2],
    );
  },
);

test("push: a waiting send can be aborted or time out, and then is never sent", async (t) => {
  const push = new Push<string>({ queueBytesMax: 10 });
  const pull = new Pull<string>();
  t.after(() => Promise.all([push.close(), pull.close()]));
  const address = await push.bind("tcp://127.0.0.1:*");
  let accepted = 0;
  while (push.trySend("fill the queue")) accepted += 1;
  const controller = new AbortController();
  const aborted = push.send("aborted", { signal: controller.signal });
  const late = push.send("late", { timeoutMs: 1 });
  const kept = push.send("kept");
  controller.abort(new Error("changed my mind"));
  await assert.rejects(aborted, /changed my mind/);
  await assert.rejects(late, code("BROKERLESS_TIMEOUT"));
  pull.connect(address);
  assert.equal((await take(pull, accepted + 1)).at(-1), "kept");
  await kept;
  await push.drain();
  assert.equal(push.stats().messagesSent, accepted + 1);
});

test("push: what cannot be sent is refused with its reason, and nothing else suffers", async (t) => {
  const push = new Push<unknown>({ messageBytesMax: 1_000 });
  const pull = new Pull<unknown>();
  t.after(() => Promise.all([push.close(), pull.close()]));
  const reported: string[] = [];
  push.on("error", (error) => reported.push(error.code));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  void push.send("before");
  await assert.rejects(push.send("x".repeat(2_000)), code("BROKERLESS_TOO_LARGE"));
  await assert.rejects(
    push.send(() => {}),
    code("BROKERLESS_CODEC"),
  );
  await assert.rejects(push.send("x", { confirm: "stored" as never }), TypeError);
  assert.throws(() => push.trySend(Symbol("no")), code("BROKERLESS_CODEC"));
  void push.send("after");
  assert.deepEqual(await take(pull, 2), ["before", "after"]);
  assert.deepEqual(reported, ["BROKERLESS_TOO_LARGE", "BROKERLESS_CODEC"]);
  assert.equal(push.stats().sendsRefused, 2);
});

const schemas = {
  zod: z.object({ id: z.number().int() }),
  valibot: v.object({ id: v.pipe(v.number(), v.integer()) }),
  "asynchronous zod": z.object({ id: z.number().int() }).refine(async () => true),
};
for (const [name, schema] of Object.entries(schemas)) {
  eachTransport(
    `push: ${name} refuses a bad message with its issues, and keeps the order`,
    async (c) => {
      const push = c.open(new Push<{ id: number }>({ schema: schema as never }));
      const pull = c.open(new Pull<{ id: number }>());
      pull.connect(await push.bind(c.address));
      const sends = Array.from({ length: 200 }, (_, id) => push.send({ id }));
      await assert.rejects(push.send({ id: 0.5 }), (error: BrokerlessError) => {
        assert.equal(error.code, "BROKERLESS_SCHEMA");
        assert.equal(error.issues.length, 1);
        return true;
      });
      await Promise.all(sends);
      const values = await take(pull, 200);
      assert.ok(values.every(({ id }, index) => id === index));
    },
  );

  eachTransport(`pull: ${name} skips a bad message, counts and reports it`, async (c) => {
    const push = c.open(new Push<{ id: number }>());
    const pull = c.open(new Pull<{ id: number }>({ schema: schema as never }));
    const reported: BrokerlessError[] = [];
    pull.on("error", (error) => reported.push(error));
    pull.connect(await push.bind(c.address));
    for (const id of [1, 1.5, 2, 2.5, 3]) void push.send({ id });
    assert.deepEqual(await take(pull, 3), [{ id: 1 }, { id: 2 }, { id: 3 }]);
    assert.deepEqual(
      reported.map((error) => error.code),
      ["BROKERLESS_SCHEMA", "BROKERLESS_SCHEMA"],
    );
    assert.equal(pull.stats().messagesRefused, 2);
    assert.equal(pull.stats().messagesReceived, 3);
  });
}

eachTransport("pull: a frame that cannot be read is counted, reported and skipped", async (c) => {
  const push = c.open(new Push<Uint8Array>({ codec: raw(), batch: false }));
  const pull = c.open(new Pull<unknown>());
  const reported: string[] = [];
  pull.on("error", (error) => reported.push(error.code));
  pull.connect(await push.bind(c.address));
  await push.ready();
  for (const hex of ["c1", "01", "dd01ffffff", "a568656c6c6f"]) {
    await push.send(Buffer.from(hex, "hex"));
  }
  assert.deepEqual(await take(pull, 2), [1, "hello"]);
  assert.deepEqual(reported, ["BROKERLESS_CODEC", "BROKERLESS_CODEC"]);
  assert.equal(pull.stats().framesRefused, 2);
});

eachTransport(
  "pull: batches, a loop, receive and run take messages from one another's leavings",
  async (c) => {
    const push = c.open(new Push<number>());
    const pull = c.open(new Pull<number>());
    pull.connect(await push.bind(c.address));
    await push.ready();
    for (let n = 0; n < 400; n++) void push.send(n);
    const seen = await take(pull, 100);
    seen.push(await pull.receive());
    for await (const values of pull.batches()) {
      seen.push(...values);
      if (seen.length >= 200) break;
    }
    const controller = new AbortController();
    const running = pull.run(
      (n) => {
        seen.push(n);
        if (seen.length === 400) controller.abort(new Error("enough"));
      },
      { signal: controller.signal },
    );
    if (seen.length === 400) controller.abort(new Error("enough"));
    await assert.rejects(running, /enough/);
    assert.deepEqual(
      seen,
      Array.from({ length: 400 }, (_, n) => n),
    );
  },
);

eachTransport("pull: an abandoned receive takes no message with it", async (c) => {
  const push = c.open(new Push<number>());
  const pull = c.open(new Pull<number>());
  pull.connect(await push.bind(c.address));
  await push.ready();
  const controller = new AbortController();
  const aborted = pull.receive({ signal: controller.signal });
  await assert.rejects(pull.receive({ timeoutMs: 1 }), code("BROKERLESS_TIMEOUT"));
  controller.abort();
  await assert.rejects(aborted, { name: "AbortError" });
  for (let n = 0; n < 10; n++) void push.send(n);
  assert.deepEqual(await take(pull, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

eachTransport("pull: many loops and receives at once share the messages", async (c) => {
  const push = c.open(new Push<number>());
  const pull = c.open(new Pull<number>());
  pull.connect(await push.bind(c.address));
  const seen: number[] = [];
  const loops = Array.from({ length: 3 }, async () => {
    for await (const n of pull) seen.push(n);
  });
  const receives = Array.from({ length: 5 }, async () => seen.push(await pull.receive()));
  for (let n = 0; n < 1_000; n++) await push.send(n);
  await Promise.all(receives);
  await eventually(() => assert.equal(seen.length, 1_000));
  assert.equal(new Set(seen).size, 1_000);
  await pull.close();
  await Promise.all(loops);
});

eachTransport(
  "pull: run keeps to its concurrency, and a throw ends it with that error",
  async (c) => {
    const push = c.open(new Push<number>());
    const pull = c.open(new Pull<number>());
    pull.connect(await push.bind(c.address));
    for (let n = 0; n < 20; n++) void push.send(n);
    let active = 0;
    let most = 0;
    let done = 0;
    const running = pull.run(
      async (n) => {
        active += 1;
        most = Math.max(most, active);
        await new Promise((resolve) => setImmediate(resolve));
        active -= 1;
        done += 1;
        if (n === 19) throw new RangeError("nineteen");
      },
      { concurrency: 4 },
    );
    await assert.rejects(running, RangeError);
    assert.equal(most, 4);
    assert.equal(done, 20);
  },
);

eachTransport("socket: the peer events and ready tell who is there", async (c) => {
  const push = c.open(new Push<number>());
  const pull = c.open(new Pull<number>());
  const events: string[] = [];
  push.on("peer", ({ peers }) => events.push(`peer ${peers}`));
  const off = push.on("peerLost", ({ peers }) => events.push(`lost ${peers}`));
  await assert.rejects(push.ready({ timeoutMs: 1 }), code("BROKERLESS_TIMEOUT"));
  const address = await push.bind(c.address);
  pull.connect(address);
  await Promise.all([push.ready(), pull.ready()]);
  assert.equal(push.stats().peers, 1);
  await pull.close();
  await eventually(() => assert.equal(push.stats().peers, 0));
  assert.deepEqual(events, ["peer 1", "lost 0"]);
  off();
  const again = c.open(new Pull<number>());
  again.connect(address);
  await push.ready();
  await again.close();
  await eventually(() => assert.equal(push.stats().peers, 0));
  assert.deepEqual(events, ["peer 1", "lost 0", "peer 1"]);
});

eachTransport(
  "socket: close ends loops, rejects what waits, and frees the address at once",
  async (c) => {
    let address = c.address;
    for (let round = 0; round < 20; round++) {
      const pull = new Pull<number>();
      address = await pull.bind(address);
      const receiving = pull.receive();
      const ready = pull.ready({ peers: 5 });
      const loop = (async () => {
        for await (const _ of pull) assert.fail("nothing was sent");
      })();
      const closing = pull.close();
      assert.equal(pull.status, "closed");
      await assert.rejects(receiving, code("BROKERLESS_CLOSED"));
      await assert.rejects(ready, code("BROKERLESS_CLOSED"));
      await loop;
      await Promise.all([closing, pull.close()]);
      await assert.rejects(pull.bind(address), code("BROKERLESS_CLOSED"));
      assert.throws(() => pull.connect(address), code("BROKERLESS_CLOSED"));
      await assert.rejects(pull.receive(), code("BROKERLESS_CLOSED"));
    }
  },
);

eachTransport("socket: an address in use is refused, and free again after unbind", async (c) => {
  const first = c.open(new Push<number>());
  const second = c.open(new Push<number>());
  const address = await first.bind(c.address);
  // Two sockets may share the path of an ipc address: the later one takes it over.
  if (c.transport !== "ipc") {
    await assert.rejects(second.bind(address), code("BROKERLESS_ADDRESS"));
  }
  await first.unbind(address);
  await assert.rejects(first.unbind(address), code("BROKERLESS_ADDRESS"));
  assert.equal(await second.bind(address), address);
  const pull = c.open(new Pull<number>());
  pull.connect(address);
  await second.send(7);
  assert.equal(await pull.receive(), 7);
  pull.disconnect(address);
  assert.throws(() => pull.disconnect(address), code("BROKERLESS_ADDRESS"));
  await eventually(() => assert.equal(second.stats().peers, 0));
});

eachTransport("socket: await using drains before it closes", async (c) => {
  const pull = c.open(new Pull<number>());
  {
    // As long as the test, for a machine on which a second may pass before anything is sent.
    await using push = new Push<number>({ lingerMs: 60_000 });
    if (c.transport === "tcp") push.connect(await pull.bind(c.address));
    else {
      await pull.bind(c.address);
      push.connect(c.address);
    }
    await push.ready();
    for (let n = 0; n < 5_000; n++) void push.send(n);
  }
  assert.equal((await take(pull, 5_000)).at(-1), 4_999);
});

eachTransport(
  "socket: what a binder sent before it closed is received after it has gone",
  async (c) => {
    // What is tested is that it is sent, and not how soon.
    const push = c.open(new Push<number>({ lingerMs: 60_000 }));
    const pull = c.open(new Pull<number>());
    pull.connect(await push.bind(c.address));
    await push.ready();
    const lost = new Promise((resolve) => pull.on("peerLost", resolve));
    for (let n = 0; n < 5_000; n++) await push.send(n);
    await push.drain();
    await push.close();
    await lost;
    assert.equal((await take(pull, 5_000)).at(-1), 4_999);
  },
);

test("socket: await using gives up after lingerMs, and says what is left", async () => {
  const codes: string[] = [];
  {
    await using push = new Push<number>({ lingerMs: 1 });
    push.on("error", (error) => codes.push(error.code));
    await push.send(1);
  }
  assert.deepEqual(codes, ["BROKERLESS_TIMEOUT"]);
});

test("socket: messages outlive a restart of the side that binds, when they were not yet with ZeroMQ", async (t) => {
  const push = new Push<number>();
  t.after(() => push.close());
  const first = new Pull<number>();
  const address = await first.bind("tcp://127.0.0.1:*");
  push.connect(address);
  await push.ready();
  await push.send(1);
  assert.equal(await first.receive(), 1);
  const lost = new Promise((resolve) => push.on("peerLost", resolve));
  await first.close();
  await lost;
  for (let n = 2; n < 100; n++) await push.send(n);
  const second = new Pull<number>();
  t.after(() => second.close());
  await second.bind(address);
  const values = await take(second, 98);
  assert.deepEqual(
    values,
    Array.from({ length: 98 }, (_, n) => n + 2),
  );
});

test("socket: wrong options and arguments are TypeErrors that say what was expected", async (t) => {
  const bad: [object, RegExp][] = [
    [{ lingerMS: 5 }, /unknown option "lingerMS"/],
    [{ lingerMs: -1 }, /a whole number from 0 to 60000, got -1/],
    [{ queueBytesMax: "1" }, /a whole number/],
    [{ batch: true }, /false or an object/],
    [{ batch: { batchBytesMax: 0 } }, /batchBytesMax/],
    [{ codec: {} }, /a codec such as msgpack/],
    [{ schema: {} }, /a Standard Schema/],
    [{ security: "some" }, /security/],
  ];
  for (const [options, message] of bad) assert.throws(() => new Push(options), message);
  assert.throws(() => new Pull(5 as never), TypeError);
  const push = new Push();
  t.after(() => push.close());
  await assert.rejects(push.bind("udp://127.0.0.1:1"), TypeError);
  await assert.rejects(push.bind("tcp://0.0.0.0:*"), code("BROKERLESS_SECURITY"));
  assert.throws(() => push.connect("tcp://*:1"), TypeError);
  await assert.rejects(push.ready({ peers: -1 }), TypeError);
  await assert.rejects(push.ready({ timeoutMs: Number.NaN }), TypeError);
  const given = Object.freeze({ lingerMs: 5 });
  await new Push(given).close();
});
