import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type CommonOptions,
  Dealer,
  Publisher,
  Pull,
  Push,
  type ReliablePull,
  Replier,
  Requester,
  Router,
  Subscriber,
  type WaitOptions,
} from "../../lib/index.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { quiet } from "../../lib/wait.ts";
import { WorkQueue } from "../../patterns/work-queue.ts";
import { eventually, turn } from "../support/eventually.ts";
import { errorsOf, gate, open } from "../support/fixtures.ts";

/** A schema that fits everything: "stuck" when the test says so, or never; "slow" later; all else at once. */
function stuckSchema() {
  const checked = gate();
  const asked: unknown[] = [];
  const validate = (value: unknown) => {
    asked.push(value);
    if (value === "stuck") return checked.promise.then(() => ({ value }));
    return value === "slow" ? Promise.resolve({ value }) : { value };
  };
  const schema = { "~standard": { version: 1, vendor: "test", validate } } as never;
  return { schema, asked, checked };
}

const TURNS = 200;

/** @returns how a call has ended that may not wait for anything any more */
async function endOf(call: Promise<unknown>): Promise<unknown> {
  let end: unknown = "open";
  call.then(
    () => (end = "done"),
    (error) => (end = error.code ?? error.message),
  );
  for (let turns = 0; turns < TURNS && end === "open"; turns++) await turn();
  return end;
}

/** A socket, and a call of it that its schema checks. */
interface Sender {
  readonly close: () => Promise<void>;
  readonly drain: () => Promise<void>;
  readonly send: (value: string, options?: WaitOptions) => Promise<unknown>;
}

function pushOf(t: TestContext, options: object): Sender {
  const push = open(t, new Push<string>(options));
  return {
    close: () => push.close(),
    drain: () => push.drain(),
    send: (value, wait) => push.send(value, wait),
  };
}

/** Every way to send; what fits the schema is taken. */
const SENDERS: Readonly<Record<string, (t: TestContext, schema: never) => Promise<Sender>>> = {
  "a plain Push": async (t, schema) => {
    const pull = open(t, new Pull<string>());
    const push = open(t, new Push<string>({ schema }));
    push.connect(await pull.bind("tcp://127.0.0.1:*"));
    return {
      close: () => push.close(),
      drain: () => push.drain(),
      send: (value, wait) => push.send(value, wait),
    };
  },
  "a reliable Push": async (t, schema) => ({
    ...pushOf(t, { schema, reliable: true }),
    // Nobody processes anything.
    drain: async () => {},
  }),
  "a Push with a journal": async (t, schema) =>
    pushOf(t, { schema, journal: new MemoryJournal(), confirm: "stored" }),
  "a Dealer": async (t, schema) => {
    const router = open(t, new Router<string, string>());
    const dealer = open(t, new Dealer<string, string>({ schema }));
    dealer.connect(await router.bind("tcp://127.0.0.1:*"));
    return {
      close: () => dealer.close(),
      drain: () => dealer.drain(),
      send: (value, options) => dealer.send(value, options),
    };
  },
  "a Router": async (t, schema) => {
    const router = open(t, new Router<string, string>({ schema }));
    const dealer = open(t, new Dealer<string, string>());
    dealer.connect(await router.bind("tcp://127.0.0.1:*"));
    await dealer.send("hello");
    const { peer } = await router.receive();
    return {
      close: () => router.close(),
      drain: () => router.drain(),
      send: (value, options) => router.send(peer, value, options),
    };
  },
  "a Publisher": async (t, schema) => {
    const publisher = open(t, new Publisher({ schema }));
    return {
      close: () => publisher.close(),
      drain: () => publisher.drain(),
      send: (value, options) => publisher.publish("topic", value, options),
    };
  },
  "a Requester": async (t, schema) => {
    const replier = open(t, new Replier<string, string>());
    void replier.serve((request) => request);
    const requester = open(t, new Requester<string, string>({ schema }));
    requester.connect(await replier.bind("tcp://127.0.0.1:*"));
    return {
      close: () => requester.close(),
      drain: () => requester.drain(),
      send: (value, options) => requester.request(value, options),
    };
  },
  "a WorkQueue": async (t, schema) => {
    const directory = await mkdtemp(join(tmpdir(), "brokerless-"));
    const queue = await WorkQueue.open<string>({ directory, schema });
    t.after(async () => {
      await queue.close();
      await rm(directory, { recursive: true });
    });
    return {
      close: () => queue.close(),
      drain: async () => {},
      send: (value, options) => queue.add(value, options),
    };
  },
};

