import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  deadLetterText,
  decodeError,
  decodeRejection,
  ERROR_TEXT_LENGTH_MAX,
  encodeError,
  encodeRejection,
} from "../../../lib/delivery/protocol/error-texts.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  type LinkMessage,
  TEXT_BYTES_MAX,
} from "../../../lib/delivery/protocol/link-message.ts";
import { handlerError } from "../../../lib/handler-error.ts";

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;
const plain = fc.string({ unit: fc.constantFrom(...'abc é€😀"\\/{}') });
const error = fc.record(
  { name: plain, message: plain, code: fc.option(plain) },
  { noNullPrototype: true },
);

/** A message as the other side reads it. */
function carried(said: { readonly text: string; readonly flags?: number }): LinkMessage {
  return decodeLinkMessage(encodeLinkMessage({ type: "reject", session: 1, ...said })) as never;
}

test("error texts: what is said of an error and a rejection is heard", () => {
  fc.assert(
    fc.property(error, plain, (given, reason) => {
      assert.deepEqual(decodeError(carried({ text: encodeError(given) }).text), given);
      for (const said of [
        { reason, error: given },
        { reason, error: null },
      ]) {
        assert.deepEqual(decodeRejection(carried(encodeRejection(said))), said);
      }
    }),
  );
});

test("error texts: no error is none, and a text that is no error is its message", () => {
  assert.equal(decodeError(""), null);
  for (const text of ["no picture", "5", "null", '["a"]', '"quoted"', "{"]) {
    assert.deepEqual(decodeError(text), { name: "Error", message: text, code: null });
    const flags = 1;
    assert.deepEqual(decodeRejection({ text, flags }), { reason: text, error: null });
  }
  assert.deepEqual(decodeError('{"message":5,"code":7}'), {
    name: "Error",
    message: "",
    code: null,
  });
  const text = '{"reason":"no","error":"none"}';
  assert.deepEqual(decodeRejection({ text, flags: 1 }), { reason: "no", error: null });
  assert.deepEqual(decodeRejection({ text, flags: 0 }), { reason: text, error: null });
});

test("error texts: whatever is thrown fits a frame, and is read whole", () => {
  for (const character of ["x", '"', "\u0001", "é", "😀", "\ud800", "\u2028"]) {
    const long = character.repeat(10_000);
    const thrown = Object.assign(new Error(long), { name: long, code: long });
    const given = handlerError(thrown, ERROR_TEXT_LENGTH_MAX);
    const text = encodeError(given);
    assert.ok(Buffer.byteLength(text) <= TEXT_BYTES_MAX, `${Buffer.byteLength(text)} bytes`);
    assert.ok(JSON.parse(text).message.length >= 50, "more was cut off than had to be");
    const said = encodeRejection({ reason: long.slice(0, ERROR_TEXT_LENGTH_MAX), error: given });
    assert.ok(Buffer.byteLength(said.text) <= TEXT_BYTES_MAX);
    const { reason, error } = decodeRejection(carried(said));
    for (const heard of [reason, error!.message, error!.name, error!.code!]) {
      assert.doesNotMatch(heard, UNSEEN);
      assert.ok(heard.length >= 50 && heard.length <= 6 * ERROR_TEXT_LENGTH_MAX);
    }
  }
});

test("error texts: anything can be thrown", () => {
  const unreadable = {
    toString() {
      throw new Error("not even this");
    },
  };
  const message = "what was thrown cannot be read";
  assert.deepEqual(handlerError(unreadable, 99), { name: "Error", message, code: null });
  const texts = [undefined, null, "text", 5, Symbol("s"), { a: 1 }].map(
    (thrown) => handlerError(thrown, 99).message,
  );
  assert.deepEqual(texts, ["undefined", "null", "text", "5", "Symbol(s)", "[object Object]"]);
  const error = Object.assign(new RangeError("far"), { code: 7 });
  assert.deepEqual(handlerError(error, 3), { name: "Ran", message: "far", code: null });
});

test("error texts: what a peer says has nothing that a terminal obeys", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.boolean(), (text, isJson) => {
      const said = isJson ? JSON.stringify({ name: text, message: text, code: text }) : text;
      const heard = decodeError(said);
      for (const one of [heard?.name, heard?.message, heard?.code]) {
        assert.doesNotMatch(one ?? "", UNSEEN);
      }
      const rejection = isJson ? JSON.stringify({ reason: text }) : text;
      assert.doesNotMatch(decodeRejection({ text: rejection, flags: 1 }).reason, UNSEEN);
      assert.doesNotMatch(decodeRejection({ text: rejection, flags: 0 }).reason, UNSEEN);
    }),
  );
});

test("error texts: why a message is dead is one line", () => {
  const reason = "all attempts failed";
  const error = { name: "Error", message: "no such file", code: "ENOENT" };
  assert.equal(deadLetterText({ reason, error }), `${reason}: Error [ENOENT]: no such file`);
  assert.equal(
    deadLetterText({ reason, error: { ...error, code: null } }),
    `${reason}: Error: no such file`,
  );
  assert.equal(
    deadLetterText({ reason, error: { ...error, message: "" } }),
    `${reason}: Error [ENOENT]`,
  );
  assert.equal(deadLetterText({ reason, error: null }), reason);
  const said = { reason: error.message, error };
  assert.equal(deadLetterText(said), "Error [ENOENT]: no such file", "the same is said once");
  const ofNode = { ...error, message: "ENOENT: no such file" };
  assert.equal(deadLetterText({ reason, error: ofNode }), `${reason}: Error: ENOENT: no such file`);
});
