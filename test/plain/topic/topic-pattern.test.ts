import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  checkTopic,
  TOPIC_BYTES_MAX,
  TopicPattern,
} from "../../../lib/plain/topic/topic-pattern.ts";

/** The definition, word by word: obvious, and slow. */
function matches(pattern: readonly string[], topic: readonly string[]): boolean {
  if (pattern.length === 0) return topic.length === 0;
  const [first, ...rest] = pattern;
  if (first === "#") {
    return matches(rest, topic) || (topic.length > 0 && matches(pattern, topic.slice(1)));
  }
  if (topic.length === 0) return false;
  return (first === "*" || first === topic[0]) && matches(rest, topic.slice(1));
}

const word = fc.constantFrom("a", "b", "", "ab");
const topics = fc.array(word, { minLength: 1, maxLength: 7 }).map((words) => words.join("."));
const patterns = fc
  .array(fc.oneof(word, fc.constantFrom("*", "#")), { minLength: 1, maxLength: 7 })
  .map((words) => words.join("."));

test("topic pattern: matches exactly what the definition says, and only below its prefix", () => {
  fc.assert(
    fc.property(patterns, topics, (text, topic) => {
      const pattern = new TopicPattern(text);
      const expected = matches(text.split("."), topic.split("."));
      assert.equal(pattern.matches(topic), expected);
      if (expected) assert.ok(topic.startsWith(pattern.prefix), pattern.prefix);
    }),
    { numRuns: 3_000 },
  );
});

test("topic pattern: a topic matches itself, and nothing else does", () => {
  fc.assert(
    fc.property(topics, topics, (one, other) => {
      assert.equal(new TopicPattern(one).matches(other), one === other);
    }),
  );
});

const cases: readonly [pattern: string, prefix: string, yes: string[], no: string[]][] = [
  ["quotes", "quotes", ["quotes"], ["quotes.a", "quote", "quotes2", ""]],
  ["quotes.*", "quotes.", ["quotes.a", "quotes."], ["quotes", "quotes.a.b", "quotesa"]],
  ["quotes.#", "quotes", ["quotes", "quotes.a", "quotes.a.b"], ["quotes2", "quote"]],
  ["*", "", ["a", ""], ["a.b"]],
  ["#", "", ["", "a", "a.b.c"], []],
  ["*.open", "", ["door.open", ".open"], ["open", "a.b.open"]],
  ["#.open", "", ["open", "a.b.open"], ["open.a"]],
  ["a.*.c", "a.", ["a.b.c", "a..c"], ["a.c", "a.b.b.c"]],
  ["a.#.c", "a", ["a.c", "a.b.c", "a.b.b.c"], ["a", "a.b", "ac"]],
  ["a.#.b.#", "a", ["a.b", "a.x.b.y.z"], ["a.c"]],
  ["a*b", "a*b", ["a*b"], ["axb"]],
  ["a.b*", "a.b*", ["a.b*"], ["a.bc"]],
  ["", "", [""], ["a"]],
];

for (const [text, prefix, yes, no] of cases) {
  test(`topic pattern: "${text}" asks ZeroMQ for "${prefix}" and tells topics apart`, () => {
    const pattern = new TopicPattern(text);
    assert.equal(pattern.prefix, prefix);
    for (const topic of yes) assert.ok(pattern.matches(topic), topic);
    for (const topic of no) assert.ok(!pattern.matches(topic), topic);
  });
}

test("topic pattern: many wildcards against a long topic take no time worth mentioning", () => {
  const pattern = new TopicPattern("#.a.".repeat(100).slice(0, -1));
  const topic = `${"a.".repeat(400)}b`;
  assert.equal(pattern.matches(topic), false);
});

test("topic: what is no topic is a TypeError that says so", () => {
  const wrong: readonly [unknown, RegExp][] = [
    [undefined, /must be a string, got undefined/],
    [7, /must be a string, got number/],
    ["\0a", /must not begin with a NUL/],
    ["a\ud800", /half of a surrogate pair/],
    ["\udc00.*", /half of a surrogate pair/],
    ["\ude00\ud83d", /half of a surrogate pair/],
    ["a".repeat(TOPIC_BYTES_MAX + 1), /at most 1024 bytes, got 1025/],
    ["é".repeat(TOPIC_BYTES_MAX / 2 + 1), /got 1026/],
  ];
  for (const [topic, message] of wrong) {
    assert.throws(() => checkTopic(topic, "topic"), { name: "TypeError", message });
    assert.throws(() => new TopicPattern(topic as string), TypeError);
  }
  checkTopic("a".repeat(TOPIC_BYTES_MAX), "topic");
  checkTopic("é".repeat(TOPIC_BYTES_MAX / 2), "topic");
  checkTopic("\u{1f600}", "topic");
});