for (const [name, make] of Object.entries(SENDERS)) {
  test(`stuck schemas: close() ends what waits for one at ${name}, and what comes later`, async (t) => {
    const { schema, asked } = stuckSchema();
    const { send, close } = await make(t, schema);
    const calls = [send("stuck"), send("stuck", { timeoutMs: 60_000 }), send("stuck")].map(quiet);
    await close();
    for (const call of calls) assert.equal(await endOf(call), "BROKERLESS_CLOSED");
    assert.equal(await endOf(send("stuck")), "BROKERLESS_CLOSED");
    assert.deepEqual(asked, ["stuck", "stuck", "stuck"], "what is closed asks no schema");
  });

  test(`stuck schemas: a signal or a time limit ends what waits for one at ${name}, and those behind go on`, async (t) => {
    const { schema } = stuckSchema();
    const { send, drain } = await make(t, schema);
    const abort = new AbortController();
    const aborted = quiet(send("stuck", { signal: abort.signal }));
    const limited = quiet(send("stuck", { timeoutMs: 1 }));
    const behind = ["slow", "at once"].map((value) => send(value));
    const drained = drain();
    abort.abort(new Error("mine"));
    assert.equal(await endOf(aborted), "mine");
    await assert.rejects(limited, { code: "BROKERLESS_TIMEOUT" });
    await Promise.all([...behind, drained]);
  });
}

test("stuck schemas: a request whose check ends after it was given up, or after close(), is not sent", async (t) => {
  const { schema, checked } = stuckSchema();
  const replier = open(t, new Replier<string, string>());
  const got: string[] = [];
  void replier.serve((request) => {
    got.push(request);
    return request;
  });
  const endpoint = await replier.bind("tcp://127.0.0.1:*");
  const requester = open(t, new Requester<string, string>({ schema }));
  requester.connect(endpoint);
  await requester.ready();
  const abort = new AbortController();
  const given = quiet(requester.request("stuck", { signal: abort.signal }));
  abort.abort(new Error("mine"));
  assert.equal(await endOf(given), "mine");
  assert.equal(requester.stats().pendingRequests, 0);
  checked.open();
  // What would be sent is sent in this turn, so that the next request is behind it.
  await turn();
  assert.equal(await requester.request("last"), "last");
  assert.deepEqual(got, ["last"]);
});

test("stuck schemas: a misfit is told of to nobody who has given up", async (t) => {
  const checked = gate();
  const validate = () => checked.promise.then(() => ({ issues: [{ message: "no" }] }));
  const schema = { "~standard": { version: 1, vendor: "test", validate } } as never;
  for (const socket of [new Requester({ schema }), new Push({ schema })]) {
    open(t, socket);
    const errors = errorsOf(socket);
    const send = (options: WaitOptions): Promise<unknown> =>
      socket instanceof Requester ? socket.request(1, options) : socket.send(1, options);
    const abort = new AbortController();
    const given = quiet(send({ signal: abort.signal }));
    abort.abort(new Error("mine"));
    await assert.rejects(given, /mine/);
    const kept = quiet(send({ timeoutMs: 60_000 }));
    checked.open();
    await assert.rejects(kept, { code: "BROKERLESS_SCHEMA" });
    assert.deepEqual([errors.length, socket.stats().sendsRefused], [1, 1]);
  }
});

