import assert from "node:assert/strict";
import { test } from "node:test";
import { ArraySplitter } from "../../examples/flights/array-splitter.ts";
import { LineSplitter } from "../../examples/flights/line-splitter.ts";
import { RecordFault, readRecords } from "../../examples/flights/records.ts";
import { RECORD_BYTES_MAX, type Splitter } from "../../examples/flights/splitter.ts";
import { temporaryDirectory, temporaryFile } from "./support/temporary.ts";

const START = { offset: 0, line: 1, lineOffset: 0 };
const LONG = `"${"x".repeat(RECORD_BYTES_MAX)}"`;

/** What a file holds, by name and content. */
const readable: readonly (readonly [name: string, content: string, records: unknown[]])[] = [
  ["lines.ndjson", '{"a":1}\n{"a":2}\n', [{ a: 1 }, { a: 2 }]],
  ["no-last-feed.ndjson", '{"a":1}\n{"a":2}', [{ a: 1 }, { a: 2 }]],
  ["windows.ndjson", '{"a":1}\r\n\r\n{"a":2}\r\n', [{ a: 1 }, { a: 2 }]],
  ["lines.json", '{"a":1}\n{"a":2}\n', [{ a: 1 }, { a: 2 }]],
  ["scalars.jsonl", '1\n"x"\nnull\n', [1, "x", null]],
  ["arrays.jsonl", "[1]\n[2]\n", [[1], [2]]],
  ["array.json", '[1, {"a":[2,"],["]},\n"\\"]"]', [1, { a: [2, "],["] }, '"]']],
  ["empty-array.json", " [ ] ", []],
  ["marked.json", "\ufeff[1]", [1]],
  ["whole.json", '{\n "a": [1,\n 2]\n}\n', [{ a: [1, 2] }]],
  ["one-line.json", '{"a":[1,2]}', [{ a: [1, 2] }]],
];

for (const [name, content, expected] of readable) {
  test(`records: ${name} is read`, async (t) => {
    assert.deepEqual(await readAll(temporaryFile(t, name, content)), expected);
  });
}

/** Where a file is at fault, and what is said. */
const faulty: readonly (readonly [name: string, content: string | Buffer, message: string])[] = [
  ["empty.json", "", "1:1 (byte 0): the file is empty; expected JSON"],
  ["blank.ndjson", " \n\n", "1:1 (byte 0): the file is empty; expected JSON"],
  ["comma.ndjson", '{"a":1}\n\n{"a":2,}\n', "3:8 (byte 16): expected a key in quotes"],
  ["cut.ndjson", '{"a":1}\n{"a":\n{"a":3}\n', "2:6 (byte 13): expected a JSON value"],
  ["two-in-line.ndjson", "{} {}\n", "1:4 (byte 3): expected nothing more"],
  ["not-json.json", "hello\nworld\n", "1:1 (byte 0): expected a JSON value"],
  ["bad-first-line.json", '{"a":tru}\n{"a":2}\n', "1:6 (byte 5): expected a JSON value"],
  ["word.json", '[{"a":1},\n {"a":tru}]', "2:7 (byte 16): expected a JSON value"],
  ["hole.json", "[1,,2]", "1:4 (byte 3): expected a JSON value"],
  ["last-comma.json", "[1,\n]", "2:1 (byte 4): expected a JSON value"],
  ["bracket.json", '[\n{"a":[1},\n{"a":[2]}]', '2:8 (byte 9): expected "," or "]"'],
  ["no-end.json", '[{"a":1},\n {"a":1}', "2:9 (byte 18): the file ends before the array does"],
  ["cut-in-record.json", '[{"a":', "1:7 (byte 6): the file ends before the array does"],
  ["after.json", "[1]\n\n x", "3:2 (byte 6): expected nothing more behind the array"],
  ["whole.json", '{\n "a": 1,\n "b" 2\n}', '3:6 (byte 16): expected ":"'],
  ["marked.ndjson", "\ufeff1\nx\n", "2:1 (byte 5): expected a JSON value"],
  ["utf8.ndjson", Buffer.from('{"a":"\xff"}', "latin1"), "1:7 (byte 6): bytes that are not UTF-8"],
  ["long-line.ndjson", `1\n${LONG}`, `2:${LONG.length + 1} (byte ${LONG.length + 2}): `],
  ["long-whole.json", `{\n"a":${LONG}}`, "2:"],
  ["long-element.json", `[1,${LONG}]`, "1:"],
  ["unclosed.json", `[1,\n{"a":1,\n${`{},\n`.repeat(RECORD_BYTES_MAX / 4)}]`, "3:1 (byte 12): "],
];

for (const [name, content, message] of faulty) {
  test(`records: ${name} is at fault at ${message}`, async (t) => {
    const path = temporaryFile(t, name, content);
    await assert.rejects(readAll(path), (error) => {
      assert.ok(error instanceof RecordFault);
      assert.equal(error.message.slice(0, path.length + 1 + message.length), `${path}:${message}`);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  });
}

test("records: what cannot be read is said without a place", async (t) => {
  const directory = temporaryDirectory(t);
  await assert.rejects(readAll(directory), {
    message: `${directory}: cannot be read: it is a directory`,
  });
  await assert.rejects(readAll(`${directory}/none`), {
    message: `${directory}/none: cannot be read: there is no such file`,
  });
});

test("records: what `check` refuses is a fault where the record starts", async (t) => {
  const path = temporaryFile(t, "checked.json", "[1,\n  -2]");
  const check = (value: unknown): number => {
    if (typeof value === "number" && value >= 0) return value;
    throw new TypeError("must not be negative");
  };
  await assert.rejects(readAll(path, check), {
    message: `${path}:2:3 (byte 6): must not be negative`,
  });
});

test("records: it makes no difference where the chunks of a file end", () => {
  const array = Buffer.from('[{"a":"é]\\"\\\\"},\n[1,[2]] , "x,"\n, {} ]\n ');
  const lines = Buffer.from('{"a":"é"}\r\n\n[1]\n  \n"x"');
  for (const [bytes, create] of [
    [array, () => new ArraySplitter(START)],
    [lines, () => new LineSplitter(START)],
  ] as const) {
    const whole = split(create(), [bytes]);
    assert.ok(whole.length >= 3);
    for (let size = 1; size < bytes.length; size++) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      assert.deepEqual(split(create(), chunks), whole, `chunks of ${size} bytes`);
    }
  }
});

function split(splitter: Splitter, chunks: readonly Buffer[]): unknown[] {
  const pieces = [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
  return pieces.map((piece) => ({ ...piece, bytes: piece.bytes.toString() }));
}

async function readAll(
  path: string,
  check: (value: unknown) => unknown = (value) => value,
): Promise<unknown[]> {
  const records: unknown[] = [];
  for await (const record of readRecords(path, { check })) records.push(record);
  return records;
}
