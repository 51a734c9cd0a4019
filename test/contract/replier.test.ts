import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as v from "valibot";
import { z } from "zod";
import {
  Dealer,
  RemoteError,
  Replier,
  type ReplierOptions,
  type RequestContext,
  Requester,
  type RequesterOptions,
  raw,
} from "../../lib/index.ts";
import { eachTransport, type Wire, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { gate, open, range } from "../support/fixtures.ts";
import { compute, mostBetweenTurns } from "../support/loop.ts";

const CLOSED = { code: "BROKERLESS_CLOSED" };

/** A replier and a requester that know each other; nobody serves yet. */
async function pair<Request = number, Reply = number>(
  t: TestContext,
  wire: Wire,
  options: {
    readonly requester?: RequesterOptions<Request, Reply>;
    readonly replier?: ReplierOptions<Request, Reply>;
  } = {},
): Promise<{
  readonly requester: Requester<Request, Reply>;
  readonly replier: Replier<Request, Reply>;
}> {
  const requester = open(t, new Requester<Request, Reply>(options.requester));
  const replier = open(t, new Replier<Request, Reply>(options.replier));
  await wire.join(replier, requester);
  return { requester, replier };
}

/** Handlers that end when told, and how many of them were open at once. */
class Handlers {
  readonly started: number[] = [];
  active = 0;
  most = 0;
  readonly #gates = new Map<number, () => void>();

  readonly handle = async (n: number): Promise<number> => {
    this.started.push(n);
    this.active += 1;
    this.most = Math.max(this.most, this.active);
    const { promise, open: release } = gate();
    this.#gates.set(n, release);
    await promise;
    this.active -= 1;
    return n;
  };

  release(n: number): void {
    this.#gates.get(n)?.();
  }

  releaseAll(): void {
    for (const release of this.#gates.values()) release();
  }
}

eachTransport("replier: concurrency is reached, and never exceeded", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  const handlers = new Handlers();
  void replier.serve(handlers.handle, { concurrency: 3 });
  const replies = range(9).map((n) => requester.request(n));
  await eventually(() => assert.equal(handlers.active, 3));
  assert.equal(replier.stats().queuedMessages, 3);
  for (const n of range(9)) {
    await eventually(() => assert.equal(handlers.started.includes(n), true, `${n} started`));
    handlers.release(n);
    assert.equal(await replies[n], n);
  }
  assert.equal(handlers.most, 3);
  assert.deepEqual(handlers.started, range(9));
});

eachTransport("replier: 64 requests at a time unless said otherwise", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  const handlers = new Handlers();
  void replier.serve(handlers.handle);
  const replies = range(80).map((n) => requester.request(n));
  await eventually(() => assert.equal(handlers.active, 64));
  for (const n of range(80)) {
    await eventually(() => assert.equal(handlers.started.includes(n), true, `${n} started`));
    handlers.release(n);
  }
  assert.deepEqual(await Promise.all(replies), range(80));
  assert.equal(handlers.most, 64);
});

eachTransport("replier: two calls of serve share the requests", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  const one = new Handlers();
  const two = new Handlers();
  void replier.serve(one.handle, { concurrency: 1 });
  void replier.serve(two.handle, { concurrency: 2 });
  const replies = range(3).map((n) => requester.request(n));
  await eventually(() => assert.deepEqual([one.active, two.active], [1, 2]));
  one.releaseAll();
  two.releaseAll();
  assert.deepEqual(await Promise.all(replies), range(3));
});

eachTransport("replier: two repliers share the requests of one requester", async (t, wire) => {
  const requester = open(t, new Requester<number, number>());
  const repliers = range(2).map(() => open(t, new Replier<number, number>()));
  for (const replier of repliers) requester.connect(await replier.bind(wire.address()));
  await requester.ready({ peers: 2 });
  const served = [0, 0];
  for (const [index, replier] of repliers.entries()) {
    void replier.serve((n) => {
      served[index]! += 1;
      return n;
    });
  }
  const replies = await Promise.all(range(200).map((n) => requester.request(n)));
  assert.deepEqual(replies, range(200));
  assert.deepEqual(served, [100, 100]);
});