test("stuck schemas: a Router whose peer is gone leaves nobody behind who waits for one", async (t) => {
  const { schema } = stuckSchema();
  const router = open(t, new Router<string, string>({ schema }));
  errorsOf(router);
  const lost = router.send("nobody", "lost");
  const stuck = quiet(router.send("nobody", "stuck"));
  await assert.rejects(lost, { code: "BROKERLESS_UNROUTABLE" });
  await router.close();
  assert.equal(await endOf(stuck), "BROKERLESS_CLOSED");
});

/** A requester whose schema of replies is stuck at one, and the replier behind it. */
async function stuckReply(t: TestContext) {
  const { schema, asked, checked } = stuckSchema();
  const replier = open(t, new Replier<string, string>());
  void quiet(replier.serve((request) => request));
  const endpoint = await replier.bind("tcp://127.0.0.1:*");
  const requester = open(t, new Requester<string, string>({ replySchema: schema }));
  requester.connect(endpoint);
  const begun = () => eventually(() => assert.ok(asked.includes("stuck")));
  return { requester, replier, endpoint, begun, checked };
}

test("stuck schemas: a request whose reply is never judged ends by its signal or its time limit, and so does a drain", async (t) => {
  const { requester, begun, checked } = await stuckReply(t);
  const abort = new AbortController();
  const aborted = quiet(requester.request("stuck", { signal: abort.signal }));
  await begun();
  assert.equal(requester.stats().pendingRequests, 1);
  const drained = requester.drain();
  abort.abort(new Error("mine"));
  assert.equal(await endOf(aborted), "mine");
  await drained;
  await assert.rejects(requester.request("stuck", { timeoutMs: 100 }), {
    code: "BROKERLESS_TIMEOUT",
  });
  assert.equal(await requester.request("other"), "other");
  checked.open();
  assert.equal(await requester.request("stuck"), "stuck");
});

test("stuck schemas: close() ends a request whose reply is never judged", async (t) => {
  const { requester, begun } = await stuckReply(t);
  const stuck = quiet(requester.request("stuck"));
  await begun();
  await requester.close();
  assert.equal(await endOf(stuck), "BROKERLESS_CLOSED");
});

test("stuck schemas: a request whose reply is being judged is not sent again", async (t) => {
  const { requester, replier, endpoint, begun, checked } = await stuckReply(t);
  const stuck = requester.request("stuck", { resend: true });
  await begun();
  await replier.close();
  await eventually(() => assert.equal(requester.stats().peers, 0));
  const next = open(t, new Replier<string, string>());
  const got: string[] = [];
  void next.serve((request) => {
    got.push(request);
    return request;
  });
  await next.bind(endpoint);
  assert.equal(await requester.request("other"), "other");
  checked.open();
  assert.equal(await stuck, "stuck");
  assert.deepEqual(got, ["other"]);
});

for (const option of ["schema", "replySchema"] as const) {
  test(`stuck schemas: close() ends the serve of a Replier whose ${option} is stuck`, async (t) => {
    const { schema, asked, checked } = stuckSchema();
    const replier = open(t, new Replier<string, string>({ [option]: schema }));
    const begun: string[] = [];
    const serving = replier.serve((request) => {
      begun.push(request);
      return request;
    });
    const requester = open(t, new Requester<string, string>());
    requester.connect(await replier.bind("tcp://127.0.0.1:*"));
    quiet(requester.request("stuck"));
    await eventually(() => assert.deepEqual(asked, ["stuck"]));
    await replier.close();
    assert.equal(await endOf(serving), "done");
    checked.open();
    await turn();
    assert.deepEqual(begun, option === "schema" ? [] : ["stuck"]);
    assert.equal(replier.stats().sendsRefused, 0);
  });
}

test("stuck schemas: a reply that is to be judged after close() keeps no serve", async (t) => {
  const { schema, asked } = stuckSchema();
  const replier = open(t, new Replier<string, string>({ replySchema: schema }));
  const handled = gate();
  const begun = gate();
  const serving = replier.serve(async (request) => {
    begun.open();
    await handled.promise;
    return request;
  });
  const requester = open(t, new Requester<string, string>());
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  quiet(requester.request("stuck"));
  await begun.promise;
  await replier.close();
  handled.open();
  assert.equal(await endOf(serving), "done");
  assert.deepEqual(asked, ["stuck"]);
});

