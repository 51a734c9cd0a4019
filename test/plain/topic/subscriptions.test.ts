import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Subscriptions } from "../../../lib/plain/topic/subscriptions.ts";
import { TopicPattern } from "../../../lib/plain/topic/topic-pattern.ts";

function setUp() {
  const prefixes: string[] = [];
  const subscriptions = new Subscriptions({
    add(prefix) {
      assert.ok(!prefixes.includes(prefix), `${prefix} was asked for twice`);
      prefixes.push(prefix);
    },
    remove(prefix) {
      assert.ok(prefixes.includes(prefix), `${prefix} was given up, and had not been asked for`);
      prefixes.splice(prefixes.indexOf(prefix), 1);
    },
  });
  return { subscriptions, prefixes };
}

test("subscriptions: patterns that share a prefix ask for it once, and give it up with the last", () => {
  const { subscriptions, prefixes } = setUp();
  assert.equal(subscriptions.add("a.*"), true);
  assert.equal(subscriptions.add("a.*.c"), true);
  assert.deepEqual(prefixes, ["a."]);
  assert.equal(subscriptions.remove("a.*"), true);
  assert.deepEqual(prefixes, ["a."]);
  assert.equal(subscriptions.remove("a.*.c"), true);
  assert.deepEqual(prefixes, []);
});

test("subscriptions: the same pattern twice is one, and one that is not there changes nothing", () => {
  const { subscriptions, prefixes } = setUp();
  assert.equal(subscriptions.add("a"), true);
  assert.equal(subscriptions.add("a"), false);
  assert.equal(subscriptions.remove("b"), false);
  assert.equal(subscriptions.remove("a"), true);
  assert.equal(subscriptions.remove("a"), false);
  assert.deepEqual(prefixes, []);
});

test("subscriptions: a malformed pattern is a TypeError and changes nothing", () => {
  const { subscriptions, prefixes } = setUp();
  assert.throws(() => subscriptions.add("\0"), TypeError);
  assert.deepEqual(prefixes, []);
});

test("subscriptions: verdicts follow every change, however often a topic was seen before", () => {
  const { subscriptions } = setUp();
  subscriptions.add("a.*");
  assert.equal(subscriptions.match("a.b"), true);
  assert.equal(subscriptions.match("c"), false);
  subscriptions.add("c");
  assert.equal(subscriptions.match("c"), true);
  subscriptions.remove("a.*");
  assert.equal(subscriptions.match("a.b"), false);
});

test("subscriptions: more topics than are remembered are still told apart", () => {
  const { subscriptions } = setUp();
  subscriptions.add("even.#");
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 5_000; index++) {
      const topic = `${index % 2 === 0 ? "even" : "odd"}.${index}`;
      assert.equal(subscriptions.match(topic), index % 2 === 0);
    }
  }
});

const texts = fc.constantFrom("a", "a.b", "a.*", "a.#", "*.b", "#", "b.*.c", "b.#.c", "b");
const topics = ["a", "a.b", "a.b.c", "b", "b.c", "b.x.c", "c.b", "ab"];

test("subscriptions: after any changes, topics match as if the patterns were asked one by one", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), texts)), (changes) => {
      const { subscriptions, prefixes } = setUp();
      const model = new Set<string>();
      for (const [adds, text] of changes) {
        assert.equal(
          adds ? subscriptions.add(text) : subscriptions.remove(text),
          adds !== model.has(text),
        );
        if (adds) model.add(text);
        else model.delete(text);
        const patterns = [...model].map((each) => new TopicPattern(each));
        assert.deepEqual(new Set(prefixes), new Set(patterns.map(({ prefix }) => prefix)));
        assert.equal(subscriptions.prefixes, prefixes.length);
        for (const topic of topics) {
          const expected = patterns.some((pattern) => pattern.matches(topic));
          assert.equal(subscriptions.match(topic), expected);
        }
      }
    }),
  );
});
