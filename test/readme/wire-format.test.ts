import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createFraming } from "../../lib/batch/framing/create-framing.ts";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { type Codec, json, msgpack, raw } from "../../lib/index.ts";
import {
  contentFrames,
  errorContent,
  openReply,
  readError,
} from "../../lib/plain/request/request-envelope.ts";
import { MARK, SubscriberCounter } from "../../lib/plain/topic/subscriber-counter.ts";
import { SubscriptionAnnouncer } from "../../lib/plain/topic/subscription-announcer.ts";
import { TopicPattern } from "../../lib/plain/topic/topic-pattern.ts";

const document = readFileSync(new URL("../../docs/wire-format.md", import.meta.url), "utf8");

/** The last cell of the row whose first one is `name`: each piece of code in hexadecimal. */
function hexOf(name: string): string[] {
  const row = document.split("\n").find((line) => line.startsWith(`| ${name} | `));
  assert.ok(row, `docs/wire-format.md has no row "${name}"`);
  const cell = row.slice(0, -1).split("|").at(-1)!;
  return [...cell.matchAll(/`([0-9a-f ]+)`/g)].map(([, hex]) => hex!.replaceAll(" ", ""));
}

const fromHex = (hex: string | undefined): Buffer => Buffer.from(hex ?? "", "hex");

function framed(codec: Codec<never>, batched: boolean, values: readonly unknown[]): string {
  const writer = new ByteWriter();
  const framing = createFraming(codec as Codec<unknown>, { batched, countMax: 100 });
  for (const value of values) framing.append(value, writer);
  const frame = writer.take();
  assert.deepEqual(framing.decode(frame), values);
  return frame.toString("hex");
}

const bytes = (text: string): Buffer => Buffer.from(text);
const THREE = [1, "two", [3]];

for (const [name, frame] of [
  ["msgpack, batched", () => framed(msgpack(), true, THREE)],
  ["msgpack, single", () => framed(msgpack(), false, ["two"])],
  ["json, batched", () => framed(json(), true, THREE)],
  ["json, single", () => framed(json(), false, ["two"])],
  ["raw, batched", () => framed(raw() as Codec<never>, true, ["hi", "", "!"].map(bytes))],
  ["raw, single", () => framed(raw() as Codec<never>, false, [bytes("hi")])],
] as const) {
  test(`docs/wire-format.md: the body "${name}" is what the code writes and reads`, () => {
    assert.deepEqual(hexOf(name), [frame()]);
  });
}

test("docs/wire-format.md: the prefixes of the patterns are those that are asked for", () => {
  const rows = document.matchAll(/^\| `([\w.*#]+)` \| `([\w.]+)`[ ,]/gm);
  const prefixes = [...rows].map(([, pattern, prefix]) => [pattern!, prefix!]);
  assert.deepEqual(
    prefixes.map(([pattern]) => pattern),
    ["trades", "quotes.*", "quotes.#"],
  );
  for (const [pattern, prefix] of prefixes) assert.equal(new TopicPattern(pattern!).prefix, prefix);
  for (const pattern of ["#", "*.nyse"]) assert.equal(new TopicPattern(pattern).prefix, "");
});

test("docs/wire-format.md: the mark has the form of those that subscribers send", () => {
  const [hex] = hexOf("the first mark of `AAAAAAAAAAAAAAAA`, who asks for 2 prefixes");
  const message = fromHex(hex);
  const asked: string[] = [];
  const announcer = new SubscriptionAnnouncer({
    subscribe: (text) => asked.push(text),
    unsubscribe() {},
  });
  announcer.add("a");
  announcer.add("b");
  announcer.flush();
  const mark = asked[0]!;
  const name = mark.slice(MARK.length, MARK.length + 16);
  assert.match(name, /^[\w-]{16}$/);
  assert.equal(message.toString("latin1"), `\x01${mark.replace(name, "A".repeat(16))}`);
  const came = { id: "A".repeat(16), name: null };
  assert.deepEqual(new SubscriberCounter().read(message), { type: "mark", came });
});

test("docs/wire-format.md: the replies are what a requester reads", () => {
  const [id, request] = hexOf('request 7, `"ping"`, msgpack');
  assert.equal(request, framed(msgpack(), false, ["ping"]));
  const empty = Buffer.alloc(0);

  const [answerId, reply] = hexOf('its reply, `"pong"`');
  assert.deepEqual([answerId, reply], [id, framed(msgpack(), false, ["pong"])]);
  const opened = openReply([fromHex(answerId), empty, fromHex(reply)]);
  assert.deepEqual([opened.id.toString("hex"), opened.body?.toString("hex")], [id, reply]);
  assert.equal(opened.error, null);

  const [errorId, ...frames] = hexOf('a `RangeError("no")` instead');
  assert.equal(errorId, id);
  const expected = contentFrames(errorContent(new RangeError("no"))).map((frame) =>
    frame.toString("hex"),
  );
  assert.deepEqual(frames, expected);
  const { error } = openReply([fromHex(errorId), empty, ...frames.map(fromHex)]);
  const { remoteName, message } = readError(error!);
  assert.deepEqual([remoteName, message], ["RangeError", "no"]);
});
