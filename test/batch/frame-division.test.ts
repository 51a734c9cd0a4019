import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameDivision, type FrameLimits } from "../../lib/batch/frame-division.ts";

const UNLIMITED: FrameLimits = {
  batchBytesMax: 2 ** 20,
  batchCountMax: 2 ** 20,
  headersBytesMax: 2 ** 20,
};

/** The frames of values with these lengths, as [first, next]. */
function framesOf(
  division: FrameDivision,
  lengths: readonly number[],
  options: { peers?: number; headers?: readonly Buffer[] } = {},
): [number, number][] {
  const ends: number[] = [];
  for (const length of lengths) ends.push((ends.at(-1) ?? 0) + length);
  const frames: [number, number][] = [];
  const gathered = { ends, count: lengths.length, headers: options.headers ?? null };
  division.divide(gathered, options.peers ?? 1, (first, next) => frames.push([first, next]));
  return frames;
}

test("frame division: each value is in one frame, in order, and no frame of several values is too long", () => {
  const limits = { batchBytesMax: 10, batchCountMax: 3, headersBytesMax: 6 };
  for (let bits = 1; bits < 3 ** 6; bits++) {
    const lengths = [...bits.toString(3)].map((digit) => [1, 5, 12][Number(digit)]!);
    for (const peers of [1, 2, 3, 7]) {
      for (const isHeaded of [false, true]) {
        const headers = lengths.map((length) => Buffer.alloc(length > 1 ? 4 : 2));
        const options = isHeaded ? { peers, headers } : { peers };
        const frames = framesOf(new FrameDivision(limits), lengths, options);
        let expected = 0;
        for (const [first, next] of frames) {
          assert.equal(first, expected);
          assert.ok(next > first && next - first <= limits.batchCountMax);
          expected = next;
          const beside = isHeaded ? sum(headers.slice(first, next).map(({ length }) => length)) : 0;
          const bytes = sum(lengths.slice(first, next)) + beside;
          const fits = bytes <= limits.batchBytesMax && beside <= limits.headersBytesMax;
          assert.ok(next - first === 1 || fits, `${lengths} for ${peers}: ${first} to ${next}`);
        }
        assert.equal(expected, lengths.length);
      }
    }
  }
});

test("frame division: peers that take the frames in turn get the same number of values", () => {
  for (const peers of [2, 3, 4, 5]) {
    for (const count of [1, 2, 3, 7, 10, 11]) {
      const division = new FrameDivision(UNLIMITED);
      const got = Array.from({ length: peers }, () => 0);
      let turn = 0;
      for (let round = 0; round < peers * 3; round++) {
        for (const [first, next] of framesOf(division, Array(count).fill(1), { peers })) {
          got[turn++ % peers]! += next - first;
        }
      }
      assert.ok(Math.max(...got) - Math.min(...got) <= 1, `${count} values each: ${got}`);
    }
  }
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
