import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RemoteError } from "../../../lib/errors.ts";
import {
  contentFrames,
  errorContent,
  openReply,
  openRequest,
  readError,
} from "../../../lib/plain/request/request-envelope.ts";
import { envelopeId } from "../../../lib/plain/request/request-ids.ts";

const protocol = { name: "BrokerlessError", code: "BROKERLESS_PROTOCOL" };
const id = Buffer.from([0, 0, 1, 2, 9, 9, 9, 9, 9, 9, 9, 9]);
const empty = Buffer.alloc(0);
const body = Buffer.from("body");

function errorOf(thrown: unknown): RemoteError {
  const { error } = openReply([id, empty, ...contentFrames(errorContent(thrown))]);
  assert.ok(error !== null);
  const read = readError(error);
  assert.ok(read instanceof RemoteError);
  return read;
}

test("request wire: the envelope of a request is all before the body", () => {
  const peer = Buffer.from("peer");
  const headers = null;
  const more = { id: null, deadlineMs: Number.POSITIVE_INFINITY, body, headers };
  const asked = openRequest([peer, id, empty, body]);
  assert.deepEqual(asked, { envelope: [peer, id, empty], ...more });
  assert.deepEqual(openRequest([peer, empty, body]), { envelope: [peer, empty], ...more });
  assert.deepEqual(openRequest([peer, empty, empty]).body, empty);
});

test("request wire: the first empty frame ends the envelope, and headers are behind the body", () => {
  const peer = Buffer.from("peer");
  const headers = Buffer.from("headers");
  const envelope = [peer, id, empty];
  const more = { envelope, id: null, deadlineMs: Number.POSITIVE_INFINITY, headers };
  assert.deepEqual(openRequest([...envelope, body, headers]), { ...more, body });
  assert.deepEqual(openRequest([...envelope, empty, headers]), { ...more, body: empty });
  assert.throws(() => openRequest([...envelope, body, headers, headers]), protocol);
});

test("request wire: an envelope of 16 frames is accepted, one more is refused", () => {
  const frames = (count: number): Buffer[] => [body, ...new Array(count).fill(id), empty, body];
  assert.equal(openRequest(frames(16)).envelope.length, 18);
  assert.throws(() => openRequest(frames(17)), protocol);
});

test("request wire: what is no request is refused", () => {
  for (const parts of [[], [body], [body, body], [body, body, body], [id, empty]]) {
    assert.throws(() => openRequest(parts), protocol, `${parts.length} frames`);
  }
});

test("request wire: a requester is recognized by its envelope, unless a proxy is in between", () => {
  const [peer, client] = [Buffer.from("peer"), Buffer.from("client")];
  const frame = envelopeId(id, 5_000);
  const direct = openRequest([peer, frame, empty, body]);
  assert.deepEqual([direct.envelope, direct.id], [[peer], id]);
  const leftMs = direct.deadlineMs - performance.now();
  assert.ok(leftMs > 0 && leftMs <= 5_000, `${leftMs}`);
  const proxied = openRequest([peer, client, frame, empty, body]);
  assert.deepEqual([proxied.envelope, proxied.id], [[peer, client, frame, empty], null]);
  assert.ok(proxied.deadlineMs < Number.POSITIVE_INFINITY);
  for (const [at, byte] of frame.entries()) {
    if (at >= 4) break;
    const other = Buffer.from(frame);
    other[at] = byte ^ 1;
    assert.equal(openRequest([peer, other, empty, body]).id, null);
  }
});

test("request wire: a reply is its id and its body", () => {
  assert.deepEqual(openReply([id, empty, body]), { id, body, error: null });
  assert.deepEqual(openReply([envelopeId(id, 7), empty, body]), { id, body, error: null });
});

test("request wire: what is no reply is refused", () => {
  const wrong = [
    [],
    [id],
    [id, empty],
    [id, body, body],
    [Buffer.alloc(3), empty, body],
    [Buffer.alloc(5), empty, body],
    [id, empty, body, body],
    [id, empty, Buffer.from("brokerless-error"), body, body],
  ];
  for (const parts of wrong) assert.throws(() => openReply(parts), protocol, `${parts}`);
});

test("request wire: an error travels with its name, its message and its code", () => {
  const thrown = Object.assign(new RangeError("too far"), { code: "E_FAR" });
  const error = errorOf(thrown);
  assert.equal(error.name, "RemoteError");
  assert.equal(error.message, "too far");
  assert.equal(error.remoteName, "RangeError");
  assert.equal(error.remoteCode, "E_FAR");
});

test("request wire: an error without a code, or with a number for one, has none", () => {
  assert.equal(errorOf(new Error("x")).remoteCode, null);
  assert.equal(errorOf(Object.assign(new Error("x"), { code: 7 })).remoteCode, null);
});

test("request wire: a long error is cut", () => {
  assert.equal(errorOf(new Error("x".repeat(10_000))).message.length, 4_096);
});

test("request wire: the longest error that can be written is read, and nothing longer", () => {
  const longest = "\u0001".repeat(5_000);
  const halves = "\ud800".repeat(5_000);
  for (const text of [longest, halves]) {
    const thrown = Object.assign(new Error(text), { name: text, code: text });
    const frame = errorContent(thrown).error;
    const { message, remoteName, remoteCode } = readError(frame!);
    const cut = text.slice(0, 4_096);
    assert.deepEqual([message, remoteName, remoteCode], [cut, cut, cut]);
    const longer = Buffer.concat([frame!, Buffer.from(" ")]);
    assert.throws(() => readError(longer), { code: "BROKERLESS_TOO_LARGE" });
  }
});

test("request wire: an answer with the longest texts passes on as it is", () => {
  const text = "\u0001".repeat(5_000);
  const thrown = new RemoteError({ message: text, remoteName: text, remoteCode: text });
  assert.equal(errorOf(thrown).message, text.slice(0, 4_096));
});

test("request: a RemoteError that is made without a remoteName is an Error", () => {
  const error = new RemoteError({ message: "no such order", remoteCode: "E404" });
  assert.deepEqual([error.remoteName, error.remoteCode], ["Error", "E404"]);
});

test("request wire: whatever a handler throws becomes an error", () => {
  assert.equal(errorOf("just text").message, "just text");
  const hostile = Object.defineProperty(new Error("x"), "message", {
    get: () => {
      throw new Error("not even readable");
    },
  });
  const nameless = Object.assign(new Error("x"), { name: Object.create(null) });
  for (const thrown of [undefined, null, 7, Symbol("s"), Object.create(null), hostile, nameless]) {
    assert.equal(typeof errorOf(thrown).message, "string");
  }
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (thrown) => {
      assert.equal(typeof errorOf(thrown).message, "string");
    }),
  );
});

test("request wire: a replier's error that is no JSON object of texts is still an error", () => {
  for (const text of ["", "null", "7", "{", "[]", '{"name":7,"message":{},"code":[]}', "\xff"]) {
    const error = readError(Buffer.from(text, "latin1"));
    assert.equal(error.message, "the replier failed without a reason", text);
    assert.equal(error.remoteName, "Error");
    assert.equal(error.remoteCode, null);
  }
});
