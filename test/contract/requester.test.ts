import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as v from "valibot";
import { z } from "zod";
import {
  json,
  RemoteError,
  Replier,
  type ReplierOptions,
  Requester,
  type RequesterOptions,
  Router,
  raw,
} from "../../lib/index.ts";
import { eachTransport, type Wire } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { gate, open, range } from "../support/fixtures.ts";
import { compute, mostBetweenTurns } from "../support/loop.ts";

const CLOSED = { code: "BROKERLESS_CLOSED" };
const TIMEOUT = { code: "BROKERLESS_TIMEOUT", retryable: true };
/** Longer than any test lasts (milliseconds). */
const NEVER_MS = 600_000;

/** A requester and a replier that know each other; nobody serves yet. */
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
  readonly address: string;
}> {
  const requester = open(t, new Requester<Request, Reply>(options.requester));
  const replier = open(t, new Replier<Request, Reply>(options.replier));
  const address = await wire.join(replier, requester);
  return { requester, replier, address };
}

eachTransport("requester: thousands in flight each get their own reply", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  const backwards: (() => void)[] = [];
  const count = 3_000;
  void replier.serve(
    async (n) => {
      const { promise, open: release } = gate();
      if (backwards.push(release) === count) for (const each of backwards.reverse()) each();
      await promise;
      return n * 2;
    },
    { concurrency: count },
  );
  const replies = await Promise.all(range(count).map((n) => requester.request(n)));
  assert.deepEqual(
    replies,
    range(count).map((n) => n * 2),
  );
  assert.equal(requester.stats().messagesSent, count);
  assert.equal(requester.stats().messagesReceived, count);
});

eachTransport("requester: one request after another, each awaited", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  void replier.serve((n) => n + 1);
  let n = 0;
  while (n < 500) n = await requester.request(n);
  assert.equal(n, 500);
});

eachTransport("requester: either side may bind", async (t, wire) => {
  const requester = open(t, new Requester<number, number>());
  const repliers = range(3).map(() => open(t, new Replier<number, number>()));
  await wire.join(requester, ...repliers);
  const served = repliers.map(() => 0);
  for (const [index, replier] of repliers.entries()) {
    void replier.serve((n) => {
      served[index]! += 1;
      return -n;
    });
  }
  const replies = await Promise.all(range(300).map((n) => requester.request(n)));
  assert.deepEqual(
    replies,
    range(300).map((n) => -n),
  );
  assert.deepEqual(served, [100, 100, 100]);
});

eachTransport("requester: requests wait for a replier that comes later", async (t, wire) => {
  const requester = open(t, new Requester<number, number>());
  const address = await requester.bind(wire.address());
  const replies = range(10).map((n) => requester.request(n));
  const replier = open(t, new Replier<number, number>());
  void replier.serve((n) => n * n);
  replier.connect(address);
  assert.deepEqual(
    await Promise.all(replies),
    range(10).map((n) => n * n),
  );
});

eachTransport("requester: timeoutMs of a request, or of all, ends the wait", async (t, wire) => {
  const { requester } = await pair(t, wire, { requester: { timeoutMs: 1 } });
  await assert.rejects(requester.request(1), TIMEOUT);
  await assert.rejects(requester.request(1, { timeoutMs: 2 }), /within 2 ms/);
  const patient = open(t, new Requester<number, number>());
  await assert.rejects(patient.request(1, { timeoutMs: 1 }), TIMEOUT);
  assert.throws(() => new Requester({ timeoutMs: 0 }), TypeError);
  for (const timeoutMs of [-1, Number.NaN, "1"]) {
    await assert.rejects(requester.request(1, { timeoutMs: timeoutMs as number }), TypeError);
  }
});

eachTransport(
  "requester: abort rejects with the signal's reason, before or after",
  async (t, wire) => {
    const { requester, replier } = await pair(t, wire);
    const asked = gate();
    const release = gate();
    void replier.serve(async (n) => {
      asked.open();
      await release.promise;
      return n;
    });
    const reason = { any: "reason" };
    const aborted = requester.request(1, { signal: AbortSignal.abort(reason) });
    await assert.rejects(aborted, (error) => error === reason);
    assert.equal(requester.stats().messagesSent, 0);
    const controller = new AbortController();
    const under = requester.request(2, { signal: controller.signal });
    await asked.promise;
    controller.abort(reason);
    await assert.rejects(under, (error) => error === reason);
    release.open();
    await eventually(() => assert.equal(requester.stats().messagesDropped, 1));
  },
);

