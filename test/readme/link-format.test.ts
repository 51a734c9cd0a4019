import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { encodeWelcome, parseHello, parseWelcome } from "../../lib/delivery/protocol/handshake.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  LINK_MESSAGES,
  RANGES_MAX,
  TEXT_BYTES_MAX,
} from "../../lib/delivery/protocol/link-message.ts";
import { HELLO, LINK_VECTORS, WELCOME } from "./link-vectors.ts";

const document = readFileSync(new URL("../../docs/wire-format.md", import.meta.url), "utf8");
const section = document.slice(document.indexOf("\n## links\n"), document.indexOf("\n## batch\n"));

/** The frames of the examples, by the first cell of their rows. */
const frames = new Map(
  [...section.matchAll(/^\| ([^|]+) \| `(42 4c [0-9a-f ]+)` \|$/gm)].map(([, name, hex]) => [
    name!,
    Buffer.from(hex!.replaceAll(" ", ""), "hex"),
  ]),
);

test("docs/wire-format.md: there is a frame of each type of link message, and no other", () => {
  assert.deepEqual([...frames.keys()], Object.keys(LINK_VECTORS));
  const types = new Set(Object.values(LINK_VECTORS).map(({ type }) => type));
  assert.deepEqual([...types].sort(), [...LINK_MESSAGES].sort());
});

for (const [name, message] of Object.entries(LINK_VECTORS)) {
  test(`docs/wire-format.md: the link message "${name}" is what the code writes and reads`, () => {
    const frame = frames.get(name);
    assert.ok(frame, "there is no such row");
    assert.equal(encodeLinkMessage(message).toString("hex"), frame.toString("hex"));
    const all = { argument: 0, number: 0, flags: 0, text: "", ranges: [], ...message };
    assert.deepEqual(decodeLinkMessage(frame), all);
  });
}

test("docs/wire-format.md: the types have the numbers that are said", () => {
  const rows = [...section.matchAll(/^\| (\d+) \| (\w+) \| (?:both|sender|receiver) \|/gm)];
  assert.deepEqual(
    rows.map(([, number, name]) => [Number(number), name]),
    LINK_MESSAGES.map((name, index) => [index + 1, name]),
  );
});

test("docs/wire-format.md: the fields of hello and welcome are those that are read", () => {
  assert.deepEqual(parseHello(JSON.stringify(HELLO)), HELLO);
  assert.deepEqual(parseWelcome(encodeWelcome(WELCOME)), WELCOME);
  const FIELDS = JSON.parse(encodeWelcome(WELCOME)) as Record<string, unknown>;
  for (const [type, fields] of Object.entries({ hello: HELLO, welcome: FIELDS })) {
    const row = section.split("\n").find((line) => line.includes(`| ${type} |`)) ?? "";
    const named = [...row.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    assert.deepEqual(named, Object.keys(fields), type);
    // Each of them is needed, but for what tells processes apart: without it the text is refused, in words.
    for (const name of named.filter((one) => one !== "incarnation" && one !== "epochId")) {
      const { [name as never]: _, ...rest } = { ...fields } as Record<string, unknown>;
      const parsed = (type === "hello" ? parseHello : parseWelcome)(JSON.stringify(rest));
      assert.equal(typeof parsed, "string", name);
    }
  }
});

test("docs/wire-format.md: the limits of a link message are those of the code", () => {
  const limit = (what: string) =>
    Number(section.match(new RegExp(`${what}, at most ([\\d,]+)`))?.[1]?.replace(",", ""));
  assert.equal(limit("length of the text \\(bytes\\)"), TEXT_BYTES_MAX);
  assert.equal(limit("count of ranges"), RANGES_MAX);
});

test("docs/wire-format.md: a link message with any byte missing is refused (negative control)", () => {
  for (const [name, frame] of frames) {
    assert.ok("fault" in decodeLinkMessage(frame.subarray(0, -1)), name);
    const other = Buffer.from(frame);
    other[2] = 2;
    assert.ok("fault" in decodeLinkMessage(other), name);
  }
});
