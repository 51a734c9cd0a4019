import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseHello, parseWelcome } from "../../../lib/delivery/protocol/handshake.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  LINK_MESSAGES,
  type LinkMessage,
  RANGES_MAX,
} from "../../../lib/delivery/protocol/link-message.ts";
import {
  decodeSenderState,
  decodeWindowState,
  encodeSenderState,
  encodeWindowState,
} from "../../../lib/delivery/saved/saved-state.ts";

const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const ranges = fc
  .uniqueArray(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { maxLength: 20 })
  .map((seqs) => {
    const sorted = seqs.sort((a, b) => a - b);
    const pairs: { first: number; last: number }[] = [];
    for (let at = 0; at + 1 < sorted.length; at += 2) {
      pairs.push({ first: sorted[at]!, last: sorted[at + 1]! });
    }
    return pairs;
  });
const message: fc.Arbitrary<LinkMessage> = fc
  .record(
    {
      type: fc.constantFrom(...LINK_MESSAGES),
      session: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      argument: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      number: safe,
      flags: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
      text: fc.string({ unit: "binary", maxLength: 50 }),
      ranges,
    },
    { noNullPrototype: true },
  )
  .map((fields) => {
    if (fields.type === "offer") return { ...fields, session: 0 };
    return fields.type === "claim" ? { ...fields, argument: fields.ranges.length } : fields;
  });

test("link message: what is encoded is decoded", () => {
  fc.assert(
    fc.property(message, (sent) => {
      assert.deepEqual(decodeLinkMessage(encodeLinkMessage(sent)), sent);
    }),
    { numRuns: 500 },
  );
});

test("link message: a claim has two lists of ranges, each in order", () => {
  const sent = {
    type: "claim",
    session: 7,
    argument: 1,
    ranges: [
      { first: 5, last: 6 },
      { first: 1, last: 3 },
    ],
  } as const;
  const got = decodeLinkMessage(encodeLinkMessage(sent));
  assert.deepEqual("ranges" in got && got.ranges, sent.ranges);
  assert.ok("fault" in decodeLinkMessage(encodeLinkMessage({ ...sent, argument: 2 })));
});

test("link message: no bytes crash the decoder, and what it accepts keeps its rules", () => {
  const damaged = fc
    .tuple(message, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }), fc.nat(500))
    .map(([sent, changes, length]) => {
      const bytes = encodeLinkMessage(sent);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes.subarray(0, length);
    });
  const any = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(any, (bytes) => {
      const got = decodeLinkMessage(bytes);
      if ("fault" in got) return;
      assert.ok(Number.isSafeInteger(got.session) && Number.isSafeInteger(got.number));
      for (const { first, last } of got.ranges) {
        assert.ok(first >= 1 && last >= first && Number.isSafeInteger(last));
      }
      decodeLinkMessage(encodeLinkMessage(got));
    }),
    { numRuns: 3_000 },
  );
});

test("link message: a count of ranges without the ranges allocates nothing", () => {
  const bytes = encodeLinkMessage({ type: "ack", session: 1 });
  bytes.writeUInt32LE(RANGES_MAX, 28);
  assert.ok("fault" in decodeLinkMessage(bytes));
  bytes.writeUInt32LE(0xffff_ffff, 28);
  assert.ok("fault" in decodeLinkMessage(bytes));
});

test("link message: another version is named", () => {
  const bytes = encodeLinkMessage({ type: "close", session: 1 });
  bytes[2] = 9;
  const got = decodeLinkMessage(bytes);
  assert.ok("fault" in got && got.version === 9);
  assert.match((got as { readonly fault: string }).fault, /version 9.*version 1/);
});

test("link message: seqs beyond 2^53 are refused", () => {
  const bytes = encodeLinkMessage({ type: "ack", session: 1, ranges: [{ first: 1, last: 2 }] });
  bytes.writeBigUInt64LE(2n ** 53n, 40);
  assert.ok("fault" in decodeLinkMessage(bytes));
});

test("handshake: no text crashes the parsers", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      for (const parsed of [parseHello(text), parseWelcome(text)]) {
        assert.ok(typeof parsed === "string");
      }
    }),
    { numRuns: 500 },
  );
});

test("saved state: what is encoded is decoded, and no bytes crash the decoder", () => {
  const state = fc.record(
    {
      timeMs: fc.integer({ min: 100, max: Number.MAX_SAFE_INTEGER }),
      floor: safe,
      settled: ranges,
      attempts: ranges.map((list) => list.map((item, index) => ({ ...item, value: index % 3 }))),
      leased: ranges.map((list) => list.map((item, index) => ({ ...item, value: index % 2 }))),
      backOffs: ranges.map((list) =>
        list.map((item, index) => ({ ...item, value: { attempts: index % 2, backOffMs: index } })),
      ),
      receivers: fc.array(fc.string(), { maxLength: 3 }),
      firsts: ranges.map((list) => list.map((item, index) => ({ ...item, value: index }))),
      suspects: fc.record(
        { begun: ranges, guarded: ranges, exposed: ranges, deaths: fc.nat(9) },
        { noNullPrototype: true },
      ),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(state, fc.nat(40), fc.nat(255), (saved, at, value) => {
      const bytes = encodeSenderState(saved);
      const settled = saved.settled.map((range) => ({ ...range, value: 0 }));
      assert.deepEqual(decodeSenderState(bytes), { ...saved, settled });
      if (at < bytes.length) bytes[at] = value;
      decodeSenderState(bytes);
      decodeSenderState(bytes.subarray(0, at));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(ranges, safe, fc.boolean(), (done, floor, hasId) => {
      const incarnations = [
        { epoch: 3, seqFirst: 1, id: "0123456789abcdef".repeat(2) },
        { epoch: 4, seqFirst: floor, id: hasId ? "f".repeat(32) : "" },
      ];
      const bytes = encodeWindowState({ incarnations, floor, done });
      const got = decodeWindowState(bytes);
      assert.deepEqual(got, {
        incarnations,
        floor,
        done: done.map((range) => ({ ...range, value: 0 })),
      });
      assert.equal(decodeWindowState(bytes.subarray(0, bytes.length - 1)), null);
    }),
    { numRuns: 300 },
  );
});