eachTransport("replier: many requesters each get their own replies", async (t, wire) => {
  const replier = open(t, new Replier<string, string>());
  const requesters = range(5).map(() => open(t, new Requester<string, string>()));
  await wire.join(replier, ...requesters);
  const peers = new Set<string>();
  void replier.serve((text, context) => {
    peers.add(context.peer);
    return text.toUpperCase();
  });
  await Promise.all(
    requesters.flatMap((requester, r) =>
      range(100).map(async (n) => {
        assert.equal(await requester.request(`q${r}.${n}`), `Q${r}.${n}`);
      }),
    ),
  );
  assert.equal(peers.size, 5);
});

eachTransport("replier: a throw harms neither the replier nor other requests", async (t, wire) => {
  const { requester, replier } = await pair<unknown, unknown>(t, wire);
  const thrown: unknown[] = [
    new Error("plain"),
    undefined,
    null,
    Symbol("odd"),
    Object.create(null),
    new Proxy(new Error("x"), {
      get() {
        throw new Error("trap");
      },
    }),
    { toString: () => 5 },
  ];
  void replier.serve(async (n) => {
    if ((n as number) < thrown.length) throw thrown[n as number];
    return n;
  });
  for (const n of thrown.keys()) {
    await assert.rejects(requester.request(n), { name: "RemoteError" }, String(n));
  }
  assert.equal(await requester.request(99), 99);
});

eachTransport("replier: a request that cannot be read gets a RemoteError", async (t, wire) => {
  const replier = open(t, new Replier<unknown, unknown>());
  const requester = open(t, new Requester<Uint8Array, unknown>({ codec: raw() as never }));
  const errors: string[] = [];
  replier.on("error", ({ code }) => errors.push(code));
  await wire.join(replier, requester);
  let handled = 0;
  void replier.serve(() => ++handled);
  await assert.rejects(requester.request(Uint8Array.of(0xc1)), {
    name: "RemoteError",
    remoteName: "BrokerlessError",
    remoteCode: "BROKERLESS_CODEC",
  });
  assert.equal(handled, 0);
  assert.deepEqual(errors, ["BROKERLESS_CODEC"]);
  assert.equal(replier.stats().framesRefused, 1);
});

eachTransport(
  "replier: a message without an envelope is counted, reported, skipped",
  async (t, wire) => {
    const replier = open(t, new Replier<string, string>());
    const dealer = open(t, new Dealer<string, string>());
    const requester = open(t, new Requester<string, string>());
    const errors: string[] = [];
    replier.on("error", ({ code }) => errors.push(code));
    await wire.join(replier, dealer, requester);
    void replier.serve((text) => text);
    await dealer.send("no envelope");
    await eventually(() => assert.deepEqual(errors, ["BROKERLESS_PROTOCOL"]));
    assert.equal(replier.stats().framesRefused, 1);
    assert.equal(await requester.request("still here"), "still here");
  },
);

for (const [library, schema] of [
  ["zod", z.object({ n: z.number(), at: z.string().default("here") })],
  ["valibot", v.object({ n: v.number(), at: v.optional(v.string(), "here") })],
] as const) {
  eachTransport(
    `replier: a ${library} schema refuses bad requests with its reason`,
    async (t, wire) => {
      const options = { schema: schema as never };
      const { requester, replier } = await pair<unknown, unknown>(t, wire, { replier: options });
      const errors: string[] = [];
      replier.on("error", ({ code }) => errors.push(code));
      void replier.serve((request) => request);
      await assert.rejects(requester.request({ n: "1" }), {
        name: "RemoteError",
        remoteCode: "BROKERLESS_SCHEMA",
      });
      assert.deepEqual(await requester.request({ n: 1 }), { n: 1, at: "here" });
      assert.equal(replier.stats().messagesRefused, 1);
      assert.deepEqual(errors, ["BROKERLESS_SCHEMA"]);
    },
  );
}

