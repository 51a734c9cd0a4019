import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { SUSPECTS_EMPTY } from "../../../lib/delivery/attempts/suspects.ts";
import {
  DEAD_RANGES_MAX,
  DeadLetterIndex,
} from "../../../lib/delivery/dispatch/dead-letter-index.ts";
import type { DeadLetterRecord } from "../../../lib/delivery/dispatch/dead-letter-record.ts";
import { cutText, fairLength } from "../../../lib/delivery/dispatch/reasons.ts";
import type { ValuedRange } from "../../../lib/delivery/range/range-map.ts";
import { decodeDead, encodeDead } from "../../../lib/delivery/saved/saved-dead.ts";
import {
  decodeSenderState,
  encodeSenderState,
  encodeWithin,
  type SenderState,
} from "../../../lib/delivery/saved/saved-state.ts";

const STATE: SenderState = {
  timeMs: 1_700_000_000_000,
  floor: 0,
  settled: [],
  attempts: [],
  leased: [],
  backOffs: [],
  suspects: SUSPECTS_EMPTY,
  firsts: [],
  receivers: [],
};

/** Every second seq, with a reason of its own. */
function letters(
  count: number,
  reason: (index: number) => string,
): ValuedRange<DeadLetterRecord>[] {
  return Array.from({ length: count }, (_, index) => {
    const seq = 2 * index + 1;
    const cause = { reason: reason(index), error: null };
    const timeMs = 1_700_000_000_000 + index;
    const value = { ...cause, attempts: 1, firstMs: 1_699_999_999_000, timeMs };
    return { first: seq, last: seq, value: { ...value, bytesEach: 10, offset: 0, epoch: 0 } };
  });
}

const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("", "Error", "no picture"));
const error = fc.record(
  { name: text, message: text, code: fc.option(text) },
  { noNullPrototype: true },
);
const death = fc
  .record(
    {
      attempts: fc.nat(9),
      reason: text,
      error: fc.option(error),
      firstMs: fc.option(fc.nat()),
      timeMs: fc.nat(),
      bytesEach: fc.nat(),
      offset: fc.nat(),
      epoch: fc.nat(9),
    },
    { noNullPrototype: true },
  )
  .map(({ firstMs, timeMs, ...rest }) => {
    // No message dies before it is begun.
    return { ...rest, firstMs: firstMs && Math.min(firstMs, timeMs), timeMs };
  });

test("saved dead: what is encoded is decoded, and no bytes crash the decoder", () => {
  const deaths = fc.array(fc.tuple(fc.integer({ min: 1, max: 99 }), fc.nat(9), death));
  fc.assert(
    fc.property(deaths, fc.nat(60), fc.nat(255), (list, at, byte) => {
      let before = 0;
      const dead = list.map(([distance, more, value]) => {
        const first = before + distance;
        before = first + more;
        return { first, last: before, value };
      });
      const bytes = encodeDead(dead, 2 ** 20);
      assert.deepEqual(decodeDead(bytes), dead);
      if (at < bytes.length) bytes[at] = byte;
      decodeDead(bytes);
      decodeDead(bytes.subarray(0, at));
    }),
    { numRuns: 500 },
  );
});

test("saved dead: where there is no room reasons are cut, and no letter is left out", () => {
  const dead = letters(3_000, (index) => `${index} ${"é".repeat(500)}`);
  assert.ok(encodeDead(dead, 2 ** 30).length > 3_000_000, "they need no cut");
  for (const bytesMax of [200_000, 100_000, 1]) {
    const bytes = encodeDead(dead, bytesMax);
    const got = decodeDead(bytes)!;
    assert.deepEqual(
      got.map(({ first }) => first),
      dead.map(({ first }) => first),
    );
    if (bytesMax > 1) assert.ok(bytes.length <= bytesMax, `${bytes.length} of ${bytesMax} bytes`);
    if (bytesMax === 200_000) assert.match(got[7]!.value.reason, /^7 é+…$/);
  }
});

test("saved dead: texts are stored once, whatever letters they are in, and errors are cut as reasons are", () => {
  const failed = (message: (index: number) => string, name = "RangeError") =>
    letters(3_000, () => "all attempts failed").map((range, index) => {
      const error = { name, message: message(index), code: "ENOPIC" };
      return { ...range, value: { ...range.value, error } };
    });
  const empty = failed(() => "", "");
  const same = encodeDead(
    failed(() => "x".repeat(500)),
    2 ** 30,
  );
  assert.ok(same.length < encodeDead(empty, 2 ** 30).length + 600, `${same.length} bytes`);
  const dead = failed((index) => `${index} ${"é".repeat(500)}`);
  const bytes = encodeDead(dead, 200_000);
  assert.ok(bytes.length <= 200_000, `${bytes.length} bytes`);
  const { error } = decodeDead(bytes)![7]!.value;
  assert.deepEqual([error!.name, error!.code], ["RangeError", "ENOPIC"]);
  assert.match(error!.message, /^7 é+…$/);
});

