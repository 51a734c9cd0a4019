import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Batch } from "../../lib/batch/batch.ts";
import { BatchEncoder } from "../../lib/batch/batch-encoder.ts";
import { partsByHeaders } from "../../lib/batch/batch-split.ts";
import { encodeHeaders, joinHeaders, splitHeaders } from "../../lib/batch/headers.ts";
import {
  HEADER_ELEMENTS,
  hasMoreHeaders,
  headersTogetherMax,
} from "../../lib/batch/headers-bound.ts";

const LIMITS = { headersCountMax: 64, headersBytesMax: 8_192 };
const HEAD_BYTES = 4;

/** The block of so many headers, each as short as possible where there are few. */
function block(count: number): Buffer {
  const pairs = Array.from({ length: count }, (_, index) => [String.fromCharCode(33 + index), ""]);
  return encodeHeaders("send", Object.fromEntries(pairs), LIMITS) ?? Buffer.alloc(HEAD_BYTES);
}

/** A sealed batch with messages of so many headers each. */
function batchOf(counts: readonly number[]): Batch {
  const encoder = new BatchEncoder();
  for (const count of counts) {
    if (count === 0) encoder.begin();
    else encoder.beginWithHeaders(block(count));
    encoder.writer.append(Buffer.from("value"));
    encoder.finish();
  }
  const draft = encoder.take();
  draft.seal({ stream: Buffer.alloc(16), epoch: 1, seqFirst: 7, durableBefore: 0, timeMs: 0 });
  return new Batch(draft.batch);
}

const counts = fc.array(fc.integer({ min: 0, max: 64 }), { minLength: 1, maxLength: 30 });
const sum = (list: readonly number[]): number => list.reduce((total, count) => total + count, 0);

test("headers bound: a frame may have as many as its elements allow, and those of one message", () => {
  const elementsMax = 1_000 * HEADER_ELEMENTS;
  assert.equal(headersTogetherMax({ elementsMax, headersCountMax: 64 }), 1_000);
  assert.equal(headersTogetherMax({ elementsMax: 1, headersCountMax: 64 }), 64);
});

test("headers bound: the headers of a frame are counted exactly", () => {
  fc.assert(
    fc.property(counts, fc.integer({ min: 0, max: 400 }), (list, countMax) => {
      const frame = joinHeaders(list.map(block));
      const found = hasMoreHeaders(frame, HEAD_BYTES, { blocks: list.length, countMax });
      assert.equal(found, sum(list) > countMax);
    }),
  );
});

test("headers bound: any bytes can be counted", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(20), (bytes, countMax) => {
      const found = hasMoreHeaders(bytes, 0, { blocks: 5, countMax });
      if (bytes.length <= 4 * countMax) assert.equal(found, false);
    }),
  );
});

test("headers bound: a frame of more is refused before any of them is decoded", () => {
  const list = [3, 3, 3];
  // A block that cannot be decoded.
  const bad = Buffer.from("050000000161ff0031", "hex");
  const frame = joinHeaders([bad, ...list.map(block)]);
  const limits = { ...LIMITS, headersTogetherMax: 9 };
  assert.throws(() => splitHeaders(frame, 4, limits), {
    code: "BROKERLESS_PROTOCOL",
    message: /more than 9 in a frame .*messageElementsMax/,
  });
  const whole = joinHeaders(list.map(block));
  assert.equal(splitHeaders(whole, 3, limits).length, 3);
  assert.throws(() => splitHeaders(whole, 3, { ...limits, headersTogetherMax: 8 }), {
    code: "BROKERLESS_PROTOCOL",
  });
});

test("headers bound: a batch of a link is divided into parts of few enough headers, in order", () => {
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 200 }), (list, countMax) => {
      const parts = partsByHeaders(batchOf(list), countMax);
      let next = 7;
      for (const { first, last } of parts) {
        assert.equal(first, next);
        const part = list.slice(first - 7, last - 6);
        assert.ok(part.length === 1 || sum(part) <= countMax, `${part} in a part`);
        next = last + 1;
      }
      assert.equal(next, 7 + list.length);
    }),
  );
});

test("headers bound: a batch without headers, or of few, stays whole", () => {
  for (const list of [Array.from({ length: 1_000 }, () => 0), [64], [2, 2, 2]]) {
    assert.equal(partsByHeaders(batchOf(list), 64).length, 1);
  }
});
