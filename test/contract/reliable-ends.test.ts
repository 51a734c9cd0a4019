import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { raw } from "../../lib/codec/raw.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import {
  ARGUMENT_GO,
  decodeLinkMessage,
  encodeLinkMessage,
  LINK_FLAG,
  type LinkMessage,
  type LinkMessageInput,
} from "../../lib/delivery/protocol/link-message.ts";
import type { SeqRange } from "../../lib/delivery/range/range.ts";
import { decodeRemembered, InboxSlots } from "../../lib/delivery/saved/inbox-slots.ts";
import { Pull, Push } from "../../lib/index.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import type { ChannelOptions } from "../../lib/transport/channel.ts";
import type { LinkPeer } from "../../lib/transport/link-peer.ts";
import { changed } from "../support/changed.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually, turn } from "../support/eventually.ts";
import { gate, open, range } from "../support/fixtures.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Of each stream that an inbox remembers, how many ranges of done messages beside the floor. */
function remembered(inbox: Journal): number[] {
  return [...InboxSlots.names()].flatMap((name) => {
    const value = inbox.get(name);
    return value === null ? [] : [decodeRemembered(value)!.state.done.length];
  });
}

eachTransport("ends: of journal senders that came once an inbox keeps floors", async (t, wire) => {
  const inbox = new MemoryJournal();
  const receiver = open(t, new Pull<number>({ inbox }));
  const address = await receiver.bind(wire.address());
  void receiver.run(() => {});
  for (const value of range(5)) {
    const sender = open(t, new Push<number>({ journal: new MemoryJournal() }));
    sender.connect(address);
    await sender.send(value, { confirm: "processed" });
    await sender.close();
  }
  await eventually(() => assert.equal(receiver.stats().peers, 0));
  await inbox.sync();
  assert.deepEqual(remembered(inbox), [0, 0, 0, 0, 0]);
});

eachTransport("ends: so it does where the sender is the side that binds", async (t, wire) => {
  const inbox = new MemoryJournal();
  const sender = open(t, new Push<number>({ journal: new MemoryJournal() }));
  const receiver = open(t, new Pull<number>({ inbox }));
  await wire.join(sender, receiver);
  void receiver.run(() => {});
  await sender.send(1, { confirm: "processed" });
  await sender.close();
  await eventually(() => assert.equal(receiver.stats().peers, 0));
  await inbox.sync();
  assert.deepEqual(remembered(inbox), [0]);
});

/** A receiver of which a test says what it says, and hears what it hears. */
class Met implements LinkPeer {
  readonly isShared = false;
  name: string | null = null;
  readonly address = "test";
  readonly heard: LinkMessage[] = [];
  readonly #links: ReliableSender<Uint8Array>["links"];

  constructor({ links }: ReliableSender<Uint8Array>, name: string) {
    this.#links = links;
    const credit = { prefetch: 10, prefetchBytesMax: 2 ** 20, messageBytesMax: 2 ** 24 };
    const hello = { receiver: name.repeat(32), codec: "raw", ...credit };
    this.say({ type: "hello", text: JSON.stringify(hello) });
    this.say({ type: "claim" });
  }

  say(message: Omit<LinkMessageInput, "session">): void {
    this.#links.onMessage(this, [encodeLinkMessage({ ...message, session: 1 })]);
  }

  gone(): void {
    this.#links.onGone(this);
  }

  send(parts: readonly Uint8Array[]): void {
    this.heard.push(decodeLinkMessage(parts[0]!) as LinkMessage);
  }

  readonly isFull = false;
  onRoom(): void {}
  close(): void {}
  forget(): void {}

  all(type: LinkMessage["type"]): LinkMessage[] {
    return this.heard.filter((message) => message.type === type);
  }
}

