import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  CANCELLED_MAX,
  Gaps,
  KNOWN_MAX,
  PUBLISHERS_MAX,
  SETTLE_MS,
} from "../../../lib/plain/gap/gaps.ts";
import { NumberedTopics, TOPICS_MAX } from "../../../lib/plain/round/numbered-topics.ts";
import { TopicPattern } from "../../../lib/plain/topic/topic-pattern.ts";
import { range } from "../../support/fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";

interface Frame {
  readonly publisher?: string;
  readonly topic?: string;
  readonly numbering?: number;
  readonly before: number;
  readonly count?: number | null;
}

/** A subscriber that is given frames of one value of topic "a", unless they say otherwise. */
function setUp() {
  const clock = new ManualClock();
  const gaps = new Gaps(clock);
  const take = ({ publisher = "p", topic = "a", numbering = 1, before, count = 1 }: Frame) =>
    gaps.take({ publisher, topic, numbering, before }, count);
  return { clock, gaps, take, takeAll: (...frames: Frame[]) => frames.map(take) };
}

test("gaps: values between two messages of one topic are missed, and the first message is no gap", () => {
  const { takeAll } = setUp();
  const found = takeAll({ before: 7, count: 3 }, { before: 10 }, { before: 15 }, { before: 16 });
  assert.deepEqual(found, [0, 0, 4, 0]);
});

test("gaps: every topic and every publisher has numbers of its own", () => {
  const { takeAll } = setUp();
  const found = takeAll(
    { before: 3 },
    { topic: "b", before: 100 },
    { publisher: "q", before: 900 },
    { before: 5 },
    { publisher: "q", before: 901 },
    { topic: "b", before: 102 },
    { publisher: "q", before: 904 },
  );
  assert.deepEqual(found, [0, 0, 0, 1, 0, 1, 2]);
});

test("gaps: the same message over two connections is no gap, in any interleaving", () => {
  const frames = range(6).map((before) => ({ before }));
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (turns) => {
      const { take } = setUp();
      const queues = [[...frames], [...frames]];
      for (const isFirst of turns) {
        const queue = queues[isFirst ? 0 : 1]!.length > 0 ? (isFirst ? 0 : 1) : isFirst ? 1 : 0;
        assert.equal(take(queues[queue]!.shift()!), 0);
      }
    }),
  );
});

test("gaps: messages without a number count as those of their topic, of whatever publisher", () => {
  const { gaps, take } = setUp();
  gaps.pass("a", 5);
  take({ before: 5, count: 2 });
  gaps.pass("a", 3);
  gaps.pass("b", 9);
  gaps.pass("a", 1);
  assert.equal(take({ before: 11 }), 0);
  gaps.pass("a", 2);
  assert.equal(take({ before: 18 }), 4);
  // Of another publisher, perhaps: less is found, and nothing is carried over.
  gaps.pass("a", 10);
  assert.equal(take({ before: 20 }), 0);
  assert.equal(take({ before: 22 }), 1);
  // One that could not be read.
  gaps.pass("a", null);
  assert.equal(take({ before: 40 }), 0);
  assert.equal(take({ before: 42 }), 1);
});

test("gaps: of two publishers of one topic nothing is found where nothing is missing", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.boolean(), fc.integer({ min: 1, max: 4 }))),
      (sent) => {
        const { gaps, take } = setUp();
        const counts = { p: 0, q: 0 };
        for (const [isFirst, isNumbered, count] of sent) {
          const publisher = isFirst ? "p" : "q";
          if (isNumbered) assert.equal(take({ publisher, before: counts[publisher], count }), 0);
          else gaps.pass("a", count);
          counts[publisher] += count;
        }
      },
    ),
  );
});

test("gaps: what a publisher has published since it numbered a topic anew is missed, and no more", () => {
  const { takeAll } = setUp();
  const found = takeAll(
    { before: 10 },
    { numbering: 5, before: 3 },
    { numbering: 5, before: 4 },
    // From before, over a second connection.
    { numbering: 1, before: 11 },
    { numbering: 5, before: 6 },
    { numbering: 2 ** 32 - 1, before: 0 },
  );
  assert.deepEqual(found, [0, 3, 0, 0, 1, 0]);
  const wrapped = setUp().takeAll(
    { numbering: 2 ** 32 - 1, before: 0 },
    { numbering: 0, before: 2 },
    { numbering: 1, before: 0 },
  );
  assert.deepEqual(wrapped, [0, 2, 0]);
});

test("gaps: a message that could not be read proves the gap before it, and the next one proves none", () => {
  const { takeAll } = setUp();
  const found = takeAll({ before: 0 }, { before: 3, count: null }, { before: 9 }, { before: 11 });
  assert.deepEqual(found, [0, 2, 0, 1]);
});

