import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Batch } from "../../lib/batch/batch.ts";
import { raw } from "../../lib/codec/raw.ts";
import { ErrorEvents } from "../../lib/core/events/error-events.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  type LinkMessage,
  type LinkMessageInput,
} from "../../lib/delivery/protocol/link-message.ts";
import { BrokerlessError } from "../../lib/errors.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import {
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_SEND_DEFAULTS,
} from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import { SENDS_PER_TURN } from "../../lib/reliable/sender/transmitter.ts";
import type { LinkPeer } from "../../lib/transport/link-peer.ts";
import { eventually } from "../support/eventually.ts";
import { range } from "../support/fixtures.ts";
import { ManualClock } from "../support/manual-clock.ts";

const WHOLE = Number.MAX_SAFE_INTEGER;
const HELLO = {
  receiver: "ab".repeat(16),
  codec: "raw",
  prefetch: 10,
  prefetchBytesMax: 1_000,
  messageBytesMax: WHOLE,
};
/** What a connection is answered at once, and per second, at most (count). */
const [BURST, PER_SECOND] = [32, 10];

/** The other end of a connection: what was said to it. */
class Ear implements LinkPeer {
  readonly isShared = false;
  readonly address = "test";
  name: string | null = null;
  readonly heard: LinkMessage[] = [];
  dataBytes = 0;
  /** Messages in all data (count). */
  messages = 0;
  /** Data that it has not read (bytes); it reads nothing where it is slow. */
  unreadBytes = 0;
  isSlow = false;
  #onRoom: (() => void) | null = null;

  get isFull(): boolean {
    return this.unreadBytes > 2 ** 20;
  }

  onRoom(call: () => void): void {
    this.#onRoom = call;
  }

  /** Reads all that it was sent. */
  read(): void {
    this.unreadBytes = 0;
    const call = this.#onRoom;
    this.#onRoom = null;
    call?.();
  }

  send(parts: readonly Uint8Array[]): void {
    this.heard.push(decodeLinkMessage(parts[0]!) as LinkMessage);
    if (parts.length !== 2) return;
    const batch = new Batch(Buffer.from(parts[1]!));
    const bytes = batch.bytes.length;
    this.messages += batch.count;
    this.dataBytes += bytes;
    if (this.isSlow) this.unreadBytes += bytes;
  }

  close(): void {}
  forget(): void {}

  count(type: string): number {
    return this.heard.filter((message) => message.type === type).length;
  }
}

function ports(clock = new ManualClock()) {
  let session = 0;
  return { clock, random: () => 0.5, session: () => ++session, id: () => "cd".repeat(16) };
}

function sender(t: TestContext, queueBytesMax: number = 2 ** 20) {
  const errors: BrokerlessError[] = [];
  const clock = new ManualClock();
  const made = new ReliableSender<Uint8Array>(
    {
      common: { ...COMMON_DEFAULTS, queueBytesMax, heartbeatMs: 0 },
      codec: raw(),
      schema: null,
      rules: { ...RELIABLE_SEND_DEFAULTS, journal: new MemoryJournal() },
      onPeer: () => {},
      onDiverged: () => {},
      onDead: () => {},
      onDropped: () => {},
      onLost: () => {},
      onError: (error) => errors.push(error),
    },
    ports(clock),
  );
  t.after(() => made.links.abandon());
  return { made, clock, errors };
}

function receiver(t: TestContext) {
  const errors: BrokerlessError[] = [];
  const clock = new ManualClock();
  const made = new ReliableReceiver<Uint8Array>(
    {
      common: { ...COMMON_DEFAULTS, heartbeatMs: 0 },
      codec: raw(),
      schema: null,
      rules: { ...RELIABLE_RECEIVE_DEFAULTS, reliable: true },
      onPeer: () => {},
      onDiverged: () => {},
      onRevoked: () => {},
      onRetry: () => {},
      onError: (error) => errors.push(error),
    },
    ports(clock),
  );
  t.after(() => made.links.abandon());
  return { made, clock, errors };
}