/** What a replier tells of itself. */
function hear(replier: Replier<never, never>) {
  const errors: string[] = [];
  const failures: { readonly peer: string; readonly error: unknown }[] = [];
  replier.on("error", ({ code, message }) => errors.push(`${code}: ${message}`));
  replier.on("requestFailed", (failed) => failures.push(failed));
  return { errors, failures };
}

eachTransport(
  "replier: what a handler throws is an event and a count, with its stack",
  async (t, wire) => {
    const { requester, replier } = await pair<number, number>(t, wire);
    const { errors, failures } = hear(replier as never);
    const thrown = [new RangeError("at once"), new TypeError("later"), "no error at all"];
    const peers: string[] = [];
    void replier.serve((n, { peer }) => {
      peers.push(peer);
      if (n === 1) return Promise.reject(thrown[1]);
      if (n < thrown.length) throw thrown[n];
      return n;
    });
    for (const n of thrown.keys()) {
      await assert.rejects(requester.request(n), { name: "RemoteError" });
    }
    assert.equal(await requester.request(9), 9);
    const told = thrown.map((error, n) => ({ peer: peers[n], error }));
    assert.deepEqual(failures, told);
    assert.equal(failures[0]!.error, thrown[0], "it is the error itself");
    assert.deepEqual(errors, []);
    const { requestsFailed, sendsRefused } = replier.stats();
    assert.deepEqual([requestsFailed, sendsRefused], [3, 0]);
  },
);

eachTransport("replier: a RemoteError that a handler throws is an answer", async (t, wire) => {
  const { requester, replier } = await pair<string, string>(t, wire);
  const { failures } = hear(replier as never);
  const answer = { message: "no such order", remoteName: "NotFound", remoteCode: "E404" };
  void replier.serve(() => {
    throw new RemoteError(answer);
  });
  // It arrives as it was made, and as often as it is passed on.
  await assert.rejects(requester.request("order 7"), { name: "RemoteError", ...answer });
  assert.deepEqual([failures, replier.stats().requestsFailed], [[], 0]);
});

eachTransport(
  "replier: a handler that the end of the socket calls off has not failed",
  async (t, wire) => {
    const { requester, replier } = await pair(t, wire);
    const { failures } = hear(replier as never);
    const begun = gate();
    const serving = replier.serve(async (_, { signal }) => {
      begun.open();
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      return 0;
    });
    const lost = assert.rejects(requester.request(1), { code: "BROKERLESS_UNROUTABLE" });
    await begun.promise;
    await replier.close();
    await serving;
    assert.deepEqual([failures, replier.stats().requestsFailed], [[], 0]);
    await lost;
  },
);

const later = z.number().refine(async () => true);
for (const [how, replySchema] of [
  ["replySchema", z.number()],
  ["an asynchronous replySchema", later],
] as const) {
  eachTransport(
    `replier: a reply that does not fit ${how} becomes a RemoteError, and is counted and reported`,
    async (t, wire) => {
      const { requester, replier } = await pair<unknown, unknown>(t, wire, {
        replier: { replySchema: replySchema as never },
      });
      const { errors, failures } = hear(replier as never);
      void replier.serve((request) => request);
      const refused = requester.request("text");
      await assert.rejects(refused, {
        remoteCode: "BROKERLESS_SCHEMA",
        message: /^the reply does not fit its schema: /,
      });
      assert.equal(await requester.request(5), 5);
      assert.equal(replier.stats().sendsRefused, 1);
      assert.equal(errors.length, 1);
      assert.match(errors[0]!, /^BROKERLESS_SCHEMA: the reply does not fit its schema: /);
      assert.deepEqual([failures, replier.stats().requestsFailed], [[], 0]);
    },
  );
}