eachTransport(
  "requester: a late reply is dropped, counted, and given to nobody",
  async (t, wire) => {
    const { requester, replier } = await pair(t, wire);
    const asked = gate();
    const release = gate();
    void replier.serve(async (n) => {
      if (n === 1) {
        asked.open();
        await release.promise;
      }
      return n;
    });
    const controller = new AbortController();
    const late = requester.request(1, { signal: controller.signal });
    await asked.promise;
    controller.abort();
    await assert.rejects(late, { name: "AbortError" });
    release.open();
    await eventually(() => assert.equal(requester.stats().messagesDropped, 1));
    assert.equal(await requester.request(2), 2);
    assert.equal(requester.stats().messagesReceived, 1);
  },
);

eachTransport(
  "requester: a request that was given up in the queue is never sent",
  async (t, wire) => {
    const requester = open(t, new Requester<string, string>());
    const controller = new AbortController();
    // What is first in line is with ZeroMQ from the moment of asking.
    const first = requester.request("first");
    const second = requester.request("given up", { signal: controller.signal });
    const third = requester.request("third");
    controller.abort();
    await assert.rejects(second, { name: "AbortError" });
    const seen: string[] = [];
    const replier = open(t, new Replier<string, string>());
    void replier.serve((text) => {
      seen.push(text);
      return text;
    });
    await wire.join(replier, requester);
    assert.deepEqual(await Promise.all([first, third]), ["first", "third"]);
    assert.deepEqual(seen, ["first", "third"]);
    assert.equal(requester.stats().messagesSent, 2);
  },
);

eachTransport(
  "requester: with resend, the next replier at the address is asked again",
  async (t, wire) => {
    const { requester, replier, address } = await pair(t, wire);
    const asked = gate();
    let requests = 0;
    void replier.serve(() => {
      if (++requests === 3) asked.open();
      return gate<number>().promise;
    });
    const again = [1, 2].map((n) => requester.request(n, { resend: true, timeoutMs: NEVER_MS }));
    const once = assert.rejects(requester.request(3), { code: "BROKERLESS_UNROUTABLE" });
    await asked.promise;
    const lost = gate<unknown>();
    requester.on("peerLost", lost.open);
    await replier.close();
    await lost.promise;
    const second = open(t, new Replier<number, number>());
    const seen: number[] = [];
    void second.serve((n) => {
      seen.push(n);
      return n * 10;
    });
    await second.bind(address);
    assert.deepEqual(await Promise.all(again), [10, 20]);
    assert.deepEqual(seen, [1, 2]);
    await once;
    assert.equal(await requester.request(4), 40);
  },
);

eachTransport("requester: resend may be asked of the whole socket", async (t, wire) => {
  const requester = open(t, new Requester<number, string>({ resend: true }));
  const address = await requester.bind(wire.address());
  const asked = gate();
  const first = open(t, new Replier<number, string>());
  void first.serve(() => {
    asked.open();
    return gate<string>().promise;
  });
  first.connect(address);
  await requester.ready();
  const reply = requester.request(1);
  await asked.promise;
  await first.close();
  const second = open(t, new Replier<number, string>());
  void second.serve((n) => `${n} from the second`);
  second.connect(address);
  assert.equal(await reply, "1 from the second");
});

eachTransport("requester: a peer that replies nonsense harms no other request", async (t, wire) => {
  const requester = open(t, new Requester<number, number>());
  const router = open(t, new Router<Uint8Array, Uint8Array>({ codec: raw(), batch: false }));
  const errors: string[] = [];
  requester.on("error", ({ code }) => errors.push(code));
  const refused: string[] = [];
  router.on("error", ({ code }) => refused.push(code));
  await wire.join(router, requester);
  const controller = new AbortController();
  const noReply = requester.request(1, { signal: controller.signal });
  void router.receive();
  await eventually(() => assert.deepEqual(refused, ["BROKERLESS_PROTOCOL"]));
  controller.abort();
  await assert.rejects(noReply, { name: "AbortError" });
  assert.deepEqual(errors, []);
});

