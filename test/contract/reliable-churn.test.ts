import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeLinkMessage, type LinkMessageInput } from "../../lib/delivery/link-message.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { FREEING } from "../../lib/socket/reliable/dead-mover.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/socket/reliable/options.ts";
import { SenderLinks } from "../../lib/socket/reliable/sender-links.ts";
import type { LinkPeer } from "../../lib/transport/link-hub.ts";
import { ManualClock } from "../support/manual-clock.ts";

function senderLinks(): SenderLinks {
  return new SenderLinks({
    journal: new MemoryJournal(),
    clock: new ManualClock(),
    random: () => 0.5,
    rules: RELIABLE_SEND_DEFAULTS,
    codec: "raw",
    messageBytesMax: 1_000,
    cacheBytesMax: 1_000,
    heartbeatMs: 0,
    wantsReceipts: () => false,
    freeing: FREEING,
    flush: () => {},
    onSettled: () => {},
    onReceipt: () => {},
    onPeer: () => {},
    onProblem: (error) => assert.fail(error.message),
  });
}

test("reliable: a receiver that said good-bye is forgotten by the transport too", () => {
  const links = senderLinks();
  let isClosed = false;
  const peer: LinkPeer = { address: "x", send: () => {}, close: () => (isClosed = true) };
  const hear = (message: LinkMessageInput) =>
    links.onMessage(peer, [Buffer.from(encodeLinkMessage(message))]);
  const credit = { prefetch: 1, prefetchBytesMax: 1_000 };
  const hello = { receiver: "0".repeat(32), codec: "raw", ...credit, messageBytesMax: 1_000 };
  hear({ type: "hello", session: 7, text: JSON.stringify(hello) });
  hear({ type: "claim", session: 7, word: 0, ranges: [] });
  assert.deepEqual([links.peers, isClosed], [1, false]);
  hear({ type: "bye", session: 7 });
  assert.deepEqual([links.peers, isClosed], [0, true]);
  links.close();
});