function senderOf(
  t: TestContext,
  clock = new ManualClock(),
  journal: Journal = new MemoryJournal(),
): ReliableSender<Uint8Array> {
  const ignore = (): void => {};
  const sender = new ReliableSender<Uint8Array>(
    {
      common: { ...COMMON_DEFAULTS, heartbeatMs: 0 },
      codec: raw(),
      schema: null,
      rules: { ...RELIABLE_SEND_DEFAULTS, journal, graceMs: 0 },
      onPeer: ignore,
      onDiverged: ignore,
      onDead: ignore,
      onDropped: ignore,
      onLost: ignore,
      onError: (error) => assert.fail(error),
    },
    { clock, random: () => 0.5, session: () => 1, id: () => "cd".repeat(16) },
  );
  t.after(() => sender.links.abandon());
  return sender;
}

/** A socket that is bound nowhere, and connected to nothing. */
const NO_NETWORK: ChannelOptions = {
  settings: { lingerMs: 0, heartbeatMs: 0, frameBytesMax: 1_000, peerFramesMax: 1, name: null },
  security: null,
  gate: false,
  gateLimits: { partsMax: 1, messageBytesMax: 1_000, topicBytesMax: 0, connectionsMax: 1 },
  listener: { onPeer: () => {}, onProblem: () => {}, onUnguarded: () => {} },
};
const ONE: readonly SeqRange[] = [{ first: 1, last: 1 }];

test("ends: who had nothing to do with the last acks hears the floor before the close, too", async (t) => {
  const sender = senderOf(t);
  const worker = new Met(sender, "a");
  void sender.send(Buffer.from("one"), null, undefined);
  await eventually(() => assert.equal(worker.all("data").length, 1));
  const other = new Met(sender, "b");
  await eventually(() => assert.equal(other.all("progress").length, 1));
  worker.say({ type: "ack", number: 2, ranges: ONE });
  sender.links.close();
  await sender.links.stateStore.end();
  sender.links.leave();
  const [progress, close] = other.heard.slice(-2);
  assert.deepEqual([progress?.type, close?.type], ["progress", "close"]);
  assert.deepEqual(
    progress?.ranges.map(({ first, last }) => [first, last]),
    [[1, 1]],
  );
});

test("ends: nothing is let go by a sender that ends, since it saves that nothing is begun", async (t) => {
  const clock = new ManualClock();
  const sender = senderOf(t, clock);
  const first = new Met(sender, "a");
  void sender.send(Buffer.from("suspect"), null, undefined);
  await eventually(() => assert.equal(first.all("data").length, 1));
  first.say({ type: "begun", ranges: ONE });
  first.gone();
  const met = async (): Promise<Met> => {
    const next = new Met(sender, "b");
    await eventually(() => {
      clock.advance(10);
      assert.equal(next.all("data")[0]?.flags, LINK_FLAG.guarded);
    });
    next.say({ type: "begun", argument: ARGUMENT_GO, ranges: ONE });
    return next;
  };
  // The control: one that does not end lets it go.
  const second = await met();
  await eventually(() => assert.equal(second.all("go").length, 1));
  second.gone();
  const third = await met();
  sender.links.close();
  await sender.links.stateStore.end();
  sender.links.leave();
  assert.deepEqual([third.all("go").length, third.heard.at(-1)?.type], [0, "close"]);
});

test("ends: a disk that does not answer keeps no receiver from hearing the close", async (t) => {
  const memory = new MemoryJournal();
  const answer = gate();
  let stands = false;
  const journal = changed(memory, {
    set: (values) =>
      stands
        ? (answer.promise.then(() => memory.set(values)) as unknown as Appended)
        : memory.set(values),
  });
  const clock = new ManualClock();
  const sender = senderOf(t, clock, journal);
  const receiver = new Met(sender, "a");
  void sender.send(Buffer.from("one"), null, undefined);
  await eventually(() => assert.equal(receiver.all("data").length, 1));
  stands = true;
  receiver.say({ type: "ack", number: 2, ranges: ONE });
  const closed = sender.open(NO_NETWORK).close();
  await turn();
  assert.equal(receiver.all("close").length, 0, "not before its disk had time");
  clock.advance(COMMON_DEFAULTS.lingerMs);
  await turn();
  assert.equal(receiver.heard.at(-1)?.type, "close");
  answer.open();
  await closed;
});
