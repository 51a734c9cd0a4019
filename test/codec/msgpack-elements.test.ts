import assert from "node:assert/strict";
import { test } from "node:test";
import { Packr } from "msgpackr/index-no-eval";
import {
  countMsgpackElements,
  LENGTH_BYTES,
  SCALAR_BYTES,
} from "../../lib/codec/msgpack-elements.ts";
import { range } from "../support/fixtures.ts";

/** What follows each token of an extension, type included (bytes). */
const EXTENSIONS = [
  [[0xd4], 2],
  [[0xd5], 3],
  [[0xd6], 5],
  [[0xd7], 9],
  [[0xd8], 17],
  [[0xc7, 7], 8],
  [[0xc8, 1, 0], 257],
  [[0xc9, 0, 1, 0, 0], 65_537],
] as const;

/** Whether a count steps over exactly these bytes: one more byte is another element. */
function isOneElement(bytes: Uint8Array): boolean {
  const longer = Buffer.concat([bytes, Buffer.of(0xc0)]);
  return countMsgpackElements(bytes, 9) === 1 && countMsgpackElements(longer, 9) === 2;
}

test("msgpack elements: a scalar, a text or bytes is one, as long as msgpackr writes it", () => {
  const packr = new Packr({ useRecords: false });
  const numbers = [0, 127, 128, 256, 65_536, 2 ** 40, -1, -32, -33, -129, -32_769, 1.5, 1n];
  const texts = [0, 31, 32, 255, 256, 65_536].map((length) => "x".repeat(length));
  const bytes = [0, 255, 256, 65_536].map((length) => Buffer.alloc(length));
  for (const value of [null, true, false, ...numbers, ...texts, ...bytes]) {
    const packed = packr.pack(value);
    assert.ok(isOneElement(packed), `0x${packed[0]!.toString(16)} of ${packed.length} bytes`);
  }
});

test("msgpack elements: the header of an array or map is one, and what is in it are others", () => {
  for (const token of range(32)) assert.ok(isOneElement(Buffer.of(0x80 + token)), `${token}`);
  for (const token of [0xdc, 0xde]) assert.ok(isOneElement(Buffer.of(token, 0, 9)));
  for (const token of [0xdd, 0xdf]) assert.ok(isOneElement(Buffer.of(token, 0, 0, 0, 9)));
});

test("msgpack elements: an extension is one, with its type", () => {
  for (const [head, bytes] of EXTENSIONS) {
    const extension = Buffer.concat([Buffer.from(head), Buffer.alloc(bytes)]);
    assert.ok(isOneElement(extension), `0x${head[0].toString(16)}`);
  }
});

test("msgpack elements: a token has a length of its own or a length field, never both", () => {
  for (const token of range(256)) {
    assert.equal(SCALAR_BYTES[token]! * LENGTH_BYTES[token]!, 0, `${token}`);
  }
});
