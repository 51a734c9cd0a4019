import assert from "node:assert/strict";
import { test } from "node:test";
import {
  divergenceSeq,
  INCARNATIONS_BEFORE_MAX,
  type Incarnation,
  messageId,
  parseIncarnations,
  withIncarnation,
} from "../../../lib/delivery/protocol/incarnations.ts";
import { Random } from "../../support/random.ts";

const NEVER = Number.POSITIVE_INFINITY;
const [one, two, three] = [life(1, 1, "a"), life(2, 6, "b"), life(3, 9, "c")];

test("incarnations: histories part where the first life that only one of them has begins", () => {
  for (const [ours, theirs, expected] of [
    [[], [one], NEVER],
    [[one, two], [one, two], NEVER],
    [[one], [one, two], 6],
    [[one, two, three], [one], 6],
    [[one, two], [one, life(2, 4, "d")], 4],
    [[one, two], [one, life(2, 8, "d")], 6],
    // A list that was joined: the newest life that both have tells.
    [[one, two, three], [one, three], NEVER],
    [[one, two], [life(1, 1, "d"), two], NEVER],
    [[one], [two], 1],
  ] as const) {
    assert.equal(divergenceSeq(ours, theirs), expected);
    assert.equal(divergenceSeq(theirs, ours), expected);
  }
});

test("incarnations: a life that owns no seq is left out, but for the first", () => {
  const first = withIncarnation([], one);
  assert.deepEqual(withIncarnation(first, life(2, 1, "b")), [one, life(2, 1, "b")]);
  assert.deepEqual(withIncarnation([one, two], life(3, 6, "c")), [one, life(3, 6, "c")]);
  assert.deepEqual(withIncarnation([one, two, three], life(4, 2, "d")), [one, life(4, 2, "d")]);
});

/** What a stream's writer and one of its readers know: messages by seq, each with the life that wrote it. */
test("incarnations: whatever is lost, restored and copied, what is kept is what the sender has (1,000 histories)", () => {
  for (let seed = 1; seed <= 1_000; seed++) {
    const random = new Random(seed);
    interface Disk {
      readonly incarnations: readonly Incarnation[];
      readonly written: readonly string[];
    }
    const backups: Disk[] = [{ incarnations: [], written: [] }];
    let disk = backups[0]!;
    let known: readonly Incarnation[] = [];
    let seen: string[] = [];
    for (let opening = 1; opening < 60; opening++) {
      const id = random.hex(16);
      const epoch = (disk.incarnations.at(-1)?.epoch ?? 0) + 1;
      const incarnations = withIncarnation(disk.incarnations, {
        epoch,
        id,
        seqFirst: disk.written.length + 1,
      });
      const written = [...disk.written];
      for (let more = random.below(4); more > 0; more--) written.push(`${id}-${written.length}`);
      if (random.chance(0.7)) {
        const seq = known[0]?.id === incarnations[0]?.id ? divergenceSeq(known, incarnations) : 1;
        seen = seen.slice(0, Math.min(seen.length, seq - 1));
        assert.deepEqual(seen, written.slice(0, seen.length), `seed ${seed}, opening ${opening}`);
        known = incarnations;
        seen = written.slice(0, Math.max(seen.length, random.below(written.length + 1)));
      }
      // What the disk has afterwards: all, or less; or it is an old one.
      const kept = random.chance(0.3) ? random.below(written.length + 1) : written.length;
      const isListed = random.chance(0.8) || kept > disk.written.length;
      const after = {
        incarnations: isListed ? incarnations : disk.incarnations,
        written: written.slice(0, kept),
      };
      if (random.chance(0.3)) backups.push(after);
      disk = random.chance(0.2) ? backups[random.below(backups.length)]! : after;
    }
  }
});

test("incarnations: of many lives the oldest are joined, and void no less", () => {
  let incarnations: readonly Incarnation[] = [];
  const all: Incarnation[] = [];
  for (let epoch = 1; epoch < 100; epoch++) {
    const next = life(epoch, epoch * 10, String(epoch % 10), epoch);
    incarnations = withIncarnation(incarnations, next);
    all.push(next);
    assert.ok(incarnations.length <= INCARNATIONS_BEFORE_MAX + 1);
    for (const count of [1, 2, 7, 40]) {
      const ours = all.slice(0, count);
      assert.ok(
        divergenceSeq(ours, incarnations) <= divergenceSeq(ours, all),
        `${count} of ${epoch}`,
      );
    }
    assert.equal(divergenceSeq(incarnations, incarnations), NEVER);
  }
  assert.equal(incarnations[0]?.epoch, 1);
});

test("incarnations: a message's id is that of the life that wrote it, at every later time", () => {
  const stream = "5".repeat(32);
  assert.equal(messageId(stream, [one, two], 5), `${stream}-aaaaaaaa-5`);
  for (const incarnations of [
    [one, two],
    [one, two, three],
  ]) {
    assert.equal(messageId(stream, incarnations, 6), `${stream}-bbbbbbbb-6`);
  }
  assert.equal(messageId(stream, [one, life(2, 6, "d")], 6), `${stream}-dddddddd-6`);
  assert.equal(messageId(stream, [{ epoch: 7, seqFirst: 1, id: "" }], 3), `${stream}-7-3`);
});

test("incarnations: what is no history is refused", () => {
  const many = Array.from({ length: 34 }, (_, index) => life(index, 1, "a"));
  const bad: unknown[] = [null, 7, [{}], [null], [{ epoch: -1, seqFirst: 1 }], many];
  bad.push([{ epoch: 1, seqFirst: 1, id: "x" }], [two, one], [one, one]);
  for (const value of bad) assert.equal(parseIncarnations(value), null);
  assert.deepEqual(parseIncarnations([{ epoch: 2, seqFirst: 9, more: 1 }]), [
    { epoch: 2, seqFirst: 9, id: "" },
  ]);
});

function life(epoch: number, seqFirst: number, digit: string, number = 0): Incarnation {
  const id = `${digit.repeat(8)}${number.toString(16).padStart(24, digit)}`;
  return { epoch, seqFirst, id };
}
