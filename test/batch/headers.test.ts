import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeHeaders,
  encodeHeaders,
  joinHeaders,
  NO_HEADERS,
  splitHeaders,
} from "../../lib/batch/headers.ts";

const LIMITS = { headersCountMax: 64, headersBytesMax: 8_192 };
const PROTOCOL = { code: "BROKERLESS_PROTOCOL" };
const TOO_LARGE = { code: "BROKERLESS_TOO_LARGE" };
const HEAD = "42480100";

const encoded = (headers: Record<string, string>): Buffer =>
  encodeHeaders("send", headers, LIMITS) ?? Buffer.alloc(4);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const split = (frame: Buffer, count = 1, limits = LIMITS) => splitHeaders(frame, count, limits);

test("headers: the headers of each value of a frame are decoded as they were sent", () => {
  const name = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
    .filter((text) => text !== "__proto__");
  const headers = fc.dictionary(name, fc.string({ unit: "grapheme" }), {
    maxKeys: 8,
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(fc.array(headers), (all) => {
      assert.deepEqual(split(joinHeaders(all.map(encoded)), all.length), all);
    }),
  );
});

test("headers: no headers are encoded as null, and decoded as one shared frozen object", () => {
  assert.equal(encodeHeaders("send", {}, LIMITS), null);
  const [read] = split(hex(`${HEAD} 00000000`));
  assert.equal(read, NO_HEADERS);
  assert.ok(Object.isFrozen(split(joinHeaders([encoded({ a: "1" })]))[0]));
});

test("headers: an invalid name or text is a TypeError that names it", () => {
  const refused = (headers: unknown, message: RegExp) =>
    assert.throws(() => encodeHeaders("send", headers, LIMITS), { name: "TypeError", message });
  for (const odd of [null, 1, "text", ["a"], new Map()]) {
    refused(odd, /^send: headers must be a plain object of/);
  }
  refused({ "": "1" }, /^send: header name must be a well-formed text of 1 to 255 bytes/);
  refused({ ["n".repeat(256)]: "1" }, /^send: header name must/);
  refused(JSON.parse('{"__proto__":"1"}'), /^send: header name must be .* not __proto__/);
  refused({ "\ud800": "1" }, /^send: header name must/);
  refused(
    { a: 1 },
    /^send: header "a" must be a well-formed string of at most 65535 bytes, got 1$/,
  );
  refused({ a: undefined }, /^send: header "a" must be/);
  refused({ a: "\ud800" }, /^send: header "a" must be/);
  refused({ a: "x".repeat(65_536) }, /^send: header "a" must be/);
});

test("headers: beyond headersCountMax or headersBytesMax they are a TypeError with both numbers", () => {
  const limits = { headersCountMax: 2, headersBytesMax: 20 };
  const send = (headers: Record<string, string>) => encodeHeaders("send", headers, limits);
  assert.equal(send({ a: "1", b: "2" })?.length, 4 + 10);
  assert.throws(() => send({ a: "1", b: "2", c: "3" }), {
    name: "TypeError",
    message: "send: 3 headers; headersCountMax is 2",
  });
  assert.equal(send({ a: "x".repeat(16) })?.length, 4 + 20);
  assert.throws(() => send({ a: "x".repeat(17) }), {
    name: "TypeError",
    message: "send: headers of 21 bytes; headersBytesMax is 20",
  });
});

test("headers: a receiver checks every length", () => {
  for (const [what, bytes] of [
    ["empty", ""],
    ["another magic number", "42490100 00000000"],
    ["no block", HEAD],
    ["a block cut off", `${HEAD} 0000`],
    ["a length beyond the frame", `${HEAD} 06000000 0161 0100 31`],
    ["a name beyond the block", `${HEAD} 05000000 ff61 0100 31`],
    ["a text beyond the block", `${HEAD} 05000000 0161 ff00 31`],
    ["a block that ends within a length", `${HEAD} 03000000 0161 01`],
    ["an empty name", `${HEAD} 04000000 00 0100 31`],
    ["a name twice", `${HEAD} 0a000000 0161 0100 31 0161 0100 32`],
    ["a name that changes prototypes", `${HEAD} 0c000000 09 5f5f70726f746f5f5f 0000`],
    ["a name that is not UTF-8", `${HEAD} 05000000 01ff 0100 31`],
    ["a text that is not UTF-8", `${HEAD} 05000000 0161 0100 ff`],
    ["a block for which there is no value", `${HEAD} 00000000 00000000`],
  ] as const) {
    assert.throws(() => split(hex(bytes)), PROTOCOL, what);
  }
  assert.throws(() => split(hex(`${HEAD} 00000000`), 2), PROTOCOL, "a value without a block");
  const neighbours = hex("06000000 0161 0200 3132 0500000001");
  for (let end = 0; end < 10; end++) {
    const block = { at: 0, end };
    assert.throws(() => decodeHeaders(neighbours, block, LIMITS), PROTOCOL, `ends at ${end}`);
  }
  assert.deepEqual(decodeHeaders(neighbours, { at: 0, end: 10 }, LIMITS).headers, { a: "12" });
});

test("headers: another version is refused, with both versions in the error", () => {
  assert.throws(() => split(hex("42480200 00000000")), {
    code: "BROKERLESS_VERSION",
    message: "headers of version 2.0; this program reads 1.0",
  });
});

test("headers: beyond the receiver's limits they are refused before they are decoded", () => {
  const frame = joinHeaders([encoded({ a: "1", b: "2", c: "3" })]);
  assert.throws(() => split(frame, 1, { ...LIMITS, headersCountMax: 2 }), TOO_LARGE);
  assert.throws(() => split(frame, 1, { ...LIMITS, headersBytesMax: 14 }), TOO_LARGE);
  assert.deepEqual(split(frame, 1, { headersCountMax: 3, headersBytesMax: 15 }), [
    { a: "1", b: "2", c: "3" },
  ]);
});

test("headers: any bytes are decoded or refused with an error of ours", () => {
  const bytes = fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array));
  const part = fc.oneof(
    bytes,
    bytes.map((tail) => Buffer.concat([hex(HEAD), tail])),
  );
  fc.assert(
    fc.property(part, fc.integer({ min: 0, max: 3 }), (frame, count) => {
      try {
        assert.equal(split(frame, count).length, count);
      } catch (error) {
        const { code } = error as { code?: string };
        assert.ok(["PROTOCOL", "TOO_LARGE", "VERSION"].some((end) => code === `BROKERLESS_${end}`));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("headers: a block is decoded in place, and its end is returned", () => {
  const block = encoded({ a: "1" });
  const bytes = Buffer.concat([Buffer.from("before"), block, Buffer.from("behind")]);
  const read = decodeHeaders(bytes, { at: 6, end: bytes.length }, LIMITS);
  assert.deepEqual(read, { headers: { a: "1" }, end: 6 + block.length });
});
