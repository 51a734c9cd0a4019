import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Dealer, Reply, Router, Proxy as ZeroMQProxy } from "zeromq";
import {
  msgpack,
  Replier,
  type ReplierOptions,
  type RequestContext,
  Requester,
  type RequesterOptions,
  raw,
} from "../../lib/index.ts";
import {
  bareEntry,
  decodeEntries,
  encodeRequests,
  REPLY_KINDS,
  REQUEST_KINDS,
} from "../../lib/plain/request/request-frames.ts";
import { envelopeId } from "../../lib/plain/request/request-ids.ts";
import { eachTransport, type Wire, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { gate, open, range } from "../support/fixtures.ts";

const UNROUTABLE = { code: "BROKERLESS_UNROUTABLE", retryable: true };
/** Longer than any test lasts (milliseconds). */
const NEVER_MS = 600_000;

type Side = "requester" | "replier";
const BINDERS: readonly Side[] = ["requester", "replier"];

/** A requester and repliers that know each other; nobody serves yet. */
async function farm(
  t: TestContext,
  wire: Wire,
  { count, binder, ...options }: { count: number; binder: Side } & RequesterOptions<number, number>,
): Promise<{
  readonly requester: Requester<number, number>;
  readonly repliers: readonly Replier<number, number>[];
}> {
  const requester = open(t, new Requester<number, number>({ timeoutMs: NEVER_MS, ...options }));
  const repliers = range(count).map(() => open(t, new Replier<number, number>()));
  if (binder === "requester") await wire.join(requester, ...repliers);
  else {
    for (const replier of repliers) await wire.join(replier, requester);
  }
  await requester.ready({ peers: count });
  return { requester, repliers };
}

for (const binder of BINDERS) {
  eachTransport(
    `requests: a replier that is slow gets few of them; the ${binder} binds`,
    async (t, wire) => {
      const { requester, repliers } = await farm(t, wire, { count: 3, binder });
      const slow = gate();
      const served = repliers.map(() => 0);
      for (const [index, replier] of repliers.entries()) {
        void replier.serve(async (n) => {
          served[index]! += 1;
          if (index === 0) await slow.promise;
          return n;
        });
      }
      // Nine at a time: the slow one keeps what it was given at first, and gets no more than the others have.
      let next = 0;
      const ask = async (): Promise<void> => {
        while (next < 300) {
          const n = next++;
          assert.equal(await requester.request(n), n);
        }
      };
      const asking = Promise.all(range(9).map(ask));
      await eventually(() => assert.ok(served[1]! + served[2]! >= 280, `${served}`));
      assert.ok(served[0]! <= 9, `${served}`);
      slow.open();
      await asking;
      assert.equal(
        served.reduce((sum, count) => sum + count, 0),
        300,
      );
    },
  );

  eachTransport(
    `requests: those at a replier that is lost fail at once, or go to another; the ${binder} binds`,
    async (t, wire) => {
      const { requester, repliers } = await farm(t, wire, { count: 2, binder });
      const [first, second] = repliers;
      const [begun, finish] = [gate(), gate()];
      const at = { first: 0, second: 0 };
      void first!.serve(async () => {
        at.first += 1;
        if (at.first === 5) begun.open();
        return gate<number>().promise;
      });
      void second!.serve(async (n) => {
        at.second += 1;
        await finish.promise;
        return n;
      });
      const asked = range(10).map((n) => requester.request(n, { resend: n >= 5 }));
      const settled = Promise.allSettled(asked);
      await begun.promise;
      await eventually(() => assert.equal(at.second, 5));
      await first!.close();
      finish.open();
      const results = await settled;
      const failed = results.flatMap((result, n) => (result.status === "rejected" ? [n] : []));
      assert.ok(
        failed.every((n) => n < 5),
        `${failed}`,
      );
      for (const n of failed) await assert.rejects(asked[n]!, UNROUTABLE);
      assert.ok(failed.length > 0);
      // Each of the ten was at one of the two, and those that were at the first and may be repeated came to the second.
      assert.equal(at.second, 10 - failed.length);
      assert.equal(requester.stats().pendingRequests, 0);
    },
  );

  eachTransport(
    `requests: none is lost when repliers leave and others come, one after another; the ${binder} binds`,
    async (t, wire) => {
      const requester = open(t, new Requester<number, number>({ timeoutMs: NEVER_MS }));
      const address = binder === "requester" ? await requester.bind(wire.address()) : null;
      const start = async (): Promise<() => Promise<void>> => {
        const replier = open(t, new Replier<number, number>());
        const stop = new AbortController();
        const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
        const serving = replier.serve(
          async (n) => {
            await turns();
            return n;
          },
          { signal: stop.signal, concurrency: 4 },
        );
        const ended = serving.catch(() => {});
        const bound = address === null ? await replier.bind(wire.address()) : null;
        if (bound === null) replier.connect(address!);
        else requester.connect(bound);
        return async () => {
          stop.abort();
          await replier.drain();
          await replier.close();
          await ended;
        };
      };
      let leave = await start();
      let asking = true;
      let replied = 0;
      const ask = async (): Promise<void> => {
        for (let n = 0; asking; n++) {
          assert.equal(await requester.request(n), n);
          replied += 1;
        }
      };
      const askers = Promise.all(range(20).map(ask));
      for (const _ of range(5)) {
        const before = replied;
        await eventually(() => assert.ok(replied > before + 50));
        const next = await start();
        await eventually(() => assert.ok(requester.stats().peers >= 2));
        await leave();
        leave = next;
      }
      asking = false;
      await askers;
      await leave();
    },
  );
}

eachTransport(
  "requests: the last replier finishes what it was sent before it leaves",
  async (t, wire) => {
    const { requester, repliers } = await farm(t, wire, { count: 1, binder: "replier" });
    const [replier] = repliers;
    const [begun, finish] = [gate(), gate()];
    void replier!.serve(async (n) => {
      begun.open();
      await finish.promise;
      return n;
    });
    const asked = range(50).map((n) => requester.request(n));
    await begun.promise;
    const left = replier!.drain();
    finish.open();
    assert.deepEqual(await Promise.all(asked), range(50));
    await left;
    await replier!.close();
  },
);

eachTransport(
  "requests: a replier that serves again after a drain gets requests again",
  async (t, wire) => {
    const { requester, repliers } = await farm(t, wire, { count: 1, binder: "requester" });
    const [replier] = repliers;
    const stop = new AbortController();
    const first = replier!.serve((n) => n, { signal: stop.signal });
    assert.equal(await requester.request(1), 1);
    stop.abort(new Error("stopped"));
    await assert.rejects(first, /stopped/);
    await replier!.drain();
    const waiting = requester.request(2);
    assert.equal(requester.stats().queuedMessages, 1);
    void replier!.serve((n) => n * 10);
    assert.equal(await waiting, 20);
  },
);

eachTransport(
  "requests: an address that is given up and connected again in one turn has one connection",
  async (t, wire) => {
    const replier = open(t, new Replier<number, number>());
    void replier.serve((n) => n);
    const requester = open(t, new Requester<number, number>({ timeoutMs: NEVER_MS }));
    const address = await wire.join(replier, requester);
    for (const _ of range(3)) {
      requester.disconnect(address);
      requester.connect(address);
    }
    await requester.ready();
    // With a connection that does not exist every second one would be lost.
    for (const n of range(40)) assert.equal(await requester.request(n), n);
    await eventually(() => assert.equal(requester.stats().peers, 1));
    requester.disconnect(address);
    assert.equal(requester.stats().peers, 0);
  },
);

eachTransport(
  "requests: many that are given up at once do not cost the others their connection",
  async (t, wire) => {
    const { requester, repliers } = await farm(t, wire, { count: 1, binder: "replier" });
    const finish = gate();
    void repliers[0]!.serve(
      async (n) => {
        if (n < 3) await finish.promise;
        return n;
      },
      { concurrency: 4 },
    );
    requester.on("peerLost", () => assert.fail("the connection was given up"));
    const others = range(3).map((n) => requester.request(n));
    const giveUp = new AbortController();
    const { signal } = giveUp;
    const given = range(20_000).map((n) => requester.request(n + 3, { signal }));
    const settled = Promise.allSettled(given);
    giveUp.abort(new Error("enough"));
    await settled;
    finish.open();
    assert.deepEqual(await Promise.all(others), range(3));
    assert.equal(await requester.request(7), 7);
  },
);

test("requests: without a replier they fail after unroutableMs, and not before", async (t) => {
  const requester = open(t, new Requester<number, number>({ unroutableMs: 50 }));
  const begunMs = performance.now();
  await assert.rejects(requester.request(1), UNROUTABLE);
  assert.ok(performance.now() - begunMs >= 49);
  const patient = open(t, new Requester<number, number>({ unroutableMs: NEVER_MS, timeoutMs: 60 }));
  await assert.rejects(patient.request(1), { code: "BROKERLESS_TIMEOUT" });
  const short = open(t, new Requester<number, number>({ unroutableMs: 0 }));
  await assert.rejects(short.request(1), UNROUTABLE);
  for (const unroutableMs of [-1, 0.5, "1", 2 ** 31]) {
    const options = { unroutableMs } as RequesterOptions<number, number>;
    assert.throws(() => new Requester(options), { name: "TypeError", message: /unroutableMs/ });
  }
});

eachTransport("requests: a burst of them shares frames, both ways", async (t, wire) => {
  const { requester, repliers } = await farm(t, wire, { count: 1, binder: "replier" });
  void repliers[0]!.serve((n) => n, { concurrency: 1_000 });
  await requester.request(0);
  await Promise.all(range(1_000).map((n) => requester.request(n)));
  const { messagesSent, framesSent, messagesReceived, framesReceived } = requester.stats();
  assert.deepEqual([messagesSent, messagesReceived], [1_001, 1_001]);
  assert.ok(framesSent < 50 && framesReceived < 500, `${framesSent} and ${framesReceived} frames`);
  const { messagesSent: replied } = repliers[0]!.stats();
  assert.equal(replied, 1_001);
});

/** A request whose handler is under way, and its context. */
async function inHandler(
  t: TestContext,
  wire: Wire,
  { binder = "replier", ...options }: { binder?: Side } & RequesterOptions<number, number> = {},
) {
  const { requester, repliers } = await farm(t, wire, { count: 1, binder, ...options });
  const [replier] = repliers;
  const contexts: RequestContext[] = [];
  void replier!.serve(async (n, context) => {
    contexts.push(context);
    const aborted = new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    if (n > 0) await aborted;
    // A reply could still arrive in time.
    return n === 2 ? gate<number>().promise : n;
  });
  // Now they know each other.
  await requester.request(0);
  const context = async (): Promise<RequestContext> => {
    await eventually(() => assert.equal(contexts.length, 2));
    return contexts[1]!;
  };
  return { requester, replier: replier!, context, contexts };
}

for (const binder of BINDERS) {
  eachTransport(
    `requests: a handler hears that its requester has given up; the ${binder} binds`,
    async (t, wire) => {
      const { requester, replier, context } = await inHandler(t, wire, { binder });
      const giveUp = new AbortController();
      const asked = requester.request(1, { signal: giveUp.signal });
      const { signal } = await context();
      assert.equal(signal.aborted, false);
      giveUp.abort(new Error("enough"));
      await assert.rejects(asked, /enough/);
      await eventually(() => assert.ok(signal.aborted));
      assert.match(String(signal.reason), /given the request up/);
      await replier.drain();
      assert.equal(requester.stats().messagesDropped, 1);
    },
  );

  eachTransport(
    `requests: a handler hears that the connection of its requester has ended; the ${binder} binds`,
    async (t, wire) => {
      const { requester, replier, context } = await inHandler(t, wire, { binder });
      replier.on("error", () => {});
      const asked = assert.rejects(requester.request(1), { code: "BROKERLESS_CLOSED" });
      const { signal } = await context();
      await requester.close();
      await asked;
      if (wire.transport === "inproc") return;
      await eventually(() => assert.ok(signal.aborted));
      assert.match(String(signal.reason), /connection of the requester has ended/);
    },
  );
}

eachTransport(
  "requests: a handler knows the deadline, and hears that it has passed",
  async (t, wire) => {
    const { requester, contexts } = await inHandler(t, wire);
    // On a busy machine a short time limit passes before the handler begins.
    for (let timeoutMs = 300; contexts.length === 1; timeoutMs *= 2) {
      const askedMs = Date.now();
      const asked = requester.request(2, { timeoutMs });
      await assert.rejects(asked, { code: "BROKERLESS_TIMEOUT" });
      const context = contexts[1];
      if (context === undefined) continue;
      const { deadline, signal } = context;
      assert.ok(deadline !== null);
      const afterMs = deadline.getTime() - askedMs;
      // What the way to the replier takes comes on top.
      assert.ok(afterMs >= timeoutMs / 2, `${afterMs} ms`);
      await eventually(() => assert.ok(signal.aborted));
      assert.equal(signal.reason.code, "BROKERLESS_TIMEOUT");
    }
  },
);

eachTransport(
  "requests: one that was given up before its handler began is not begun",
  async (t, wire) => {
    const { requester, repliers } = await farm(t, wire, { count: 1, binder: "replier" });
    const [replier] = repliers;
    const busy = gate();
    const seen: number[] = [];
    void replier!.serve(
      async (n) => {
        seen.push(n);
        if (n === 1) await busy.promise;
        return n;
      },
      { concurrency: 1 },
    );
    await requester.request(0);
    const first = requester.request(1);
    const giveUp = new AbortController();
    const cancelled = assert.rejects(requester.request(2, { signal: giveUp.signal }));
    await eventually(() => assert.deepEqual(seen, [0, 1]));
    giveUp.abort();
    await cancelled;
    // It comes behind the notice that the other one was given up.
    const last = requester.request(4);
    await eventually(() => assert.equal(replier!.stats().pendingRequests, 3));
    busy.open();
    assert.deepEqual(await Promise.all([first, last]), [1, 4]);
    assert.deepEqual(seen, [0, 1, 4]);
    assert.equal(replier!.stats().messagesDropped, 1);
  },
);

test("requests: one whose time limit has passed when it arrives is not begun, and its requester is told", async (t) => {
  const replier = open(t, new Replier<number, number>());
  const seen: number[] = [];
  void replier.serve((n) => {
    seen.push(n);
    return n;
  });
  const peer = new Dealer({ receiveTimeout: 60_000 });
  t.after(() => peer.close());
  peer.connect(await replier.bind("tcp://127.0.0.1:*"));
  const entries = [0, 60_000].map((leftMs, n) => {
    const bare = bareEntry(REQUEST_KINDS.request, Buffer.alloc(12, n + 1));
    return { ...bare, leftMs, body: Buffer.from([n + 1]) };
  });
  await peer.send([encodeRequests(entries)]);
  const kinds: number[] = [];
  while (kinds.length < 6) {
    const [frame] = await peer.receive();
    for (const { kind, id } of decodeEntries(frame!)) kinds.push(kind, id[0]!);
  }
  const { staying, expired, value } = REPLY_KINDS;
  assert.deepEqual(kinds, [staying, 0, expired, 1, value, 2]);
  assert.deepEqual([seen, replier.stats().messagesDropped], [[2], 1]);
});

for (const [binds, plainRepliers] of [
  ["REP", false],
  ["REP", true],
  ["Requester", true],
] as const) {
  const option = plainRepliers ? " with plainRepliers" : "";
  test(`requests: a plain REP gets one in each message; the ${binds} binds${option}`, async (t) => {
    const requester = open(t, new Requester<string, string>({ plainRepliers }));
    const rep = new Reply();
    t.after(() => rep.close());
    if (binds === "REP") {
      await rep.bind("tcp://127.0.0.1:*");
      requester.connect(rep.lastEndpoint!);
    } else rep.connect(await requester.bind("tcp://127.0.0.1:*"));
    const codec = msgpack();
    void (async () => {
      for await (const parts of rep) {
        assert.equal(parts.length, 1);
        await rep.send(parts[0]!);
      }
    })().catch(() => {});
    const asked = range(50).map((n) => `request ${n}`);
    assert.deepEqual(await Promise.all(asked.map((text) => requester.request(text))), asked);
    assert.equal(codec.name, "msgpack");
    assert.equal(requester.stats().framesSent, 50);
  });
}

test("requests: with plainRepliers a REP and a Replier share them, one in each message", async (t) => {
  const requester = open(
    t,
    new Requester<Uint8Array, Uint8Array>({ codec: raw(), plainRepliers: true }),
  );
  const address = await requester.bind("tcp://127.0.0.1:*");
  const replier = open(t, new Replier<Uint8Array, Uint8Array>({ codec: raw() }));
  const rep = new Reply();
  t.after(() => rep.close());
  const by = { rep: 0, replier: 0 };
  void (async () => {
    for await (const parts of rep) {
      assert.equal(parts.length, 1);
      by.rep += 1;
      await rep.send(parts[0]!);
    }
  })().catch(() => {});
  void replier.serve((bytes) => {
    by.replier += 1;
    return bytes;
  });
  rep.connect(address);
  replier.connect(address);
  await replier.ready();
  await eventually(async () => {
    const asked = range(20).map((n) => Buffer.from([n]));
    const replies = await Promise.all(asked.map((bytes) => requester.request(bytes)));
    assert.deepEqual(
      replies.map(([n]) => n),
      range(20),
    );
    assert.ok(by.rep > 0 && by.replier > 0, JSON.stringify(by));
  });
  assert.equal(requester.stats().framesSent, requester.stats().messagesSent);
  // It has not told that it leaves: ZeroMQ chooses who gets a message.
  await replier.drain();
});

test("requests: behind a proxy each is a message, and repliers of every kind reply", async (t) => {
  const proxy = new ZeroMQProxy(new Router(), new Dealer());
  await proxy.frontEnd.bind("tcp://127.0.0.1:*");
  await proxy.backEnd.bind("tcp://127.0.0.1:*");
  const running = proxy.run();
  const requester = open(t, new Requester<Uint8Array, Uint8Array>({ codec: raw() }));
  const replier = open(t, new Replier<Uint8Array, Uint8Array>({ codec: raw() }));
  const rep = new Reply();
  rep.connect(proxy.backEnd.lastEndpoint!);
  replier.connect(proxy.backEnd.lastEndpoint!);
  requester.connect(proxy.frontEnd.lastEndpoint!);
  const by = { rep: 0, replier: 0 };
  void (async () => {
    for await (const [part] of rep) {
      by.rep += 1;
      await rep.send(part!);
    }
  })().catch(() => {});
  void replier.serve((bytes) => {
    by.replier += 1;
    return bytes;
  });
  await requester.ready();
  await replier.ready();
  await eventually(async () => {
    const asked = range(20).map((n) => Buffer.from([n]));
    const replies = await Promise.all(asked.map((bytes) => requester.request(bytes)));
    assert.deepEqual(
      replies.map((bytes) => [...bytes]),
      asked.map((bytes) => [...bytes]),
    );
    assert.ok(by.rep > 0 && by.replier > 0, JSON.stringify(by));
  });
  assert.equal(requester.stats().framesSent, requester.stats().messagesSent);
  rep.close();
  await requester.close();
  await replier.close();
  proxy.terminate();
  await running;
});

test("requests: what claims to be replies and is not is refused, and nothing else is lost", async (t) => {
  const requester = open(t, new Requester<number, number>());
  const errors: string[] = [];
  requester.on("error", ({ code }) => errors.push(code));
  const worker = new Dealer();
  t.after(() => worker.close());
  worker.connect(await requester.bind("tcp://127.0.0.1:*"));
  await requester.ready();
  const asked = requester.request(7);
  const [id, empty, body] = await worker.receive();
  await worker.send([Buffer.from([0xb7, 0x52, 0x50, 0x01, 9, 9, 9])]);
  await eventually(() => assert.deepEqual(errors, ["BROKERLESS_PROTOCOL"]));
  assert.equal(requester.stats().framesRefused, 1);
  // Replies to a request that nobody made, and notices of requesters, change nothing.
  for (const entry of [[18, ...new Array(12).fill(0)], [2]]) {
    await worker.send([Buffer.from([0xb7, 0x52, 0x50, 0x01, ...entry])]);
  }
  await worker.send([id!, empty!, body!]);
  assert.equal(await asked, 7);
});

test("requests: a replier that leaves waits for its requester, and gives back what it has not begun", async (t) => {
  const replier = open(t, new Replier<number, number>());
  const stop = new AbortController();
  const serving = replier.serve((n) => n, { signal: stop.signal });
  const peer = new Dealer({ receiveTimeout: 60_000 });
  t.after(() => peer.close());
  peer.connect(await replier.bind("tcp://127.0.0.1:*"));
  const id = (n: number): Buffer => Buffer.alloc(12, n);
  const kindsOf = ([frame]: Buffer[]): number[] => decodeEntries(frame!).map(({ kind }) => kind);
  await peer.send([envelopeId(id(1), 60_000), "", Buffer.from([1])]);
  const { request, left } = REQUEST_KINDS;
  const { staying, value, leaving, returned } = REPLY_KINDS;
  assert.deepEqual(kindsOf(await peer.receive()), [staying]);
  assert.deepEqual(kindsOf(await peer.receive()), [value]);
  stop.abort();
  await assert.rejects(serving);
  let isDrained = false;
  const drained = replier.drain().then(() => {
    isDrained = true;
  });
  assert.deepEqual(kindsOf(await peer.receive()), [leaving]);
  assert.equal(isDrained, false);
  // They were on the way when it left, in one frame with the farewell.
  const late = range(3).map((n) => ({ ...bareEntry(request, id(n + 2)), leftMs: 60_000 }));
  const bodies = late.map((entry, n) => ({ ...entry, body: Buffer.from([n]) }));
  await peer.send([encodeRequests([...bodies, bareEntry(left)])]);
  await drained;
  await replier.close();
  const given: number[] = [];
  while (given.length < 3) given.push(...kindsOf(await peer.receive()));
  assert.deepEqual(given, [returned, returned, returned]);
});

eachTransport(
  "requests: those that were given up behind many others are not begun",
  async (t, wire) => {
    const { requester, repliers } = await farm(t, wire, { count: 1, binder: "replier" });
    const finish = gate();
    const seen: number[] = [];
    void repliers[0]!.serve(
      async (n) => {
        seen.push(n);
        if (n === 1) await finish.promise;
        return n;
      },
      { concurrency: 1 },
    );
    await requester.request(0);
    const first = requester.request(1);
    await eventually(() => assert.deepEqual(seen, [0, 1]));
    const giveUp = new AbortController();
    const { signal } = giveUp;
    const given = Promise.allSettled(range(500).map(() => requester.request(2, { signal })));
    await eventually(() => assert.equal(repliers[0]!.stats().pendingRequests, 501));
    giveUp.abort();
    await given;
    const last = requester.request(3);
    await eventually(() => assert.equal(repliers[0]!.stats().pendingRequests, 502));
    finish.open();
    assert.deepEqual(await Promise.all([first, last]), [1, 3]);
    assert.deepEqual(seen, [0, 1, 3]);
  },
);

eachTransport(
  "requests: those of an address that its requester unbinds fail at once",
  async (t, wire) => {
    const requester = open(t, new Requester<number, number>({ timeoutMs: NEVER_MS }));
    const replier = open(t, new Replier<number, number>());
    const address = await wire.join(requester, replier);
    const begun = gate();
    void replier.serve(() => {
      begun.open();
      return gate<number>().promise;
    });
    const asked = range(5).map((n) => assert.rejects(requester.request(n), UNROUTABLE));
    await begun.promise;
    await requester.unbind(address);
    await Promise.all(asked);
    assert.equal(requester.stats().peers, 0);
  },
);

test("requests: what a requester that has gone had sent is not begun", async (t) => {
  const wire = wireOf(t, "tcp");
  const { requester, repliers } = await farm(t, wire, { count: 1, binder: "replier" });
  const [replier] = repliers;
  replier!.on("error", () => {});
  const finish = gate();
  let begun = 0;
  void replier!.serve(
    async (n) => {
      begun += 1;
      await finish.promise;
      return n;
    },
    { concurrency: 1 },
  );
  const asked = Promise.allSettled(range(100).map((n) => requester.request(n)));
  await eventually(() => assert.equal(replier!.stats().pendingRequests, 100));
  await requester.close();
  await asked;
  await eventually(() => assert.equal(replier!.stats().pendingRequests, 1));
  finish.open();
  await replier!.drain();
  assert.equal(begun, 1);
});

eachTransport(
  "requests: a replier that hangs gets no more than the others have",
  async (t, wire) => {
    const { requester, repliers } = await farm(t, wire, { count: 2, binder: "requester" });
    let hanging = 0;
    let giveUp = new AbortController();
    void repliers[0]!.serve((n) => {
      if (n < 2) return n;
      hanging += 1;
      giveUp.abort();
      return gate<number>().promise;
    });
    void repliers[1]!.serve((n) => n);
    await Promise.all([0, 1].map((n) => requester.request(n)));
    for (const n of range(20)) {
      giveUp = new AbortController();
      await requester.request(n + 2, { signal: giveUp.signal }).catch(() => {});
    }
    assert.equal(hanging, 1);
  },
);

eachTransport(
  "requests: a handler that ends by its signal makes no failure, and no reply",
  async (t, wire) => {
    const { requester, repliers } = await farm(t, wire, { count: 1, binder: "replier" });
    const [replier] = repliers;
    void replier!.serve(async (n, { signal }) => {
      const ended = new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      if (n > 0) await ended;
      return n;
    });
    await requester.request(0);
    const asked = range(20).map(() => requester.request(1, { timeoutMs: 50 }));
    for (const each of asked) await assert.rejects(each, { code: "BROKERLESS_TIMEOUT" });
    await eventually(() => assert.equal(replier!.stats().messagesDropped, 20));
    assert.equal(replier!.stats().requestsFailed, 0);
  },
);

test("requests: options of the kind that bind a DEALER are checked", () => {
  assert.throws(() => new Requester({ plainRepliers: 1 } as never), /plainRepliers/);
  assert.ok(new Replier({} satisfies ReplierOptions<number, number>).close());
});