eachTransport(
  "replier: a reply too large, or without encoding, becomes a RemoteError, and is counted and reported",
  async (t, wire) => {
    const { requester, replier } = await pair<string, unknown>(t, wire, {
      replier: { messageBytesMax: 1_000 },
    });
    const { errors, failures } = hear(replier as never);
    void replier.serve((request) => {
      if (request === "large") return "x".repeat(1_001);
      return request === "function" ? () => {} : request;
    });
    const large = requester.request("large");
    await assert.rejects(large, { name: "RemoteError", remoteCode: "BROKERLESS_TOO_LARGE" });
    const strange = requester.request("function");
    await assert.rejects(strange, { name: "RemoteError", remoteCode: "BROKERLESS_CODEC" });
    assert.equal(await requester.request("fine"), "fine");
    const codes = errors.map((text) => text.split(":")[0]);
    assert.deepEqual(codes, ["BROKERLESS_TOO_LARGE", "BROKERLESS_CODEC"]);
    assert.deepEqual([failures, replier.stats().sendsRefused], [[], 2]);
  },
);

test("replier: a reply at which replySchema throws is refused, counted and reported", async (t) => {
  const validate = () => {
    throw new RangeError("the schema is broken");
  };
  const replySchema = { "~standard": { version: 1, vendor: "test", validate } } as never;
  const { requester, replier } = await pair<unknown, unknown>(t, wireOf(t, "inproc"), {
    replier: { replySchema },
  });
  const { errors, failures } = hear(replier as never);
  void replier.serve((request) => request);
  const text = "the schema failed for the reply: the schema is broken";
  await assert.rejects(requester.request(1), { message: text });
  assert.deepEqual([errors, failures], [[`BROKERLESS_SCHEMA: ${text}`], []]);
  assert.equal(replier.stats().sendsRefused, 1);
});

eachTransport("replier: serve with a signal ends its calls first, then throws", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  const handlers = new Handlers();
  const controller = new AbortController();
  let ended = false;
  const serving = replier.serve(handlers.handle, { concurrency: 2, signal: controller.signal });
  const failed = assert.rejects(
    serving.finally(() => {
      ended = true;
    }),
    /enough/,
  );
  const replies = range(4).map((n) => requester.request(n));
  await eventually(() => assert.equal(handlers.active, 2));
  controller.abort(new Error("enough"));
  handlers.release(0);
  assert.equal(await replies[0], 0);
  assert.equal(ended, false);
  handlers.release(1);
  assert.equal(await replies[1], 1);
  await failed;
  assert.deepEqual(handlers.started, [0, 1]);
  const later = new Handlers();
  void replier.serve(later.handle);
  await eventually(() => assert.deepEqual(later.started, [2, 3]));
  later.releaseAll();
  assert.deepEqual(await Promise.all(replies), range(4));
});

eachTransport("replier: wrong options of serve are TypeErrors", async (t, wire) => {
  const replier = open(t, new Replier<number, number>());
  await replier.bind(wire.address());
  for (const concurrency of [0, -1, 1.5, "2", 100_001] as number[]) {
    await assert.rejects(
      replier.serve((n) => n, { concurrency }),
      TypeError,
    );
  }
  await assert.rejects(replier.serve("no handler" as never), TypeError);
  await assert.rejects(
    replier.serve((n) => n, { signal: {} as never }),
    TypeError,
  );
  const aborted = { signal: AbortSignal.abort(new Error("before")) };
  await assert.rejects(
    replier.serve((n) => n, aborted),
    /before/,
  );
});

eachTransport(
  "replier: close aborts open handlers' signal, and serve resolves",
  async (t, wire) => {
    const { requester, replier } = await pair(t, wire);
    const context = gate<RequestContext>();
    const serving = replier.serve(async (n, given) => {
      context.open(given);
      await new Promise((resolve) => given.signal.addEventListener("abort", resolve));
      return n;
    });
    const lost = assert.rejects(requester.request(1), { code: "BROKERLESS_UNROUTABLE" });
    const { signal } = await context.promise;
    assert.equal(signal.aborted, false);
    await replier.close();
    assert.equal(signal.aborted, true);
    assert.equal(signal.reason.code, "BROKERLESS_CLOSED");
    await serving;
    await assert.rejects(
      replier.serve((n) => n),
      CLOSED,
    );
    assert.equal(replier.status, "closed");
    await lost;
  },
);

