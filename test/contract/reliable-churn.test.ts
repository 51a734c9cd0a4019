import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeLinkMessage,
  type LinkMessageInput,
} from "../../lib/delivery/protocol/link-message.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/reliable/reliable-options.ts";
import { readState } from "../../lib/reliable/saved-values.ts";
import { DispatchDriver } from "../../lib/reliable/sender/dispatch-driver.ts";
import { FREEING } from "../../lib/reliable/sender/saved/dead-letter-compactor.ts";
import { restoreDispatcher } from "../../lib/reliable/sender/saved/restored-state.ts";
import { SenderIncarnations } from "../../lib/reliable/sender-incarnations.ts";
import type { LinkPeer } from "../../lib/transport/link-peer.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

function senderLinks(
  onProblem: (error: Error) => void = (error) => assert.fail(error.message),
  journal = new MemoryJournal(),
  clock = new ManualClock(),
): DispatchDriver {
  const incarnations = new SenderIncarnations(journal, "e".repeat(32));
  const rules = RELIABLE_SEND_DEFAULTS;
  const ports = { rules, clock, random: () => 0.5 };
  return new DispatchDriver({
    journal,
    incarnations,
    isTransient: true,
    clock,
    dispatcher: restoreDispatcher(journal, 1, ports).dispatcher,
    rules,
    codec: "raw",
    formerCodec: { takes: () => true, checked: () => {} },
    messageBytesMax: 1_000,
    cacheBytesMax: 1_000,
    heartbeatMs: 0,
    name: null,
    freeing: FREEING,
    onDroppable: null,
    outbound: {
      waitsForDelivered: false,
      flush: () => {},
      delivered: () => {},
      read: () => {},
      saveIds: () => {},
    },
    onSettled: () => {},
    onPeer: () => {},
    onDiverged: () => {},
    onProblem,
  });
}

/** What a sender thinks of a peer that speaks to it. */
function meet(links: DispatchDriver) {
  const state = { isClosed: false, isForgotten: false, dataCount: 0 };
  const peer: LinkPeer = {
    address: "x",
    name: null,
    send: (parts) => {
      if (parts.length > 1) state.dataCount += 1;
    },
    close: () => {
      state.isClosed = true;
    },
    isFull: false,
    isShared: false,
    onRoom: () => {},
    forget: () => {
      state.isForgotten = true;
    },
  };
  const hear = (message: LinkMessageInput) =>
    links.onMessage(peer, [Buffer.from(encodeLinkMessage(message))]);
  /** It joins as a receiver, as far as it is let. */
  const join = (session: number, receiver: string) => {
    hear({ type: "hello", session, text: JSON.stringify({ ...HELLO, receiver }) });
    hear({ type: "claim", session, argument: 0, ranges: [] });
  };
  return { state, peer, hear, join };
}

const CREDIT = { prefetch: 1, prefetchBytesMax: 1_000 };
/** What is to be saved soon is saved within this time (milliseconds). */
const SAVED_MS = 100;
const HELLO = { receiver: "0".repeat(32), codec: "raw", ...CREDIT, messageBytesMax: 1_000 };

test("reliable: a receiver that closed its session is forgotten by the transport too", () => {
  const links = senderLinks();
  const { state, hear } = meet(links);
  hear({ type: "hello", session: 7, text: JSON.stringify(HELLO) });
  hear({ type: "claim", session: 7, argument: 0, ranges: [] });
  assert.deepEqual([links.peers, state.isClosed], [1, false]);
  hear({ type: "close", session: 7 });
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

test("reliable: a connection that goes on under another receiver id gives back at once what it held", async () => {
  const journal = new MemoryJournal();
  const links = senderLinks(undefined, journal);
  await journal.append([Buffer.from("x")]);
  links.backlog.fill();
  const [one, other] = [meet(links), meet(links)];
  one.join(7, "1".repeat(32));
  await eventually(() => assert.equal(one.state.dataCount, 1));
  other.join(8, "2".repeat(32));
  one.join(9, "3".repeat(32));
  // The clock stands still: no grace has passed.
  await eventually(() => assert.equal(other.state.dataCount, 1));
  links.close();
});

test("reliable: a connection that keeps its receiver id gets its grace", async () => {
  const journal = new MemoryJournal();
  const clock = new ManualClock();
  const links = senderLinks(undefined, journal, clock);
  await journal.append([Buffer.from("x")]);
  links.backlog.fill();
  const one = meet(links);
  one.join(7, "1".repeat(32));
  await eventually(() => assert.equal(one.state.dataCount, 1));
  one.hear({
    type: "hello",
    session: 9,
    text: JSON.stringify({ ...HELLO, receiver: "1".repeat(32) }),
  });
  assert.equal(links.dispatcher.deadlineMs, clock.nowMs() + RELIABLE_SEND_DEFAULTS.graceMs);
  links.close();
});

test("reliable: a flood of sessions on one connection leaves none that gets messages", () => {
  const links = senderLinks();
  const { join } = meet(links);
  for (let session = 1; session <= 1_000; session++) {
    join(session, session.toString(16).padStart(32, "0"));
    assert.ok(links.peers <= 1);
  }
  assert.equal(links.peers, 0);
  links.close();
});

/** Whom a sender that starts now would wait for. */
async function assertAwaited(journal: MemoryJournal, receivers: readonly string[]): Promise<void> {
  await eventually(() => assert.deepEqual(readState(journal)?.receivers, receivers));
}

const [ONE, OTHER] = ["1".repeat(32), "2".repeat(32)];

test("reliable: a restart does not wait for a receiver that has gone and held nothing", async () => {
  const journal = new MemoryJournal();
  const clock = new ManualClock();
  const links = senderLinks(undefined, journal, clock);
  const [one, other] = [meet(links), meet(links)];
  one.join(7, ONE);
  other.join(8, OTHER);
  await assertAwaited(journal, [ONE, OTHER]);
  links.onGone(one.peer);
  clock.advance(SAVED_MS);
  await assertAwaited(journal, [OTHER]);
  links.abandon();
});

test("reliable: a restart does not wait for a receiver whose grace has ended, though nobody else is there", async () => {
  const journal = new MemoryJournal();
  const clock = new ManualClock();
  const links = senderLinks(undefined, journal, clock);
  await journal.append([Buffer.from("x")]);
  links.backlog.fill();
  const one = meet(links);
  one.join(7, ONE);
  await eventually(() => assert.equal(one.state.dataCount, 1));
  await assertAwaited(journal, [ONE]);
  links.onGone(one.peer);
  clock.advance(RELIABLE_SEND_DEFAULTS.graceMs);
  clock.advance(SAVED_MS);
  await assertAwaited(journal, []);
  links.abandon();
  const again = senderLinks(undefined, journal, clock);
  again.backlog.fill();
  const other = meet(again);
  other.join(8, OTHER);
  // The clock stands still: no grace has passed.
  await eventually(() => assert.equal(other.state.dataCount, 1));
  again.abandon();
});

test("reliable: a receiver that was waited for in vain after a restart is not waited for after the next", async () => {
  const journal = new MemoryJournal();
  const clock = new ManualClock();
  const links = senderLinks(undefined, journal, clock);
  meet(links).join(7, ONE);
  await assertAwaited(journal, [ONE]);
  links.abandon();
  const again = senderLinks(undefined, journal, clock);
  clock.advance(RELIABLE_SEND_DEFAULTS.graceMs);
  clock.advance(SAVED_MS);
  await assertAwaited(journal, []);
  again.abandon();
});
