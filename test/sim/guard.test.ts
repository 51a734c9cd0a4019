import assert from "node:assert/strict";
import { test } from "node:test";
import type { Journal } from "../../lib/journal/journal.ts";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import { changed } from "../support/changed.ts";
import { turn } from "../support/eventually.ts";
import {
  Place,
  type PlaceReceiver as Receiver,
  type PlaceSender as Sender,
} from "../support/place.ts";

const ignore = (): void => {};

/** A handler whose calls end when they are told to. */
class Work {
  readonly begun: string[] = [];
  readonly #calls = new Map<string, () => void>();

  /** What is in the handler's hands now. */
  get now(): string[] {
    return [...this.#calls.keys()];
  }

  readonly handle = (value: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      const name = Buffer.from(value).toString();
      this.begun.push(name);
      this.#calls.set(name, resolve);
    });

  end(name: string): void {
    this.#calls.get(name)!();
    this.#calls.delete(name);
  }
}

async function send(sender: Sender, ...values: string[]): Promise<void> {
  await Promise.all(values.map((value) => sender.send(Buffer.from(value), null, undefined)));
}

function work(receiver: Receiver, concurrency: number): Work {
  const work = new Work();
  void receiver.inbound.run(work.handle, { concurrency });
  return work;
}

/** Five messages, of which a receiver had three unacked when it died. @returns what the next does, one step after the other */
async function afterDeath(change: (sender: Sender) => void): Promise<string[]> {
  const place = new Place();
  const sender = place.sender();
  change(sender);
  await send(sender, "a", "b", "c", "d", "e", "f");
  const first = await place.receiver();
  const { now } = await begins(place, first);
  assert.deepEqual(now, ["a", "b", "c"]);
  await place.dies(first);
  const next = await begins(place, await place.receiver());
  const steps: string[] = [];
  for (let count = 0; count < 6 && next.now.length > 0; count++) {
    steps.push(next.now.join(""));
    next.end(next.now[0]!);
    await place.carry();
  }
  return steps;
}

async function begins(place: Place, receiver: Receiver): Promise<Work> {
  const begun = work(receiver, 3);
  await place.carry();
  return begun;
}

test("guard: what may have killed a receiver is begun alone, one after the other, and then all goes on together", async () => {
  // "d" was not unacked; but its receiver may have died before it could say so.
  assert.deepEqual(await afterDeath(ignore), ["a", "b", "c", "d", "ef", "f"]);
});

test("guard, control: where nothing is guarded they are begun together", async () => {
  const unguarded = ({ links: { dispatcher } }: Sender): void => {
    const step = dispatcher.step.bind(dispatcher);
    dispatcher.step = (event, nowMs) =>
      step(event, nowMs).map((one) => (one.type === "send" ? { ...one, guarded: false } : one));
  };
  assert.equal((await afterDeath(unguarded))[0], "abc");
});

test("guard: a message of another sender is neither begun beside it, nor unacked when it begins", async () => {
  const place = new Place();
  const [one, other] = [place.sender(), place.sender()];
  await send(one, "a");
  const first = await place.receiver();
  await begins(place, first);
  await place.dies(first);
  await send(other, "x", "y");
  const receiver = await place.receiver();
  const next = await begins(place, receiver);
  const seen = [next.now.join("")];
  for (; next.now.length > 0; await place.carry()) {
    next.end(next.now[0]!);
    await place.carry();
    seen.push(next.now.join(""));
  }
  assert.ok(
    seen.every((together) => !together.includes("a") || together === "a"),
    seen.join(),
  );
  assert.deepEqual(next.begun.sort(), ["a", "x", "y"]);
});

test("guard: batches come apart: a guarded message is an array of its own", async () => {
  const place = new Place();
  const sender = place.sender();
  await send(sender, "a", "b", "c");
  const first = await place.receiver();
  void first.inbound.batches().next();
  await place.carry();
  await place.dies(first);
  const batches = (await place.receiver()).inbound.batches();
  const lengths: number[] = [];
  for (let count = 0; count < 3; count++) {
    const next = batches.next();
    await place.carry();
    lengths.push(((await next).value as Uint8Array[]).length);
  }
  assert.deepEqual(lengths, [1, 1, 1]);
});

test("guard: nothing else is begun before its sender has saved that it is begun, or is given up", async () => {
  const journal = new MemoryJournal();
  let isSlow = false;
  const slow = changed(journal as Journal, {
    set: (values) => (isSlow ? new Promise(ignore) : journal.set(values)) as never,
  });
  const place = new Place();
  const [one, other] = [place.sender(slow), place.sender()];
  await send(one, "a");
  const first = await place.receiver();
  await begins(place, first);
  await place.dies(first);
  const receiver = await place.receiver();
  isSlow = true;
  const next = await begins(place, receiver);
  await send(other, "x");
  await place.carry();
  // Should "x" kill, "a" would have been begun, as far as its sender knows.
  assert.deepEqual(next.begun, []);
  await place.parts(one);
  assert.deepEqual(next.begun, ["x"]);
});

test("guard: an answer that its sender may not know holds back what would be begun next", async () => {
  const place = new Place();
  const sender = place.sender();
  await send(sender, "a", "b", "c");
  const first = await place.receiver();
  const one = work(first, 1);
  await place.carry();
  assert.deepEqual(one.now, ["a"]);
  await place.dies(first);
  const next = work(await place.receiver(), 1);
  await place.carry();
  // "b" was the lowest of those of which nothing had been said.
  for (const guarded of ["a", "b"]) {
    assert.deepEqual(next.now, [guarded]);
    next.end(guarded);
    await turn();
    assert.deepEqual(next.now, [], "nothing is begun before the wire has carried the answer");
    await place.carry();
  }
  assert.deepEqual(next.now, ["c"]);
});
