import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  bareEntry,
  decodeEntries,
  encodeReplies,
  encodeRequests,
  entryBytesMax,
  isReplies,
  isRequests,
  REPLY_KINDS,
  REQUEST_KINDS,
} from "../../../lib/plain/request/request-frames.ts";
import { REQUEST_ID_BYTES } from "../../../lib/plain/request/request-ids.ts";

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const id = fc
  .uint8Array({ minLength: REQUEST_ID_BYTES, maxLength: REQUEST_ID_BYTES })
  .map((array) => Buffer.from(array));
const none = fc.constant(null);
const left = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const { request, cancel } = REQUEST_KINDS;
const { value, error, returned, leaving } = REPLY_KINDS;
const entry = fc.oneof(
  fc
    .tuple(id, left, fc.oneof(none, bytes), bytes)
    .map(([id, leftMs, headers, body]) => ({ kind: request!, id, leftMs, headers, body })),
  fc
    .tuple(fc.constantFrom(value!, error!), id, bytes)
    .map(([kind, id, body]) => ({ kind, id, leftMs: 0, headers: null, body })),
  fc.tuple(fc.constantFrom(cancel!, returned!), id).map(([kind, id]) => bareEntry(kind, id)),
  fc.constant(bareEntry(leaving!)),
);
const entries = fc.array(entry, { minLength: 1, maxLength: 20 });
const protocol = { name: "BrokerlessError", code: "BROKERLESS_PROTOCOL" };

test("request frames: entries come out as they went in", () => {
  fc.assert(
    fc.property(entries, (all) => {
      const requests = encodeRequests(all);
      assert.deepEqual(decodeEntries(requests), all);
      assert.deepEqual([isRequests(requests), isReplies(requests)], [true, false]);
      const replies = encodeReplies(all);
      assert.deepEqual(decodeEntries(replies), all);
      assert.deepEqual([isRequests(replies), isReplies(replies)], [false, true]);
      assert.ok(requests.length <= 4 + all.reduce((sum, each) => sum + entryBytesMax(each), 0));
    }),
  );
});

test("request frames: a frame that is cut anywhere is refused or has fewer entries, and nothing is read beyond it", () => {
  fc.assert(
    fc.property(entries, fc.nat(), (all, at) => {
      const frame = encodeRequests(all);
      const cut = frame.subarray(0, 4 + (at % (frame.length - 4)));
      try {
        const left = decodeEntries(cut);
        assert.deepEqual(left, all.slice(0, left.length));
        assert.ok(left.length < all.length);
      } catch (error) {
        assert.throws(() => {
          throw error;
        }, protocol);
      }
    }),
  );
});

test("request frames: any bytes are entries or are refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
      const frame = Buffer.concat([encodeRequests([]), Buffer.from(array)]);
      try {
        for (const { headers, body } of decodeEntries(frame)) {
          assert.ok(body.length + (headers?.length ?? 0) <= frame.length);
        }
      } catch (error) {
        assert.throws(() => {
          throw error;
        }, protocol);
      }
    }),
  );
});

test("request frames: numbers beyond 32 bits, lengths beyond the frame and unknown kinds are refused", () => {
  const head = [...encodeRequests([])];
  const id = new Array(REQUEST_ID_BYTES).fill(1);
  const max = [0xff, 0xff, 0xff, 0xff, 0x0f];
  const body = [1, 7];
  assert.equal(decodeEntries(Buffer.from([...head, 0, ...id, ...max, ...body])).length, 1);
  for (const bad of [
    [0, ...id, 0xff, 0xff, 0xff, 0xff, 0x1f, ...body],
    [0, ...id, 0x80, 0x80, 0x80, 0x80, 0x80, 0, ...body],
    [0, ...id, 5, ...max],
    [0x80, ...id, 5, ...max, 0],
    [3, ...id, 5, ...body],
    [0, 1, 2, 3],
  ]) {
    assert.throws(() => decodeEntries(Buffer.from([...head, ...bad])), protocol, `${bad}`);
  }
});
