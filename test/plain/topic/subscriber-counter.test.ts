import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CensusClock } from "../../../lib/plain/topic/census-clock.ts";
import { MARK, SubscriberCounter, TICK_MS } from "../../../lib/plain/topic/subscriber-counter.ts";
import { SubscriptionAnnouncer } from "../../../lib/plain/topic/subscription-announcer.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const adds = (prefix: string): Buffer => Buffer.from(`\x01${prefix}`);
const removes = (prefix: string): Buffer => Buffer.from(`\x00${prefix}`);

/** A subscriber of ours, and what XPUB reads from it. */
class Subscriber {
  readonly prefixes = new Set<string>();
  #sent: Buffer[] = [];
  readonly #asked = new Set<string>();
  readonly #announcer = new SubscriptionAnnouncer({
    subscribe: (prefix) => {
      this.#asked.add(prefix);
      this.#sent.push(adds(prefix));
    },
    unsubscribe: (prefix) => {
      assert.ok(this.#asked.delete(prefix), `${prefix} was not asked for`);
      this.#sent.push(removes(prefix));
    },
  });

  /** Asks for the prefixes that it has not, gives up those that it has. */
  toggle(...prefixes: readonly string[]): Buffer[] {
    for (const prefix of prefixes) {
      if (this.prefixes.delete(prefix)) this.#announcer.remove(prefix);
      else {
        this.prefixes.add(prefix);
        this.#announcer.add(prefix);
      }
    }
    this.#announcer.flush();
    return this.#sent.splice(0);
  }

  /** What a new connection sends, in ZeroMQ's order: the empty prefix, what begins like the mark, the rest. */
  join(): Buffer[] {
    const rank = (prefix: string): number => (prefix === "" ? 0 : prefix.startsWith(MARK) ? 1 : 2);
    return [...this.#asked].sort((one, other) => rank(one) - rank(other)).map(adds);
  }

  /** What XPUB reports when the connection ends, in the order of the alphabet. */
  leave(): Buffer[] {
    return [...this.#asked].sort().map(removes);
  }
}

function readAll(census: SubscriberCounter, messages: readonly Buffer[]): void {
  for (const message of messages) census.read(message);
}

test("census: a subscriber counts when the last of its prefixes has arrived", () => {
  const census = new SubscriberCounter();
  const [mark, ...prefixes] = new Subscriber().toggle("a", "b", "c");
  assert.equal(census.read(mark!)?.type, "mark");
  for (const prefix of prefixes) {
    assert.equal(census.count(1), 0);
    assert.equal(census.read(prefix)?.type, "subscribe");
  }
  assert.equal(census.count(1), 1);
});

test("census: prefixes of one subscriber never stand for another that is connected too", () => {
  const census = new SubscriberCounter();
  for (const message of new Subscriber().toggle("a", "b", "c")) {
    census.read(message);
    assert.ok(census.count(2) <= 1);
  }
});

test("census: a subscriber that changes its prefixes counts once throughout", () => {
  const census = new SubscriberCounter();
  const subscriber = new Subscriber();
  readAll(census, subscriber.toggle("a"));
  const changes = [["b", "a", "c"], ["c"], ["d", "e"], ["b", "e"], ["f", "d"]];
  for (const prefixes of changes) {
    for (const message of subscriber.toggle(...prefixes)) {
      census.read(message);
      assert.equal(census.count(1), 1);
      assert.equal(census.count(5), 1);
    }
  }
});

test("census: a subscriber without any prefix left does not count", () => {
  const census = new SubscriberCounter();
  const subscriber = new Subscriber();
  readAll(census, subscriber.toggle("a"));
  readAll(census, subscriber.toggle("a"));
  assert.equal(census.count(1), 0);
  assert.deepEqual(subscriber.join(), []);
});

test("census: a subscriber that leaves before all has arrived holds back nobody", () => {
  const census = new SubscriberCounter();
  const early = new Subscriber();
  const [mark, first] = early.toggle("a", "b", "c");
  readAll(census, [mark!, first!]);
  readAll(census, [Buffer.concat([Buffer.of(0), mark!.subarray(1)]), removes("a")]);
  readAll(census, new Subscriber().toggle("a"));
  assert.equal(census.count(1), 1);
});

test("census: subscribers of ours are told apart from peers without marks", () => {
  const census = new SubscriberCounter();
  census.read(adds("plain"));
  assert.equal(census.count(1), 1);
  for (const message of new Subscriber().toggle("a", "b")) {
    census.read(message);
    assert.ok(census.count(2) >= 1);
  }
  assert.equal(census.count(2), 2);
  assert.equal(census.count(3), 2);
});

test("census: a peer without marks counts when it has a subscription, and at most once", () => {
  const census = new SubscriberCounter();
  assert.equal(census.count(1), 0);
  census.read(adds("a"));
  census.read(adds("b"));
  assert.equal(census.count(1), 1);
  assert.equal(census.count(2), 2);
  census.read(removes("a"));
  census.read(removes("b"));
  assert.equal(census.count(1), 0);
});

test("census: a message that is neither 0 nor 1 is not for us", () => {
  const census = new SubscriberCounter();
  assert.equal(census.read(Buffer.from([2, 65])), null);
  assert.equal(census.read(Buffer.alloc(0)), null);
});

test("census: changes say which prefix, in full", () => {
  const census = new SubscriberCounter();
  assert.deepEqual(census.read(adds("quotes.")), { type: "subscribe", prefix: "quotes." });
  assert.deepEqual(census.read(removes("quotes.")), { type: "unsubscribe", prefix: "quotes." });
});

test("census: marks that no subscriber of ours makes are not believed", () => {
  const census = new SubscriberCounter();
  const wrong = [
    "",
    "x",
    "x.1",
    "x.1.-1.0",
    "x.1.1e99.0",
    "x.1.0.5",
    "x.1.1.2",
    "x".repeat(100),
    "x.1.NaN.0",
    "x.1.9999999999.0",
  ];
  for (const text of wrong) census.read(adds(MARK + text));
  assert.ok(census.count(0) <= wrong.length);
  assert.equal(census.count(10), census.count(0));
  for (const text of wrong) census.read(removes(MARK + text));
  assert.equal(census.count(10), 0);
});

test("census: what was never subscribed is unsubscribed without effect", () => {
  const census = new SubscriberCounter();
  census.read(removes("a"));
  census.read(adds("a"));
  assert.equal(census.count(1), 1);
});

test("census: no peer can make it remember more than 65,536 marks", () => {
  const census = new SubscriberCounter();
  for (let index = 0; index < 65_600; index++) census.read(adds(`${MARK}${index}.1.0`));
  assert.equal(census.count(0), 65_536);
});

/** Nothing that is missing comes for as long as it is waited for. */
const QUIET = 4;

function pass(census: SubscriberCounter, ticks: number): void {
  for (let tick = 0; tick < ticks; tick++) census.tick();
}

const LIE = adds(`${MARK}AAAAAAAAAAAAAAAA.1.999999999`);

test("census: a subscriber that announces what never comes delays the others, and not for good", () => {
  const census = new SubscriberCounter();
  census.read(LIE);
  for (let index = 0; index < 5; index++) readAll(census, new Subscriber().toggle(`t${index}`));
  pass(census, QUIET - 1);
  assert.equal(census.count(6), 0);
  assert.ok(census.isWaiting);
  pass(census, 1);
  assert.equal(census.count(6), 5);
  assert.ok(!census.isWaiting);
  // From then on it delays nobody, whoever comes, with marks or without.
  const late = new Subscriber().toggle("a", "b", "c");
  for (const message of late) {
    assert.equal(census.count(8), 5);
    census.read(message);
  }
  assert.equal(census.count(8), 6);
  census.read(adds("plain"));
  assert.equal(census.count(8), 7);
});

test("census: one that counts and then announces what never comes delays nobody for good", () => {
  const census = new SubscriberCounter();
  census.read(adds(`${MARK}AAAAAAAAAAAAAAAA.1.0`));
  assert.equal(census.count(1), 1);
  census.read(adds(`${MARK}AAAAAAAAAAAAAAAA.2.7.*`));
  readAll(census, new Subscriber().toggle("a"));
  pass(census, QUIET);
  assert.equal(census.count(2), 2);
  readAll(census, new Subscriber().toggle("b"));
  assert.equal(census.count(3), 3);
});

test("census: an empty prefix that never comes delays nobody for good", () => {
  const census = new SubscriberCounter();
  census.read(adds(`${MARK}AAAAAAAAAAAAAAAA.1.0.*`));
  readAll(census, new Subscriber().toggle("a"));
  assert.equal(census.count(2), 0);
  pass(census, QUIET);
  assert.equal(census.count(2), 1);
});

test("census: one that stops half-way counts when the rest has come, and delays nobody", () => {
  const census = new SubscriberCounter();
  const topics = Array.from({ length: 1_000 }, (_, index) => `slow.${index}`);
  const slow = new Subscriber().toggle(...topics);
  readAll(census, slow.slice(0, 601));
  readAll(census, new Subscriber().toggle("a", "b"));
  pass(census, QUIET);
  assert.equal(census.count(2), 1);
  for (const message of slow.slice(601)) {
    assert.equal(census.count(2), 1);
    census.read(message);
  }
  assert.equal(census.count(2), 2);
  readAll(census, new Subscriber().toggle("c"));
  assert.equal(census.count(3), 3);
});

test("census: a slow one whose topics keep coming counts with the last of them", () => {
  const census = new SubscriberCounter();
  const topics = Array.from({ length: 50 }, (_, index) => `slow.${index}`);
  const [mark, ...prefixes] = new Subscriber().toggle(...topics);
  census.read(mark!);
  for (const prefix of prefixes) {
    pass(census, 1);
    assert.ok(census.isWaiting);
    assert.equal(census.count(1), 0);
    census.read(prefix);
  }
  assert.equal(census.count(1), 1);
  assert.ok(!census.isWaiting);
});

test("census: liars that come without a pause delay nobody for good", () => {
  const census = new SubscriberCounter();
  census.read(LIE);
  readAll(census, new Subscriber().toggle("a", "b"));
  for (let tick = 0; tick < 60; tick++) {
    assert.equal(census.count(2), 0);
    // Each announces more than it has, and has something, so that it is never quiet.
    readAll(census, [adds(`${MARK}liar${tick}.1.100`), adds(`liar.${tick}`)]);
    pass(census, 1);
  }
  assert.ok(census.count(2) >= 1);
});

test("census: with liars of every kind about, those of ours count as soon as time allows", () => {
  const lies = fc.array(
    fc.record({
      announces: fc.integer({ min: 1, max: 50 }),
      empty: fc.boolean(),
      sends: fc.nat(60),
      leaves: fc.boolean(),
    }),
    { maxLength: 5 },
  );
  const honest = fc.array(
    fc.uniqueArray(fc.constantFrom("a", "b", "c", "ab", "", "z"), { minLength: 1 }),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(lies, honest, (liars, subscribers) => {
      const census = new SubscriberCounter();
      for (const [index, { announces, empty, sends, leaves }] of liars.entries()) {
        const mark = `${MARK}liar${index}.1.${announces}${empty ? ".*" : ""}`;
        const sent = Array.from({ length: sends }, (_, topic) => `${index}.${topic}`);
        readAll(census, [adds(mark), ...sent.map(adds)]);
        if (leaves) readAll(census, [removes(mark), ...sent.map(removes)]);
      }
      const joined = subscribers.map((prefixes) => {
        const subscriber = new Subscriber();
        readAll(census, subscriber.toggle(...prefixes));
        return subscriber;
      });
      // None but those that have announced themselves are taken to be connected.
      pass(census, QUIET);
      const count = census.count(0);
      assert.ok(count >= subscribers.length, `${count} of ${subscribers.length}`);
      assert.ok(!census.isWaiting);
      readAll(census, new Subscriber().toggle("late", "later"));
      assert.ok(census.count(0) > count);
      for (const subscriber of joined) readAll(census, subscriber.leave());
    }),
    { numRuns: 500 },
  );
});

test("census clock: it ticks for as long as the counter waits, and not after its stop", () => {
  const clock = new ManualClock();
  const census = new SubscriberCounter();
  let ticks = 0;
  const ticking = new CensusClock(clock, census, () => ticks++);
  ticking.look();
  clock.advance(10 * TICK_MS);
  assert.equal(ticks, 0);
  census.read(LIE);
  ticking.look();
  ticking.look();
  clock.advance(10 * TICK_MS);
  assert.equal(ticks, QUIET);
  census.read(adds(`${MARK}BBBBBBBBBBBBBBBB.1.1`));
  ticking.look();
  // A process that was held up reads before it finds that nothing has come.
  clock.jump(10 * TICK_MS);
  assert.equal(ticks, QUIET + 1);
  assert.ok(census.isWaiting);
  ticking.stop();
  ticking.look();
  clock.advance(10 * TICK_MS);
  assert.equal(ticks, QUIET + 1);
});

test("announcer: what is taken back in the same turn is not asked for at all", () => {
  const subscriber = new Subscriber();
  assert.deepEqual(subscriber.toggle("a", "a"), []);
  assert.equal(subscriber.toggle("b", "a", "a").length, 2);
  assert.deepEqual(subscriber.toggle("b", "b"), []);
});

test("announcer: who asks for everything asks for nothing else", () => {
  const subscriber = new Subscriber();
  subscriber.toggle("a", "b");
  subscriber.toggle("");
  assert.equal(subscriber.join().length, 2);
  subscriber.toggle("c", "b");
  subscriber.toggle("");
  const [, ...prefixes] = subscriber.join();
  assert.deepEqual(prefixes, [adds("a"), adds("c")]);
});

test("announcer: new prefixes are asked for before others are given up", () => {
  const subscriber = new Subscriber();
  subscriber.toggle("a");
  const texts = subscriber.toggle("a", "b").map((message) => message.toString());
  assert.ok(texts.indexOf("\x01b") < texts.indexOf("\x00a"));
});

type Event =
  | { readonly type: "join" | "leave" | "reconnect"; readonly index: number }
  | { readonly type: "toggle"; readonly index: number; readonly prefixes: string[] };

const events: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    type: fc.constantFrom("join" as const, "leave" as const, "reconnect" as const),
    index: fc.nat(),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("toggle" as const),
      index: fc.nat(),
      prefixes: fc.array(fc.constantFrom("a", "b", "c", "ab", "", "z"), { maxLength: 5 }),
    }),
  },
);

test("census: subscribers of ours are counted exactly, whatever they do", () => {
  fc.assert(
    fc.property(fc.array(events, { maxLength: 60 }), (script) => {
      const census = new SubscriberCounter();
      const here: Subscriber[] = [];
      const counted = (): number => here.filter(({ prefixes }) => prefixes.size > 0).length;
      for (const event of script) {
        const before = counted();
        const subscriber = here[event.index % Math.max(1, here.length)];
        let messages: Buffer[] = [];
        if (event.type === "join") here.push(new Subscriber());
        else if (subscriber === undefined) continue;
        else if (event.type === "toggle") messages = subscriber.toggle(...event.prefixes);
        else if (event.type === "reconnect") {
          readAll(census, subscriber.leave());
          messages = subscriber.join();
        } else {
          messages = subscriber.leave();
          here.splice(here.indexOf(subscriber), 1);
        }
        const after = counted();
        for (const message of messages) {
          census.read(message);
          if (event.type === "toggle") {
            const count = census.count(here.length);
            assert.ok(count === before || count === after, `${count}: ${before} to ${after}`);
          }
        }
        assert.equal(census.count(here.length), after);
      }
    }),
    { numRuns: 500 },
  );
});
