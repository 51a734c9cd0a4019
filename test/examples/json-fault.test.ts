import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findJsonFault } from "../../examples/flights/json-fault.ts";

const faults: readonly (readonly [text: string, offset: number, message: string])[] = [
  ["", 0, "expected a JSON value"],
  ["  ", 2, "expected a JSON value"],
  ["tru", 0, "expected a JSON value"],
  ["truer", 0, "expected a JSON value"],
  ["01", 0, "expected a JSON value"],
  ["1.", 0, "expected a JSON value"],
  ["1 2", 2, "expected nothing more"],
  ["[1,]", 3, "expected a JSON value"],
  ["[1", 2, 'expected "," or "]"'],
  ["[1}", 2, 'expected "," or "]"'],
  ['{"a":1,}', 7, "expected a key in quotes"],
  ["{a:1}", 1, 'expected a key in quotes or "}"'],
  ['{"a" 1}', 5, 'expected ":"'],
  ['{"a":}', 5, "expected a JSON value"],
  ['{"a":1', 6, 'expected "," or "}"'],
  ['{"a":1]', 6, 'expected "," or "}"'],
  ['"abc', 4, "a string that does not end"],
  ['"a\nb"', 2, "a control character in a string"],
  ['"a\\x"', 2, "an escape in a string that JSON does not have"],
  ['"é\\x"', 3, "an escape in a string that JSON does not have"],
];

for (const [text, offset, message] of faults) {
  test(`json-fault: ${JSON.stringify(text)} breaks at byte ${offset}`, () => {
    assert.deepEqual(findJsonFault(Buffer.from(text)), { offset, message });
  });
}

test("json-fault: agrees with JSON.parse about what is JSON", () => {
  const broken = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "}", "]", '"', "\\", "1", " ", "\u0001"))
    .map(([text, at, insert]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + insert + text.slice(place + (at % 2));
    });
  fc.assert(
    fc.property(fc.oneof(fc.json(), broken), (text) => {
      assert.equal(findJsonFault(Buffer.from(text)) === null, isJson(text), text);
    }),
    { numRuns: 2_000 },
  );
});

test("json-fault: a hundred thousand open brackets are no problem", () => {
  const text = "[".repeat(100_000);
  assert.equal(findJsonFault(Buffer.from(text))?.offset, text.length);
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
