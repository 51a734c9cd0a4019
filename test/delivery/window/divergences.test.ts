import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Divergence,
  voidFrom,
  withDivergence,
} from "../../../lib/delivery/window/divergences.ts";

test("divergences: who missed some loses what any of them made void", () => {
  const starts = [
    { historyVersion: 2, seqFirst: 10 },
    { historyVersion: 3, seqFirst: 20 },
    { historyVersion: 4, seqFirst: 15 },
  ];
  assert.equal(voidFrom(starts, 1), 10);
  assert.equal(voidFrom(starts, 2), 15);
  assert.equal(voidFrom(starts, 3), 15);
  assert.equal(voidFrom(starts, 4), Number.POSITIVE_INFINITY);
});

test("divergences: a long history is joined, and voids no less than all of it", () => {
  let starts: readonly Divergence[] = [];
  const all: Divergence[] = [];
  for (let historyVersion = 2; historyVersion < 60; historyVersion++) {
    const start = { historyVersion, seqFirst: 100 + ((historyVersion * 37) % 50) };
    all.push(start);
    starts = withDivergence(starts, start);
    for (let known = 1; known <= historyVersion; known++) {
      assert.ok(
        voidFrom(starts, known) <= voidFrom(all, known),
        `version ${known} of ${historyVersion}`,
      );
    }
  }
  assert.equal(starts.length, 16);
});
