import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHello, parseWelcome } from "../../lib/delivery/protocol/handshake.ts";
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  Subscriber,
  type TypedSocket,
} from "../../lib/index.ts";
import { peerLabel } from "../../lib/peer-text.ts";
import { MARK, SubscriberCounter } from "../../lib/plain/topic/subscriber-counter.ts";

/** What a terminal obeys, what turns text around, ends a line, or is half a character. */
const HOSTILE = "a\u001b[2J\u202eb\n\u2028\ud800\u007f\u009b";
const SHOWN = "a\\u001b[2J\\u202eb\\u000a\\u2028\\ud800\\u007f\\u009b";
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

const HELLO = { codec: "raw", prefetch: 1, prefetchBytesMax: 1, messageBytesMax: 1 };
const hello = (name?: unknown) =>
  parseHello(JSON.stringify({ receiver: "ab".repeat(16), ...HELLO, name }));

const TIMES = { leaseMs: 1, graceMs: 1, heartbeatMs: 1 };
const LIFE = { epoch: 1, epochSeqFirst: 1, epochsBefore: [] };
const welcome = (name?: unknown) =>
  parseWelcome(
    JSON.stringify({ stream: "ab".repeat(16), ...LIFE, floor: 0, codec: "raw", ...TIMES, name }),
  );

test("names: every role takes a name, and refuses one that cannot be shown as it is", () => {
  const roles: readonly (new (options: { readonly name: string }) => Pick<TypedSocket, "close">)[] =
    [Push, Pull, Publisher, Subscriber, Requester, Replier, Router, Dealer];
  const wrong = ["", " a", "a ", "a".repeat(65), "a\nb", "\u001b[2J", "\u202ea", "\ud800", 7, null];
  for (const Role of roles) {
    for (const name of wrong) {
      const make = () => new Role({ name: name as string });
      assert.throws(make, /option "name" must be a text of 1 to 64 characters that can be seen/);
    }
    for (const name of ["a", "a".repeat(64), "Kasse Süd 7", "注文"]) {
      void new Role({ name }).close();
    }
  }
});

for (const [what, parse] of [
  ["hello", hello],
  ["welcome", welcome],
] as const) {
  const nameOf = (said: unknown) => {
    const fields = parse(said);
    return typeof fields === "string" ? fields : fields.name;
  };

  test(`names: what a ${what} says is cut, and shows what cannot be seen`, () => {
    assert.equal(nameOf(undefined), undefined);
    assert.equal(nameOf(""), undefined);
    assert.equal(nameOf("till-7"), "till-7");
    assert.equal(nameOf(HOSTILE), SHOWN);
    assert.match(HOSTILE, UNSEEN, "control: it holds what must not be shown");
    assert.equal(nameOf("a".repeat(4_000)), `${"a".repeat(61)}...`);
    assert.match(String(nameOf("\u001b".repeat(4_000))), /^(\\u001b){61}\.\.\.$/);
    assert.match(String(nameOf("😀".repeat(40))), /^[^\p{Cs}]{1,100}$/u);
  });

  test(`names: a ${what} whose name is no text is refused`, () => {
    for (const name of [7, true, {}, ["a"]]) assert.match(String(nameOf(name)), /its field name/);
  });
}

test("names: what a mark says is cut, and shows what cannot be seen", () => {
  const read = (name: string) => {
    const change = new SubscriberCounter().read(Buffer.from(`\x01${MARK}ABCD.1.2 ${name}`));
    return change?.type === "mark" ? change.came?.name : "no mark";
  };
  assert.equal(read("till-7"), "till-7");
  assert.equal(read("a b.*"), "a b.*");
  // A half of a character cannot be in UTF-8.
  assert.equal(read(HOSTILE), SHOWN.replace("\\ud800", "\ufffd"));
  assert.equal(read("a".repeat(64)), "a".repeat(64));
  assert.equal(read("a".repeat(65)), undefined);
  assert.equal(read(""), undefined);
});

test("names: one that holds the end of a name is still one name in an error", () => {
  const name = 'x" at tcp://10.0.0.1:1';
  const label = peerLabel({ name, address: "tcp://127.0.0.1:2" });
  assert.equal(label, '"x\\" at tcp://10.0.0.1:1" at tcp://127.0.0.1:2');
  assert.equal(peerLabel({ name: null, address: "bound" }), "bound");
});