eachTransport(
  "requester: what the handler throws is a RemoteError with name and code",
  async (t, wire) => {
    const { requester, replier } = await pair(t, wire);
    void replier.serve((n) => {
      if (n === 1) throw Object.assign(new RangeError("too far"), { code: "E_FAR" });
      if (n === 2) throw "only text";
      if (n === 3) return Promise.reject(new Error("later"));
      return n;
    });
    await assert.rejects(requester.request(1), (error) => {
      assert.equal(error instanceof RemoteError, true);
      const { name, message, remoteName, remoteCode } = error as RemoteError;
      assert.deepEqual(
        { name, message, remoteName, remoteCode },
        {
          name: "RemoteError",
          message: "too far",
          remoteName: "RangeError",
          remoteCode: "E_FAR",
        },
      );
      return true;
    });
    await assert.rejects(requester.request(2), { message: "only text", remoteCode: null });
    await assert.rejects(requester.request(3), { message: "later", remoteName: "Error" });
    assert.equal(await requester.request(4), 4);
  },
);

eachTransport("requester: a request that does not fit the schema is not asked", async (t, wire) => {
  const { requester, replier } = await pair<unknown, unknown>(t, wire, {
    requester: { schema: z.object({ n: z.number() }) as never },
  });
  void replier.serve((request) => request);
  await assert.rejects(requester.request({ n: "1" }), (error: { code: string; issues: [] }) => {
    assert.equal(error.code, "BROKERLESS_SCHEMA");
    assert.equal(error.issues.length, 1);
    return true;
  });
  assert.deepEqual(await requester.request({ n: 1 }), { n: 1 });
  assert.equal(replier.stats().messagesReceived, 1);
});

eachTransport("requester: a reply that does not fit replySchema is refused", async (t, wire) => {
  const replySchema = v.object({ n: v.number(), at: v.optional(v.string(), "here") });
  const { requester, replier } = await pair<unknown, unknown>(t, wire, {
    requester: { replySchema: replySchema as never },
  });
  void replier.serve((request) => request);
  await assert.rejects(requester.request({ n: null }), { code: "BROKERLESS_SCHEMA" });
  assert.equal(requester.stats().messagesRefused, 1);
  assert.deepEqual(await requester.request({ n: 1 }), { n: 1, at: "here" });
});

eachTransport("requester: raw and json carry requests and replies", async (t, wire) => {
  const bytes = await pair<Uint8Array, Uint8Array>(t, wire, {
    requester: { codec: raw() },
    replier: { codec: raw() },
  });
  void bytes.replier.serve((body) => Buffer.from(body).reverse());
  const turned = await bytes.requester.request(Uint8Array.of(1, 2, 3));
  assert.deepEqual([...turned], [3, 2, 1]);
  assert.equal((await bytes.requester.request(new Uint8Array(0))).length, 0);
  const texts = await pair<object, object>(t, wire, {
    requester: { codec: json() },
    replier: { codec: json() },
  });
  void texts.replier.serve((request) => ({ request }));
  assert.deepEqual(await texts.requester.request({ a: ["\n"] }), { request: { a: ["\n"] } });
});

eachTransport(
  "requester: large bodies pass, and too large ones are refused here",
  async (t, wire) => {
    const limit = 3_000_000;
    const { requester, replier } = await pair<Uint8Array, Uint8Array>(t, wire, {
      requester: { codec: raw(), messageBytesMax: limit },
      replier: { codec: raw(), messageBytesMax: limit },
    });
    void replier.serve((body) => body);
    const body = new Uint8Array(limit).map((_, index) => index % 251);
    const reply = await requester.request(body);
    assert.equal(Buffer.compare(reply, body), 0);
    const large = requester.request(new Uint8Array(limit + 1));
    await assert.rejects(large, { code: "BROKERLESS_TOO_LARGE", retryable: false });
    assert.equal((await requester.request(Uint8Array.of(1))).length, 1);
  },
);

eachTransport("requester: what cannot be encoded is refused, and nothing else", async (t, wire) => {
  const { requester, replier } = await pair<unknown, unknown>(t, wire);
  void replier.serve((request) => request);
  await assert.rejects(
    requester.request(() => {}),
    { code: "BROKERLESS_CODEC" },
  );
  assert.equal(await requester.request("fine"), "fine");
});

