import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MARK, SubscriberCounter } from "../../../lib/plain/topic/subscriber-counter.ts";
import { SubscriptionAnnouncer } from "../../../lib/plain/topic/subscription-announcer.ts";

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