test("gaps: a topic that was cancelled and subscribed to again is no gap", () => {
  for (const pattern of ["a", "*", "#", "a.#"]) {
    const { clock, gaps, take } = setUp();
    take({ before: 1 });
    take({ topic: "b", before: 1 });
    gaps.cancel(new TopicPattern(pattern));
    // Under way since before the cancellation, then the first one after it.
    assert.equal(take({ before: 2 }), 0);
    assert.equal(take({ before: 50 }), 0);
    clock.advance(SETTLE_MS);
    assert.equal(take({ before: 60 }), 0, pattern);
    assert.equal(take({ before: 62 }), 1, pattern);
    const isOther = pattern.startsWith("a");
    assert.equal(take({ topic: "b", before: 3 }), isOther ? 1 : 0, pattern);
  }
});

test("gaps: a topic of which nothing came while it was cancelled is no gap afterwards", () => {
  for (const pattern of ["a", "#"]) {
    const { clock, gaps, take } = setUp();
    take({ before: 1 });
    gaps.cancel(new TopicPattern(pattern));
    clock.advance(SETTLE_MS);
    assert.equal(take({ before: 60 }), 0);
    assert.equal(take({ before: 62 }), 1);
  }
});

test("gaps: beyond the bound on cancelled patterns no topic is compared for a while", () => {
  const { clock, gaps, take } = setUp();
  take({ topic: "other", before: 0 });
  for (const n of range(CANCELLED_MAX)) gaps.cancel(new TopicPattern(`x${n}`));
  assert.equal(take({ topic: "other", before: 2 }), 1);
  gaps.cancel(new TopicPattern("y"));
  assert.equal(take({ topic: "other", before: 9 }), 0);
  assert.equal(take({ topic: "y", before: 9 }), 0);
  clock.advance(SETTLE_MS);
  assert.equal(take({ topic: "other", before: 20 }), 0);
  assert.equal(take({ topic: "other", before: 22 }), 1);
});

test("gaps: topics that are used stay known, and beyond the bound the others are forgotten", () => {
  const { take } = setUp();
  take({ before: 0 });
  take({ topic: "idle", before: 0 });
  for (const n of range(3 * KNOWN_MAX)) {
    take({ topic: `t${n}`, before: 0 });
    if (n % 1_000 === 0) assert.equal(take({ before: n / 500 + 2 }), 1);
  }
  assert.equal(take({ topic: "idle", before: 9 }), 0);
  assert.equal(take({ topic: "t0", before: 9 }), 0);
  assert.equal(take({ topic: `t${3 * KNOWN_MAX - 1}`, before: 9 }), 8);
});

test("gaps: beyond the bound on publishers of a topic the others are forgotten", () => {
  const { take } = setUp();
  for (const n of range(PUBLISHERS_MAX)) take({ publisher: `p${n}`, before: 0 });
  assert.equal(take({ publisher: "p0", before: 2 }), 1);
  take({ publisher: "one more", before: 0 });
  assert.equal(take({ publisher: "p1", before: 2 }), 0);
  assert.equal(take({ publisher: "one more", before: 2 }), 1);
});

test("gaps: any losses of any topics are found with the next number, and never overstated", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 3 })), {
        maxLength: 300,
      }),
      fc.infiniteStream(fc.nat({ max: 2 })),
      fc.infiniteStream(fc.boolean()),
      (published, losses, numbers) => {
        const { gaps, take } = setUp();
        const counts = new Map<number, number>();
        const known = new Set<number>();
        const lost = new Map<number, number>();
        let missed = 0;
        let expected = 0;
        for (const [topic, count] of published) {
          const before = counts.get(topic) ?? 0;
          counts.set(topic, before + count);
          if (losses.next().value === 0) {
            if (known.has(topic)) lost.set(topic, (lost.get(topic) ?? 0) + count);
            continue;
          }
          if (numbers.next().value === false) {
            gaps.pass(String(topic), count);
            continue;
          }
          expected += lost.get(topic) ?? 0;
          lost.delete(topic);
          known.add(topic);
          missed += take({ topic: String(topic), before, count });
        }
        assert.equal(missed, expected);
      },
    ),
  );
});

test("numbered topics: those used last keep their numbers, others begin a new numbering", () => {
  const topics = new NumberedTopics();
  topics.get("kept").count = 5;
  topics.get("idle").count = 7;
  for (const n of range(2 * TOPICS_MAX)) {
    topics.get(`t${n}`);
    if (n % 100 === 0) topics.get("kept");
  }
  assert.equal(topics.has("idle"), false);
  const kept = topics.get("kept");
  assert.deepEqual([kept.numbering, kept.count, kept.bytes.toString()], [1, 5, "kept"]);
  const idle = topics.get("idle");
  assert.deepEqual([idle.numbering, idle.count], [2 * TOPICS_MAX + 3, 0]);
  const all = range(2 * TOPICS_MAX).filter((n) => topics.has(`t${n}`)).length;
  assert.ok(all >= TOPICS_MAX - 2 && all <= 2 * TOPICS_MAX, `${all} topics`);
});