eachTransport(
  "requester: a full queue lets requests wait, and replies them all",
  async (t, wire) => {
    const { requester, replier } = await pair<Uint8Array, number>(t, wire, {
      requester: { queueBytesMax: 10_000 },
    });
    const replies = range(500).map(() => requester.request(new Uint8Array(1_000)));
    assert.equal(requester.stats().queuedBytes < 20_000, true, "the queue is bounded");
    void replier.serve((body) => body.length);
    assert.deepEqual(
      await Promise.all(replies),
      range(500).map(() => 1_000),
    );
  },
);

eachTransport("requester: drain waits for replies; close rejects who waits", async (t, wire) => {
  const { requester, replier } = await pair(t, wire);
  const release = gate();
  void replier.serve(async (n) => {
    await release.promise;
    return n;
  });
  const reply = requester.request(1);
  await assert.rejects(requester.drain({ timeoutMs: 1 }), TIMEOUT);
  const drained = requester.drain();
  assert.equal(requester.status, "draining");
  release.open();
  await drained;
  assert.equal(await reply, 1);
  assert.equal(requester.status, "open");

  const lonely = open(t, new Requester<number, number>());
  const pending = [lonely.request(1), lonely.request(2), lonely.ready()];
  await lonely.close();
  for (const each of pending) await assert.rejects(each, CLOSED);
  await assert.rejects(lonely.request(3), CLOSED);
  await assert.rejects(lonely.drain(), CLOSED);
});

eachTransport("requester: await using waits for replies", async (t, wire) => {
  const replier = open(t, new Replier<number, number>());
  const address = await replier.bind(wire.address());
  void replier.serve((n) => n + 1);
  let replies: Promise<number>[];
  {
    await using requester = new Requester<number, number>({ lingerMs: 60_000 });
    requester.connect(address);
    replies = range(100).map((n) => requester.request(n));
  }
  assert.deepEqual(
    await Promise.all(replies),
    range(100).map((n) => n + 1),
  );
});

test("requester: what is refused at request is counted and reported", async (t) => {
  const requester = open(t, new Requester<unknown>({ messageBytesMax: 100 }));
  const codes: string[] = [];
  requester.on("error", ({ code }) => codes.push(code));
  await assert.rejects(requester.request("x".repeat(200)));
  await assert.rejects(requester.request(() => {}));
  assert.equal(requester.stats().sendsRefused, 2);
  assert.deepEqual(codes, ["BROKERLESS_TOO_LARGE", "BROKERLESS_CODEC"]);
});

test("requester: a request given up before any replier was there is not sent", async (t) => {
  const requester = open(t, new Requester<string, string>());
  const controller = new AbortController();
  const first = requester.request("given up", { signal: controller.signal });
  controller.abort();
  await assert.rejects(first, { name: "AbortError" });
  const seen: string[] = [];
  const replier = open(t, new Replier<string, string>());
  void replier.serve((text) => {
    seen.push(text);
    return text;
  });
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  await requester.request("asked");
  assert.deepEqual(seen, ["asked"]);
});

test("requester: requests that were given up take no memory", async (t) => {
  const requester = open(t, new Requester({ codec: raw() as never }));
  for (const _ of range(1_000)) {
    const controller = new AbortController();
    const request = requester.request(new Uint8Array(10_000), { signal: controller.signal });
    controller.abort();
    await assert.rejects(request, { name: "AbortError" });
  }
  const { queuedMessages } = requester.stats();
  assert.equal(queuedMessages <= 1, true, `${queuedMessages} requests are kept`);
});

eachTransport(
  "requester: the loop turns between replies whose callers compute",
  async (t, wire) => {
    const { requester, replier } = await pair(t, wire);
    const count = 300;
    const { promise, open: release } = gate();
    let asked = 0;
    const handle = async (n: number): Promise<number> => {
      asked += 1;
      await promise;
      return n;
    };
    void replier.serve(handle, { concurrency: count });
    let replied = 0;
    const callers = range(count).map(async (n) => {
      await requester.request(n);
      compute();
      replied += 1;
    });
    await eventually(() => assert.equal(asked, count));
    const most = mostBetweenTurns(t, () => replied);
    release();
    await replier.drain();
    await Promise.all(callers);
    // Eight computing milliseconds, and what ends beside them.
    assert.ok(most() <= 32, `${most()} callers in one turn of the event loop`);
  },
);