const FLOODS: Record<string, (index: number) => Buffer> = {
  "sessions after sessions": (index) => say({ type: "hello", session: index + 1, text: hello() }),
  "hellos that do not fit": (index) => say({ type: "hello", session: index + 1, text: "{}" }),
  "messages of no session": () => say({ type: "ack", session: 77, number: 5 }),
  "messages of no protocol": () => Buffer.from("GET / HTTP/1.1"),
  "data where none is taken": () => say({ type: "offer", session: 0, text: "no JSON" }),
};

function hello(changes: object = {}): string {
  return JSON.stringify({ ...HELLO, ...changes });
}

function say(message: LinkMessageInput): Buffer {
  return encodeLinkMessage(message);
}

for (const [name, flood] of Object.entries(FLOODS)) {
  for (const side of ["sender", "receiver"] as const) {
    test(`links: what a ${side} answers to ${name} is limited per connection`, (t) => {
      const { made, clock } = side === "sender" ? sender(t) : receiver(t);
      const [ear, other] = [new Ear(), new Ear()];
      for (const index of range(2_000)) made.links.onMessage(ear, [flood(index)]);
      assert.ok(ear.heard.length <= BURST, `${ear.heard.length} answers`);
      // The control: it does answer, each connection, and again after a while.
      made.links.onMessage(other, [flood(0)]);
      assert.ok(ear.heard.length > 0 && other.heard.length > 0);
      const before = ear.heard.length;
      clock.advance(1_000);
      for (const index of range(100)) made.links.onMessage(ear, [flood(5_000 + index)]);
      const more = ear.heard.length - before;
      assert.ok(more > 0 && more <= PER_SECOND, `${more} more`);
    });
  }
}

for (const [side, word] of Object.entries({
  sender: { type: "offer", session: 0, text: "{}" },
  receiver: { type: "hello", session: 7, text: "{}" },
} as const)) {
  test(`links: a ${side} that speaks to a ${side} is refused for its role, on both sides`, (t) => {
    const { made, errors } = side === "sender" ? sender(t) : receiver(t);
    const ear = new Ear();
    made.links.onMessage(ear, [say(word)]);
    const text = new RegExp(`both sides are ${side}s, of the same role`);
    assert.deepEqual(
      ear.heard.map(({ type, session }) => ({ type, session })),
      [{ type: "refuse", session: word.session || 1 }],
    );
    assert.match(ear.heard[0]!.text, text);
    assert.match(errors[0]!.message, text);
  });
}

test("links: a sender that refuses each session anew is not asked in a loop", (t) => {
  const { made, clock } = receiver(t);
  const ear = new Ear();
  made.links.onConnect(ear);
  const welcome = {
    stream: "ef".repeat(16),
    ...{ epoch: 1, epochSeqFirst: 1, epochsBefore: [], floor: 0, codec: "raw" },
    ...{ leaseMs: 30_000, graceMs: 3_000, heartbeatMs: 3_000 },
  };
  const refuse = (): void => {
    const { session } = ear.heard.findLast(({ type }) => type === "hello")!;
    made.links.onMessage(ear, [say({ type: "welcome", session, text: JSON.stringify(welcome) })]);
    made.links.onMessage(ear, [say({ type: "refuse", session, text: "no" })]);
  };
  for (const _ of range(1_000)) refuse();
  assert.ok(ear.count("hello") <= BURST + 1, `${ear.count("hello")} hellos`);
  // The control: it asks again by itself.
  const before = ear.count("hello");
  clock.advance(5_000);
  assert.ok(ear.count("hello") > before);
});

