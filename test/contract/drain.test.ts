import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Dealer,
  Pull,
  Push,
  Replier,
  Requester,
  type SocketEvents,
  type TypedSocket,
} from "../../lib/index.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { WorkQueue } from "../../patterns/work-queue.ts";
import { errorsOf, gate, open } from "../support/fixtures.ts";
import { ROLES } from "../support/roles.ts";
import { World } from "../support/world.ts";

const CLOSED = { code: "BROKERLESS_CLOSED", retryable: false };

/** Sockets with a message that nobody will take. */
const LEFT: Readonly<Record<string, () => TypedSocket<SocketEvents>>> = {
  "a plain Push": () => {
    const push = new Push();
    void push.send(1);
    return push;
  },
  "a Push in memory": () => {
    const push = new Push({ reliable: true });
    void push.send(1);
    return push;
  },
  "a Push that waits for receivers": () => {
    const push = new Push({ journal: new MemoryJournal(), confirm: "processed" });
    void push.send(1);
    return push;
  },
  "a Push whose schema takes its time": () => {
    const validate = () => gate<{ value: unknown }>().promise;
    const push = new Push({ schema: { "~standard": { version: 1, vendor: "test", validate } } });
    void push.send(1);
    return push;
  },
  "a Dealer": () => {
    const dealer = new Dealer();
    void dealer.send(1);
    return dealer;
  },
  "a Requester": () => {
    const requester = new Requester();
    void requester.request(1);
    return requester;
  },
};

for (const [name, make] of Object.entries(LEFT)) {
  test(`drain: close rejects it where something is left: ${name}`, async (t) => {
    const socket = open(t, make());
    const drained = socket.drain();
    await socket.close();
    await assert.rejects(drained, CLOSED);
    await assert.rejects(socket.drain(), CLOSED);
  });
}

test("drain: close rejects it where a handler is at work: a Replier", async (t) => {
  const replier = open(t, new Replier<number, number>());
  const requester = open(t, new Requester<number, number>());
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  const begun = gate();
  void replier.serve(() => {
    begun.open();
    return gate<number>().promise;
  });
  void requester.request(1);
  await begun.promise;
  const drained = replier.drain();
  await replier.close();
  await assert.rejects(drained, CLOSED);
});

for (const { role, make } of ROLES) {
  test(`drain: with nothing left it resolves, and a closed socket rejects it: ${role}`, async (t) => {
    const socket = open(t, make());
    await socket.drain();
    const drained = socket.drain();
    await socket.close();
    await drained;
    await assert.rejects(socket.drain(), CLOSED);
  });
}

test("drain: what is stored is drained where that is the level, also when close comes behind it", async (t) => {
  const journal = new MemoryJournal();
  const push = open(t, new Push({ journal }));
  void push.send(1);
  const drained = push.drain();
  await push.close();
  await drained;
  assert.equal(journal.seqStored, 1);
});

test("drain: of a work queue, finished tells that it is not", async (t) => {
  const world = new World(t);
  const queue = await WorkQueue.open({ directory: world.directory() });
  await queue.finished();
  await queue.add("never done");
  const finished = queue.finished();
  await queue.close();
  await assert.rejects(finished, CLOSED);
  await assert.rejects(queue.finished(), CLOSED);
});

test("drain: who closes a socket that is draining at its end is not told what is left", async (t) => {
  const push = open(t, new Push());
  void push.send(1);
  const errors = errorsOf(push);
  const ended = push[Symbol.asyncDispose]();
  await push.close();
  await ended;
  assert.deepEqual(errors, []);
});

test("drain: a receiver's, of what it has said before it closed", async (t) => {
  const push = open(t, new Push({ reliable: true }));
  const pull = open(t, new Pull({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const sent = push.send(1, { confirm: "processed" });
  await pull.receive();
  await pull.drain();
  await pull.close();
  await sent;
});
