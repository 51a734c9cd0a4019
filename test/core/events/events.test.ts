import assert from "node:assert/strict";
import { test } from "node:test";
import { Events, type Listener } from "../../../lib/core/events/events.ts";

interface Weather {
  readonly rain: number;
  readonly sun: string;
}

/** Knows how many listeners there are. */
class CountedEvents extends Events<Weather> {
  count = 0;
  override on<K extends keyof Weather>(name: K, listener: Listener<Weather[K]>): () => void {
    const remove = super.on(name, listener);
    this.count += 1;
    return () => {
      this.count -= 1;
      remove();
    };
  }
}

/** Events of a socket that can be closed, and how many wait for that. */
function opened(): { events: CountedEvents; ends: Set<() => void>; close: () => void } & {
  readonly whenClosed: (end: () => void) => () => void;
} {
  const events = new CountedEvents();
  const ends = new Set<() => void>();
  const whenClosed = (end: () => void) => {
    ends.add(end);
    return () => void ends.delete(end);
  };
  const close = () => {
    for (const end of [...ends]) end();
  };
  return { events, ends, whenClosed, close };
}

test("events: the next one is the one after the call, and of that name", async () => {
  const { events, ends, whenClosed } = opened();
  events.emit("rain", 1);
  const next = events.next("rain", undefined, whenClosed);
  events.emit("sun", "hot");
  events.emit("rain", 2);
  events.emit("rain", 3);
  assert.equal(await next, 2);
  assert.deepEqual([events.count, ends.size], [0, 0]);
});

test("events: however the wait for the next one ends, nothing is left of it", async () => {
  const { events, ends, whenClosed, close } = opened();
  const late = events.next("rain", { timeoutMs: 0 }, whenClosed);
  await assert.rejects(late, { code: "BROKERLESS_TIMEOUT", message: /once "rain"/ });
  const stop = new AbortController();
  const stopped = events.next("rain", { signal: stop.signal }, whenClosed);
  stop.abort(new RangeError("enough"));
  await assert.rejects(stopped, new RangeError("enough"));
  const closed = events.next("rain", undefined, whenClosed);
  close();
  await assert.rejects(closed, { code: "BROKERLESS_CLOSED" });
  await assert.rejects(events.next("rain", { timeoutMs: -1 }, whenClosed), TypeError);
  assert.deepEqual([events.count, ends.size], [0, 0]);
});

test("events: the tap hears each one first, and what it throws is an uncaught exception", (t) => {
  const later: (() => void)[] = [];
  t.mock.method(globalThis, "queueMicrotask", (call: () => void) => void later.push(call));
  const { events } = opened();
  const heard: unknown[] = [];
  events.tap((name, event) => {
    heard.push([name, event]);
    throw new RangeError("the log is full");
  });
  events.emit("sun", "alone");
  events.on("rain", (event) => heard.push(event));
  events.emit("rain", 5);
  assert.deepEqual(heard, [["sun", "alone"], ["rain", 5], 5]);
  assert.equal(later.length, 2);
  for (const call of later) assert.throws(call, RangeError);
});