for (const [name, credit] of Object.entries({
  "asks for everything": { prefetch: WHOLE, prefetchBytesMax: WHOLE },
  "asks for as much as the sender keeps in memory (control)": {
    prefetch: 1_000_000,
    prefetchBytesMax: 2 ** 20,
  },
})) {
  test(`links: a receiver that ${name} gets what the sender keeps in memory`, async (t) => {
    const { made, clock } = sender(t);
    for (const _ of range(400)) await made.send(Buffer.alloc(20_000), null, { confirm: "queued" });
    await made.drain(undefined);
    const ear = new Ear();
    made.links.onMessage(ear, [say({ type: "hello", session: 7, text: hello(credit) })]);
    made.links.onMessage(ear, [say({ type: "claim", session: 7 })]);
    await eventually(() => {
      clock.advance(20);
      assert.ok(ear.dataBytes > 900_000, `${ear.dataBytes} bytes`);
    });
    for (const _ of range(50)) {
      clock.advance(20);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(ear.dataBytes <= 2 ** 20 + 100_000, `${ear.dataBytes} bytes`);
  });
}

const BACK: Record<string, (session: number, index: number) => Buffer[]> = {
  "gives back untouched": (session) => [
    say({ type: "release", session, ranges: ALL }),
    say({ type: "extend", session, argument: 1_000, ranges: [] }),
  ],
  "fails with": (session) => [say({ type: "nack", session, argument: 0, ranges: ALL })],
  acknowledges: (session, index) => [say({ type: "ack", session, number: index + 2, ranges: ALL })],
  "begins sessions instead of": (session, index) => [
    say({ type: "hello", session: session + index + 1, text: hello(CREDIT) }),
    say({ type: "claim", session: session + index + 1 }),
  ],
};
const ALL = [{ first: 1, last: 1_000_000 }];
const CREDIT = { prefetch: 1_000_000, prefetchBytesMax: 2 ** 30 };

/** What a receiver was sent that reads nothing and says things again and again, and then what it gets when it reads. */
async function sentUnread(t: TestContext, words: (index: number) => Buffer[]) {
  const { made, clock } = sender(t, 2 ** 21);
  const turn = async (): Promise<void> => {
    clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const count = 800;
  for (const _ of range(count)) await made.send(Buffer.alloc(20_000), null, { confirm: "queued" });
  await made.drain(undefined);
  const ear = new Ear();
  ear.isSlow = true;
  made.links.onMessage(ear, [say({ type: "hello", session: 7, text: hello(CREDIT) })]);
  made.links.onMessage(ear, [say({ type: "claim", session: 7 })]);
  await eventually(async () => {
    await turn();
    assert.ok(ear.isFull);
  });
  for (const index of range(60)) {
    for (const word of words(index)) made.links.onMessage(ear, [word]);
    await turn();
  }
  const unreadBytes = ear.unreadBytes;
  ear.isSlow = false;
  const before = ear.dataBytes;
  ear.read();
  for (const _ of range(20)) await turn();
  return { unreadBytes, laterBytes: ear.dataBytes - before };
}

for (const [name, words] of Object.entries(BACK)) {
  test(`links: what waits for a receiver that ${name} what it has not read is bounded`, async (t) => {
    const { unreadBytes, laterBytes } = await sentUnread(t, (index) => words(7, index));
    assert.ok(unreadBytes <= 2 ** 21 + 2 ** 20 + 2 ** 17, `${unreadBytes} bytes`);
    // The control: when it reads it gets more.
    assert.ok(laterBytes > 2 ** 20, `${laterBytes} bytes later`);
  });
}

for (const type of ["nack", "release", "left"] as const) {
  test(`links: of thousands of single messages that come back, a turn sends a part (${type})`, async (t) => {
    const { made, clock } = sender(t, 2 ** 24);
    const count = 6_000;
    for (const _ of range(count)) await made.send(Buffer.alloc(10), null, { confirm: "queued" });
    await made.drain(undefined);
    const ear = new Ear();
    const turn = async (): Promise<void> => {
      clock.advance(20);
      await new Promise((resolve) => setImmediate(resolve));
    };
    const join = async (ear: Ear, receiver: string): Promise<void> => {
      const text = hello({ ...CREDIT, receiver, incarnation: receiver });
      made.links.onMessage(ear, [say({ type: "hello", session: 7, text })]);
      made.links.onMessage(ear, [say({ type: "claim", session: 7 })]);
    };
    await join(ear, HELLO.receiver);
    await eventually(async () => {
      await turn();
      assert.equal(ear.messages, count);
    });
    const ranges = range(count / 2).map((index) => ({ first: 2 * index + 1, last: 2 * index + 1 }));
    let other = ear;
    if (type === "left") {
      const acked = ranges.map(({ first }) => ({ first: first + 1, last: first + 1 }));
      made.links.onMessage(ear, [say({ type: "ack", session: 7, number: 2, ranges: acked })]);
      other = new Ear();
      await join(other, "cd".repeat(16));
      await turn();
    }
    const before = other.messages;
    let most = 0;
    const noted = (call: () => void): void => {
      const sent = other.messages;
      call();
      most = Math.max(most, other.messages - sent);
    };
    // What a timer starts is a turn of its own, though this clock calls one behind the other.
    const after = clock.after.bind(clock);
    clock.after = (delayMs, call) => after(delayMs, () => noted(call));
    const says: readonly LinkMessageInput[] =
      type === "left"
        ? [{ type: "close", session: 7 }]
        : [
            { type, session: 7, argument: 0, ranges },
            { type: "extend", session: 7, argument: 1 },
          ];
    for (const word of says) noted(() => made.links.onMessage(ear, [say(word)]));
    await eventually(async () => {
      await turn();
      assert.equal(other.messages - before, count / 2);
    });
    assert.ok(most > 0 && most <= SENDS_PER_TURN, `${most} in a turn`);
  });
}

test("events: of one code the first of a second are told, and then how many more", () => {
  const told: string[] = [];
  const events = new ErrorEvents((error) => told.push(`${error.code} ${error.message}`));
  for (const index of range(1_000)) {
    events.report(new BrokerlessError("BROKERLESS_PROTOCOL", `no ${index}`));
  }
  events.report(new BrokerlessError("BROKERLESS_NO_SPACE", "another code"));
  assert.deepEqual(told.length, 65);
  events.end();
  assert.match(told[65]!, /^BROKERLESS_PROTOCOL 936 more errors .*, the last: no 999$/);
  // The control: few are all told, at once.
  told.length = 0;
  for (const index of range(3)) events.report(new BrokerlessError("BROKERLESS_GAP", `${index}`));
  events.end();
  assert.deepEqual(
    told,
    range(3).map((index) => `BROKERLESS_GAP ${index}`),
  );
});

test("events: texts are cut, and have nothing in them that a terminal obeys, nor their causes", () => {
  const bad = "\u001b[2J\u0007\r\nFATAL: forged\u009b31m\u202e".repeat(100);
  const told: Error[] = [];
  const cause = new SyntaxError(bad);
  const events = new ErrorEvents((error) => told.push(error));
  events.report(new BrokerlessError("BROKERLESS_CODEC", `cannot decode: ${bad}`, { cause }));
  events.end();
  for (const error of [told[0]!, told[0]!.cause as Error]) {
    assert.ok(error.message.length <= 6_000);
    assert.doesNotMatch(error.message, /[\p{Cc}\p{Cf}]/u);
    assert.doesNotMatch(error.stack!.split("\n    at ")[0]!, /[\p{Cc}\p{Cf}]/u);
    assert.match(error.message, /\\u001b\[2J\\u0007/);
  }
});

test("events: what a peer says when it refuses, and in its fields, is cut and clean", (t) => {
  const bad = "\u001b[2J\r\nFATAL".repeat(300);
  for (const side of [sender(t), receiver(t)]) {
    const ear = new Ear();
    side.made.links.onConnect(ear);
    const session = ear.heard.findLast(({ type }) => type === "hello")?.session ?? 5;
    side.made.links.onMessage(ear, [say({ type: "refuse", session, text: bad })]);
    const text = hello({ codec: bad.slice(0, 30), receiver: bad });
    side.made.links.onMessage(ear, [say({ type: "hello", session: 6, text })]);
    assert.ok(side.errors.length >= 1);
    for (const { message } of side.errors) {
      assert.ok(message.length < 1_500, `${message.length} characters`);
      assert.doesNotMatch(message, /[\p{Cc}\p{Cf}]/u);
    }
  }
});
