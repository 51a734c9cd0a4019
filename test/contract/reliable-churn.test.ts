import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeLinkMessage,
  type LinkMessageInput,
} from "../../lib/delivery/protocol/link-message.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/reliable/reliable-options.ts";
import { FREEING } from "../../lib/reliable/sender/dead-letter-compactor.ts";
import { DispatchDriver } from "../../lib/reliable/sender/dispatch-driver.ts";
import { restoreDispatcher } from "../../lib/reliable/sender/restored-state.ts";
import { SenderEpochs } from "../../lib/reliable/sender-epochs.ts";
import type { LinkPeer } from "../../lib/transport/link-peer.ts";
import { ManualClock } from "../support/manual-clock.ts";

function senderLinks(
  onProblem: (error: Error) => void = (error) => assert.fail(error.message),
): DispatchDriver {
  const journal = new MemoryJournal();
  const epochs = new SenderEpochs(journal, "e".repeat(32));
  const clock = new ManualClock();
  const rules = RELIABLE_SEND_DEFAULTS;
  const ports = { rules, clock, random: () => 0.5 };
  return new DispatchDriver({
    journal,
    epochs,
    isTransient: true,
    clock,
    dispatcher: restoreDispatcher(journal, 1, ports).dispatcher,
    rules,
    codec: "raw",
    messageBytesMax: 1_000,
    cacheBytesMax: 1_000,
    heartbeatMs: 0,
    name: null,
    freeing: FREEING,
    outbound: { waitsForReceipts: false, flush: () => {}, delivered: () => {} },
    onSettled: () => {},
    onPeer: () => {},
    onDiverged: () => {},
    onProblem,
  });
}

/** What a sender thinks of a peer that speaks to it. */
function meet(links: DispatchDriver) {
  const state = { isClosed: false, isForgotten: false };
  const peer: LinkPeer = {
    address: "x",
    name: null,
    send: () => {},
    close: () => {
      state.isClosed = true;
    },
    forget: () => {
      state.isForgotten = true;
    },
  };
  const hear = (message: LinkMessageInput) =>
    links.onMessage(peer, [Buffer.from(encodeLinkMessage(message))]);
  return { state, peer, hear };
}

const CREDIT = { prefetch: 1, prefetchBytesMax: 1_000 };
const HELLO = { receiver: "0".repeat(32), codec: "raw", ...CREDIT, messageBytesMax: 1_000 };

test("reliable: a receiver that said good-bye is forgotten by the transport too", () => {
  const links = senderLinks();
  const { state, hear } = meet(links);
  hear({ type: "hello", session: 7, text: JSON.stringify(HELLO) });
  hear({ type: "claim", session: 7, word: 0, ranges: [] });
  assert.deepEqual([links.peers, state.isClosed], [1, false]);
  hear({ type: "bye", session: 7 });
  assert.deepEqual([links.peers, state.isClosed], [0, true]);
  links.close();
});

test("reliable: who says what means nothing is answered, and not remembered", () => {
  let refused = 0;
  const links = senderLinks(() => refused++);
  const other = JSON.stringify({ ...HELLO, codec: "msgpack" });
  const ways: ((met: ReturnType<typeof meet>) => void)[] = [
    ({ peer }) => links.onMessage(peer, [Buffer.from("GET / HTTP/1.1")]),
    ({ peer }) => links.onMessage(peer, [Buffer.alloc(40), Buffer.alloc(40)]),
    ({ hear }) => hear({ type: "hello", session: 7, text: "{}" }),
    ({ hear }) => hear({ type: "hello", session: 7, text: other }),
    ({ hear }) => hear({ type: "ack", session: 9, number: 2, ranges: [{ first: 1, last: 1 }] }),
  ];
  for (const [index, way] of ways.entries()) {
    const met = meet(links);
    way(met);
    assert.ok(met.state.isForgotten, `way ${index}`);
  }
  assert.equal(refused, ways.length - 1);
  const good = meet(links);
  good.hear({ type: "hello", session: 7, text: JSON.stringify(HELLO) });
  assert.ok(!good.state.isForgotten);
  links.close();
});