eachTransport(
  "replier: close does not wait for a handler that ignores the signal, and serve does",
  async (t, wire) => {
    const { requester, replier } = await pair(t, wire);
    const handlers = new Handlers();
    let ended = false;
    const serving = replier.serve(handlers.handle).finally(() => {
      ended = true;
    });
    const lost = assert.rejects(requester.request(1), { code: "BROKERLESS_UNROUTABLE" });
    await eventually(() => assert.equal(handlers.active, 1));
    await replier.close();
    await new Promise(setImmediate);
    assert.equal(ended, false);
    handlers.release(1);
    await serving;
    assert.equal(handlers.active, 0);
    await lost;
  },
);

eachTransport("replier: drain waits for open handlers", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  const handlers = new Handlers();
  void replier.serve(handlers.handle);
  await replier.drain();
  const reply = requester.request(1);
  await eventually(() => assert.equal(handlers.active, 1));
  await assert.rejects(replier.drain({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
  const drained = replier.drain();
  handlers.releaseAll();
  await drained;
  assert.equal(replier.stats().messagesSent, 1);
  assert.equal(await reply, 1);
});

eachTransport(
  "replier: await using replies what is with handlers, then closes",
  async (t, wire) => {
    const requester = open(t, new Requester<number, number>());
    const address = await requester.bind(wire.address());
    const handlers = new Handlers();
    let reply: Promise<number>;
    {
      await using replier = new Replier<number, number>({ lingerMs: 60_000 });
      replier.connect(address);
      void replier.serve(handlers.handle);
      reply = requester.request(7);
      await eventually(() => assert.equal(handlers.active, 1));
      setImmediate(() => handlers.releaseAll());
    }
    assert.equal(await reply, 7);
  },
);

eachTransport(
  "replier: a reply to a requester that has gone is dropped and reported",
  async (t, wire) => {
    const requester = open(t, new Requester<number, number>());
    const witness = open(t, new Requester<number, number>());
    const replier = open(t, new Replier<number, number>());
    await wire.join(replier, requester, witness);
    const handlers = new Handlers();
    const dropped = gate<{ code: string }>();
    replier.on("error", dropped.open);
    void replier.serve((n) => (n === 1 ? handlers.handle(n) : n));
    const reply = requester.request(1);
    await eventually(() => assert.equal(handlers.active, 1));
    const lost = gate<unknown>();
    replier.on("peerLost", lost.open);
    await requester.close();
    await assert.rejects(reply, CLOSED);
    await lost.promise;
    // ZeroMQ's monitor is ahead of its sockets: what comes over another connection now, comes behind the end of this one.
    for (let n = 2; n < 7; n++) assert.equal(await witness.request(n), n);
    handlers.releaseAll();
    assert.equal((await dropped.promise).code, "BROKERLESS_UNROUTABLE");
    assert.equal(replier.stats().messagesDropped, 1);
  },
);

const QUESTIONS = 300;
/** Eight computing milliseconds, and what begins or ends beside them (count). */
const TURN_MAX = 32;

for (const concurrency of [64, 1]) {
  eachTransport(
    `replier: the loop turns between handlers that compute (${concurrency} at a time)`,
    async (t, wire) => {
      const { requester, replier } = await pair(t, wire);
      let handled = 0;
      const replies = range(QUESTIONS).map((n) => requester.request(n));
      await eventually(() => assert.equal(requester.stats().queuedMessages, 0));
      const most = mostBetweenTurns(t, () => handled);
      const handle = (n: number): number => {
        compute();
        handled += 1;
        return n;
      };
      void replier.serve(handle, { concurrency });
      assert.deepEqual(await Promise.all(replies), range(QUESTIONS));
      assert.ok(most() <= TURN_MAX, `${most()} handlers in one turn of the event loop`);
    },
  );
}
