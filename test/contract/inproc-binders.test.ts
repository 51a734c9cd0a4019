import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Pull, Push, Requester, Subscriber, type TypedSocket } from "../../lib/index.ts";
import { open, range } from "../support/fixtures.ts";
import { BINDERS, type BinderRole } from "../support/inproc-binders.ts";
import { startThread } from "../support/thread.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const MODULE = new URL("../support/inproc-binders.ts", import.meta.url).href;

/** Binders of a role come and go in a thread, while `socket` stays connected. */
async function meet(
  t: TestContext,
  role: BinderRole,
  socket: Pick<TypedSocket, "connect" | "close">,
  exchange: (value: number) => Promise<unknown>,
): Promise<void> {
  open(t, socket);
  socket.connect(`inproc://binders-${role}`.replace(" ", "-"));
  const thread = startThread(MODULE, { binders: role });
  const ended = once(thread, "exit");
  const failed = new Promise<never>((_, reject) => thread.once("error", reject));
  for (const value of range(BINDERS)) await Promise.race([exchange(value), failed]);
  assert.deepEqual(await ended, [0]);
}

const claim =
  "inproc: of binders in a thread, one after another, each is found, and nothing is lost";
const watched = { timeout: WATCHDOG_MS };

/** What two binders have sent is read in any order. */
function assertAll(got: readonly number[]): void {
  assert.deepEqual(
    got.toSorted((a, b) => a - b),
    range(BINDERS),
  );
}

test(`${claim} (Push)`, watched, async (t) => {
  const pull = new Pull<number>();
  const got: number[] = [];
  await meet(t, "Push", pull, async () => got.push(await pull.receive()));
  assertAll(got);
});

test(`${claim} (reliable Push)`, watched, async (t) => {
  const pull = new Pull<number>({ reliable: true });
  const got: number[] = [];
  void pull.run((value) => void got.push(value));
  await meet(t, "reliable Push", pull, async () => {});
  assertAll(got);
});

test(`${claim} (Publisher)`, watched, async (t) => {
  const subscriber = new Subscriber<{ t: number }>();
  subscriber.subscribe("t");
  const got: number[] = [];
  await meet(t, "Publisher", subscriber, async () => got.push((await subscriber.receive()).value));
  assertAll(got);
});

// What is sent to a binder that has gone is lost, as over a connection that breaks.
test(`${claim} (Pull)`, watched, async (t) => {
  const push = new Push<number>();
  await meet(t, "Pull", push, async (value) => {
    await push.ready();
    const lost = push.once("peerLost");
    await push.send(value);
    await lost;
  });
});

test(`${claim} (Replier)`, watched, async (t) => {
  const requester = new Requester<number, number>();
  await meet(t, "Replier", requester, async (value) => {
    await requester.ready();
    const lost = requester.once("peerLost");
    assert.equal(await requester.request(value), value);
    await lost;
  });
});

test(`${claim} (reliable Pull)`, watched, async (t) => {
  const push = new Push<number>({ reliable: true });
  await meet(t, "reliable Pull", push, (value) => push.send(value));
});