test("dead table: reasons stay whole while there is room, and short ones when there is none", () => {
  const table = new DeadLetterIndex();
  const whole = () => [...table].filter(({ value }) => !value.reason.endsWith("…")).length;
  const long = letters(4_000, (index) =>
    index % 2 === 0 ? `${index} ${"x".repeat(1_000)}` : `short ${index}`,
  );
  for (const range of long.slice(0, 400)) table.add(range, range.value);
  assert.equal(whole(), 400);
  for (const range of long.slice(400)) table.add(range, range.value);
  assert.ok(whole() >= 2_000 && whole() < 4_000, `${whole()} are whole`);
  const short = [...table].filter(({ value }) => value.reason.startsWith("short"));
  assert.equal(short.length, 2_000);
  const bytes = [...table].reduce((sum, { value }) => sum + Buffer.byteLength(value.reason), 0);
  assert.ok(bytes <= 2 ** 18, `${bytes} bytes`);
  assert.equal(table.count, 4_000);
});

test("dead table: errors take no more room than reasons, and equal ones none", () => {
  const failed = (message: string) => {
    const error = { name: "RangeError", message, code: null };
    return { ...letters(1, () => "failed")[0]!.value, error };
  };
  const table = new DeadLetterIndex();
  for (let seq = 1; seq <= 4_000; seq++) {
    table.add(
      { first: 2 * seq, last: 2 * seq },
      failed(`${seq % 2 === 0 ? seq : 0} ${"x".repeat(1_000)}`),
    );
  }
  const messages = new Set([...table].map(({ value }) => value.error!.message));
  const bytes = [...messages].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  assert.ok(bytes <= 2 ** 18, `${bytes} bytes`);
  assert.ok([...table].every(({ value }) => value.error!.name === "RangeError"));
});

test("dead table: the same reason over and over takes its room once", () => {
  const table = new DeadLetterIndex(letters(5_000, () => "x".repeat(1_000)));
  assert.ok([...table].every(({ value }) => value.reason.length === 1_000));
});

test("reasons: a cut text is valid, fits, and is a beginning of the whole", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat(40), (text, bytesMax) => {
      const cut = cutText(text, bytesMax);
      assert.ok(Buffer.byteLength(cut) <= Math.max(bytesMax, 0));
      assert.equal(Buffer.from(cut).toString(), cut);
      if (cut !== text && cut !== "") {
        assert.ok(Buffer.from(text).toString().startsWith(cut.slice(0, -1)));
      }
    }),
  );
  assert.equal(fairLength([1, 1, 100, 50], 42), 20);
  assert.equal(fairLength([1, 1, 20, 20], 42), Number.POSITIVE_INFINITY);
});

test("saved state: where there is no room the times of first attempts go first, and that is no loss", () => {
  const rows = Array.from({ length: 4_000 }, (_, index) => ({
    first: 3 * index + 1,
    last: 3 * index + 1,
  }));
  const firsts = rows.map((range, index) => ({ ...range, value: STATE.timeMs - index }));
  const state = { ...STATE, settled: rows, firsts };
  const whole = encodeSenderState(state);
  assert.deepEqual(decodeSenderState(whole)?.firsts, firsts);
  const { bytes, isWhole } = encodeWithin(state, whole.length - 1);
  assert.equal(isWhole, true);
  assert.deepEqual(decodeSenderState(bytes)?.firsts, []);
  assert.equal(decodeSenderState(bytes)?.settled.length, rows.length);
});

test("saved state: where there is no room the longest ranges are kept, and it still fits", () => {
  const settled = Array.from({ length: 50_000 }, (_, index) => {
    const first = 1_000 * (index + 1);
    return { first, last: first + (index % 100 === 0 ? 900 : 1) };
  });
  const state = { ...STATE, settled };
  assert.ok(encodeWithin(state, 2 ** 20).isWhole);
  const { bytes, isWhole } = encodeWithin(state, 50_000);
  assert.ok(!isWhole && bytes.length <= 50_000, `${bytes.length} bytes`);
  const kept = decodeSenderState(bytes)!.settled;
  assert.equal(kept.filter(({ first, last }) => last - first === 900).length, 500);
  const control = encodeSenderState(state);
  assert.ok(control.length > 50_000, "control: without the rule it does not fit");
});

test("dead table: each letter has a time of its own; of very many, neighbours that died of the same share one", () => {
  const rows = letters(40_000, () => "no").map(({ value }, index) => {
    return { first: index + 1, last: index + 1, value };
  });
  assert.deepEqual([...new DeadLetterIndex(rows.slice(0, 10_000))], rows.slice(0, 10_000));
  const table = new DeadLetterIndex();
  for (const row of rows) table.add(row, row.value);
  assert.equal(table.count, 40_000);
  assert.ok(table.size < DEAD_RANGES_MAX, `${table.size} ranges`);
  const last = table.parts(39_999, 40_000);
  const shared = { ...rows[39_999]!.value, firstMs: null };
  assert.deepEqual(last, [{ first: 39_999, last: 40_000, value: shared }]);
  const saved = decodeDead(encodeDead(table, 2 ** 20))!;
  assert.deepEqual([...new DeadLetterIndex(saved)], [...table], "it is the same after a restart");
});