/** What takes messages one at a time, and its peer that has sent one at which its schema is stuck. */
interface Receiver {
  readonly close: () => Promise<void>;
  readonly receive: (options?: WaitOptions) => Promise<unknown>;
  readonly loops: readonly AsyncIterator<unknown>[];
  readonly run?: () => Promise<void>;
}

async function pullOf(t: TestContext, schema: never, given: object): Promise<Receiver> {
  const options: CommonOptions = given;
  const push = open(t, new Push<string>("reliable" in options ? { reliable: true } : {}));
  const pull = open(t, new Pull<string>({ ...options, schema } as never));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  await push.send("stuck");
  const own = "reliable" in options ? [(pull as ReliablePull<string>).deliveries()] : [];
  return {
    close: () => pull.close(),
    receive: (wait) => pull.receive(wait),
    loops: [pull[Symbol.asyncIterator](), pull.messages(), pull.batches(), ...own],
    run: () => pull.run(() => assert.fail("nothing is judged")),
  };
}

const RECEIVERS: Readonly<Record<string, (t: TestContext, schema: never) => Promise<Receiver>>> = {
  "a plain Pull": (t, schema) => pullOf(t, schema, {}),
  "a reliable Pull": (t, schema) => pullOf(t, schema, { reliable: true }),
  "a Pull with an inbox": (t, schema) =>
    pullOf(t, schema, { reliable: true, inbox: new MemoryJournal() }),
  "a Subscriber": async (t, schema) => {
    const publisher = open(t, new Publisher());
    const subscriber = open(t, new Subscriber({ schema }));
    subscriber.subscribe("#");
    subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
    await publisher.ready();
    await publisher.publish("topic", "stuck");
    return {
      close: () => subscriber.close(),
      receive: (wait) => subscriber.receive(wait),
      loops: [subscriber[Symbol.asyncIterator](), subscriber.batches()],
      run: () => subscriber.run(() => assert.fail("nothing is judged")),
    };
  },
  "a Dealer": async (t, schema) => {
    const router = open(t, new Router<string, string>());
    const dealer = open(t, new Dealer<string, string>({ receiveSchema: schema }));
    dealer.connect(await router.bind("tcp://127.0.0.1:*"));
    await dealer.send("hello");
    const { peer } = await router.receive();
    await router.send(peer, "stuck");
    return {
      close: () => dealer.close(),
      receive: (wait) => dealer.receive(wait),
      loops: [dealer[Symbol.asyncIterator](), dealer.batches()],
    };
  },
  "a Router": async (t, schema) => {
    const router = open(t, new Router<string, string>({ receiveSchema: schema }));
    const dealer = open(t, new Dealer<string, string>());
    dealer.connect(await router.bind("tcp://127.0.0.1:*"));
    await dealer.send("stuck");
    return {
      close: () => router.close(),
      receive: (wait) => router.receive(wait),
      loops: [router[Symbol.asyncIterator](), router.batches()],
    };
  },
};

for (const [name, make] of Object.entries(RECEIVERS)) {
  test(`stuck schemas: receive of ${name} ends by signal, time limit and close(), and so do loops`, async (t) => {
    const { schema, asked, checked } = stuckSchema();
    const { receive, loops, run, close } = await make(t, schema);
    const abort = new AbortController();
    const aborted = quiet(receive({ signal: abort.signal }));
    await eventually(() => assert.deepEqual(asked, ["stuck"]));
    abort.abort(new Error("mine"));
    assert.equal(await endOf(aborted), "mine");
    await assert.rejects(receive({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
    const waiting = quiet(receive());
    const nexts = loops.map((loop) => loop.next());
    const running = run?.();
    await close();
    assert.equal(await endOf(waiting), "BROKERLESS_CLOSED");
    for (const next of nexts) assert.deepEqual(await next, { done: true, value: undefined });
    await running;
    // What it says then is of no interest any more, and harms nobody.
    checked.open();
    await turn();
  });
}
