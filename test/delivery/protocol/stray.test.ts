import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeWelcome } from "../../../lib/delivery/protocol/handshake.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  LINK_MESSAGES,
  type LinkMessageInput,
} from "../../../lib/delivery/protocol/link-message.ts";
import { strayOf } from "../../../lib/delivery/protocol/stray.ts";

const HELLO = JSON.stringify({
  receiver: "ab".repeat(16),
  ...{ codec: "msgpack", prefetch: 10, prefetchBytesMax: 1_000, messageBytesMax: 1_000 },
  name: "billing",
});
const OFFER = encodeWelcome({
  stream: "ef".repeat(16),
  incarnations: [{ epoch: 1, seqFirst: 1, id: "" }],
  ...{ floor: 0, codec: "msgpack", leaseMs: 30_000, graceMs: 3_000, heartbeatMs: 3_000 },
});
const WHOLE: readonly LinkMessageInput[] = [
  { type: "offer", session: 0, text: OFFER },
  { type: "hello", session: 7, text: HELLO },
  { type: "refuse", session: 7, argument: 1, text: "no" },
];

test("strays: a whole offer, hello and refusal are recognized, and say who has sent them", () => {
  const [offer, hello, refusal] = WHOLE.map((message) => strayOf(encodeLinkMessage(message)));
  assert.match(offer!.text, /^a reliable Push speaks to this plain socket: both sides must be/);
  assert.match(hello!.text, /^a reliable Pull \('billing'\) speaks to this plain socket: both/);
  assert.match(refusal!.text, /^a reliable Push or Pull refuses .* \(no\): both sides must be/);
});

test("strays: an offer and a hello are refused in their session, and a refusal is not", () => {
  const sessions = WHOLE.map((message) => {
    const refusal = strayOf(encodeLinkMessage(message))!.refusal;
    if (refusal === null) return null;
    const said = decodeLinkMessage(refusal);
    assert.ok("type" in said && said.type === "refuse");
    assert.match(said.text, /a plain socket/);
    return said.session;
  });
  assert.deepEqual(sessions, [1, 7, null]);
});

test("strays: what is not whole in each field is left alone, for it may be numbers of MessagePack", () => {
  for (const message of WHOLE) {
    const changes: readonly Partial<LinkMessageInput>[] = [
      { argument: 2 },
      { number: 1 },
      { flags: 1 },
      { ranges: [{ first: 1, last: 1 }] },
      { text: "" },
    ];
    for (const change of changes) {
      assert.equal(strayOf(encodeLinkMessage({ ...message, ...change })), null);
    }
    const bytes = encodeLinkMessage(message);
    assert.equal(strayOf(bytes.subarray(0, -1)), null);
    assert.equal(strayOf(Buffer.concat([bytes, Buffer.of(1)])), null);
    const other = Buffer.from(bytes);
    other[2] = 2;
    assert.equal(strayOf(other), null);
  }
  for (const type of ["offer", "hello"] as const) {
    const session = type === "offer" ? 0 : 7;
    assert.equal(strayOf(encodeLinkMessage({ type, session, text: "{}" })), null);
  }
  for (const bytes of [[], [66], [66, 76], [66, 76, 1, 1], Array(40).fill(66)]) {
    assert.equal(strayOf(Uint8Array.from(bytes)), null);
  }
});

test("strays: what is only said in a session is left alone", () => {
  for (const type of LINK_MESSAGES) {
    if (WHOLE.some((message) => message.type === type)) continue;
    assert.equal(strayOf(encodeLinkMessage({ type, session: 7, text: HELLO })), null);
  }
});
