import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../../lib/batch/batch.ts";
import { BATCH_HEADER_BYTES } from "../../../../lib/batch/layout.ts";
import type { Welcome } from "../../../../lib/delivery/protocol/handshake.ts";
import { MemoryJournal } from "../../../../lib/journal/index.ts";
import { InFlightMessages } from "../../../../lib/reliable/receiver/sessions/in-flight-messages.ts";
import { InboxStore } from "../../../../lib/reliable/receiver/sessions/inbox-store.ts";
import type { ReceiverSessions } from "../../../../lib/reliable/receiver/sessions/receiver-sessions.ts";
import type {
  ReceiverLink,
  ReceiverStream,
} from "../../../../lib/reliable/receiver/sessions/receiver-stream.ts";
import { ReceiverStreams } from "../../../../lib/reliable/receiver/sessions/receiver-streams.ts";
import { range } from "../../../support/fixtures.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { Random } from "../../../support/random.ts";

const GRACE_MS = 5_000;
const IDLE_MAX = 10;
const RESTING_MAX = 20;
const WAITING_BYTES_MAX = 2_200;
/** Looks at others for each new stream: at those that make room for it, from some sides (count). */
const LOOKS_MAX = 16;
const ONE = { first: 1, last: 1 };

function welcomeOf(index: number): Welcome {
  const stream = index.toString(16).padStart(32, "0");
  const incarnations = [{ epoch: 1, id: "e".repeat(32), seqFirst: 1 }];
  const times = { leaseMs: 1_000, graceMs: GRACE_MS, heartbeatMs: 1_000 };
  return { stream, incarnations, floor: 0, codec: "raw", ...times };
}

/** The streams of a receiver, and its application. */
class Receiver {
  readonly clock = new ManualClock();
  readonly problems: string[] = [];
  readonly inbox: InboxStore | null;
  readonly streams: ReceiverStreams;
  readonly inFlight: InFlightMessages;
  #batches = 0;

  constructor({ hasInbox = false, restingMax = RESTING_MAX } = {}) {
    this.inbox = hasInbox ? new InboxStore(new MemoryJournal(), () => 0) : null;
    const { clock, inbox } = this;
    const onProblem = ({ message }: Error) => this.problems.push(message);
    this.streams = new ReceiverStreams(
      {
        clock,
        hello: { prefetchBytesMax: 1_000, messageBytesMax: 100 },
        inbox,
        onExpired: (stream) => this.inFlight.expired(stream),
        onProblem,
      },
      { idleMax: IDLE_MAX, restingMax },
    );
    this.inFlight = new InFlightMessages({
      sessions: { send: () => {}, sendRanges: () => {} } as unknown as ReceiverSessions,
      streams: this.streams,
      inbox,
      prefetch: 1_000,
      untouched: () => [],
      onWaiting: () => {},
      onRevoked: () => {},
      onProblem,
    });
  }

  /** A session begins. @param links connections that there are (count) */
  open(index: number, links = 0): ReceiverStream {
    const welcome = welcomeOf(index);
    const stream = this.streams.of(welcome, links);
    this.streams.begin(stream, { acks: 0, postponed: 0 } as ReceiverLink, welcome);
    stream.window.step({ type: "opened", floor: 0, incarnations: welcome.incarnations });
    return stream;
  }

  /** A message comes in a batch of its own. */
  data(stream: ReceiverStream, seq: number, bytes = 10): void {
    const batch = {
      number: ++this.#batches,
      bytes: Buffer.alloc(BATCH_HEADER_BYTES + bytes),
    } as unknown as Batch;
    const event = { first: seq, last: seq, attempt: 1, guarded: false, batch };
    stream.window.step({ type: "data", ...event });
    this.inFlight.arrived(stream, { first: seq, last: seq });
  }

  /** A session in which so many bytes come that nobody takes. */
  leave(index: number, ...sizes: readonly number[]): ReceiverStream {
    const stream = this.open(index);
    for (const [at, bytes] of sizes.entries()) this.data(stream, at + 1, bytes);
    this.streams.rest(stream);
    return stream;
  }

  /** A session that ends while the application has its message. */
  hand(index: number): ReceiverStream {
    const stream = this.open(index);
    this.data(stream, 1);
    assert.equal(this.inFlight.next(1)?.stream, stream);
    this.streams.rest(stream);
    return stream;
  }

  /** A session of which it has to be remembered that message 1 is done, where there is no inbox. */
  pass(index: number): ReceiverStream {
    const stream = this.open(index);
    stream.window.step({ type: "done", ...ONE });
    this.streams.rest(stream);
    return stream;
  }

  has(stream: ReceiverStream): boolean {
    return [...this.streams].includes(stream);
  }

  get resting(): ReceiverStream[] {
    return [...this.streams].filter(({ link }) => link === null);
  }

  get count(): number {
    return [...this.streams].length;
  }
}

/** Counts how often any of these streams is looked at. */
function looksAt(streams: Iterable<ReceiverStream>): () => number {
  let looks = 0;
  for (const stream of streams) {
    const { window } = stream;
    const get = () => {
      looks += 1;
      return window;
    };
    Object.defineProperty(stream, "window", { get });
  }
  return () => looks;
}

test("resting streams: however many rest, a new stream has a few of them looked at", () => {
  const restingMax = 400;
  const kinds = {
    "nothing left": [0, 0],
    "a message done": [1, 0],
    "some bytes that wait": [0, 10],
  };
  for (const [name, [done, bytes]] of Object.entries(kinds)) {
    const receiver = new Receiver({ restingMax });
    const pass = (index: number, last: number, size: number) => {
      const stream = receiver.open(index);
      if (last > 0) stream.window.step({ type: "done", first: 1, last });
      if (size > 0) receiver.data(stream, 2, size);
      receiver.streams.rest(stream);
    };
    for (const index of range(restingMax)) pass(index, 1, 5);
    assert.equal(receiver.count, restingMax);
    const looks = looksAt(receiver.streams);
    const streams = 100;
    for (const index of range(streams)) pass(1_000 + index, done!, bytes!);
    const each = looks() / streams;
    assert.ok(each <= LOOKS_MAX, `with ${name}: ${each} looks for each new stream`);
    assert.ok(receiver.count <= restingMax + 1, `${receiver.count} streams`);
  }
});

test("resting streams: one of which nothing is to be remembered any more goes before all others", () => {
  const receiver = new Receiver();
  for (const index of range(RESTING_MAX)) receiver.pass(index);
  const returned = receiver.hand(100);
  receiver.inFlight.release(returned, ONE);
  receiver.open(101);
  assert.ok(!receiver.has(returned));
  assert.deepEqual(receiver.problems, []);
  assert.equal(receiver.count, RESTING_MAX + 1);
});

test("resting streams: of one whose grace is over nothing waits, and it goes before all others", () => {
  const receiver = new Receiver();
  for (const index of range(RESTING_MAX)) receiver.hand(index);
  const expired = receiver.leave(100, 10);
  receiver.clock.advance(GRACE_MS);
  receiver.open(101);
  assert.ok(!receiver.has(expired));
  assert.deepEqual(receiver.problems, []);
});

test("resting streams: one goes before all others when what is done of it is in the inbox", async () => {
  const receiver = new Receiver({ hasInbox: true });
  for (const index of range(RESTING_MAX)) receiver.hand(index);
  const done = receiver.hand(100);
  receiver.inFlight.done(done, 1, 1);
  assert.ok(!done.isRemembered, "not yet");
  await receiver.inFlight.acks.flush([done]);
  receiver.open(101);
  assert.ok(!receiver.has(done));
  assert.deepEqual(receiver.problems, []);
});

test("resting streams: one that has ended is forgotten when its last effect is stored", async () => {
  const receiver = new Receiver({ hasInbox: true });
  const stream = receiver.open(1);
  receiver.data(stream, 1);
  receiver.inFlight.next(1);
  const { historyVersion } = stream.window;
  const effect = { seq: 1, historyVersion, id: "x", effect: Buffer.alloc(1) };
  const stored = receiver.inFlight.acks.doneWith(stream, effect);
  receiver.streams.ended(stream);
  receiver.streams.rest(stream);
  assert.ok(receiver.has(stream), "on its way to the inbox");
  await stored;
  assert.ok(!receiver.has(stream));
});

test("resting streams: one of which something could not be stored since is kept", () => {
  const receiver = new Receiver({ hasInbox: true });
  const kept = receiver.pass(100);
  kept.isRemembered = false;
  for (const index of range(IDLE_MAX + 5)) receiver.pass(index);
  assert.ok(receiver.has(kept));
  assert.ok(receiver.count <= IDLE_MAX + 1, `${receiver.count} streams`);
});

test("resting streams: one that has come back is kept", () => {
  const receiver = new Receiver();
  const back = receiver.pass(100);
  assert.equal(receiver.open(100), back);
  for (const index of range(RESTING_MAX + 5)) receiver.pass(index);
  assert.ok(receiver.has(back));
});

test("resting streams: where all are to be remembered, the one goes that was without a session for longest", () => {
  const receiver = new Receiver();
  const early = receiver.open(100);
  const resting = range(RESTING_MAX).map((index) => receiver.pass(index));
  early.window.step({ type: "done", ...ONE });
  receiver.streams.rest(early);
  receiver.open(101);
  assert.ok(receiver.has(early), "its session ended last");
  assert.ok(!receiver.has(resting[0]!));
  assert.equal(receiver.problems.length, 1);
});

test("resting streams: where many lose their sessions at once, a new one costs one of them its place", () => {
  const receiver = new Receiver();
  const links = RESTING_MAX * 3;
  const streams = range(links).map((index) => receiver.open(index, links));
  for (const stream of streams) stream.window.step({ type: "done", ...ONE });
  for (const stream of streams) receiver.streams.rest(stream);
  receiver.open(101);
  assert.equal(receiver.problems.length, 1);
  assert.equal(receiver.count, links);
});

test("resting streams: what waits of all is bounded, and what waits of the oldest goes first", () => {
  const receiver = new Receiver();
  const [first, second] = [receiver.leave(1, 800), receiver.leave(2, 800)];
  assert.equal(first.window.waitingBytes, 800, "so much may wait");
  const third = receiver.leave(3, 800);
  assert.deepEqual(
    [first, second, third].map(({ window }) => window.waitingBytes),
    [0, 800, 800],
  );
});

test("resting streams: what the application has taken does not count as waiting", () => {
  const receiver = new Receiver();
  const [one, other] = [receiver.leave(1, 300, 300), receiver.leave(2, 1_500)];
  const taken = [receiver.inFlight.next(1), receiver.inFlight.next(1)];
  assert.deepEqual(
    taken.map((next) => next?.stream),
    [one, other],
  );
  const last = receiver.leave(3, 1_500);
  assert.equal(one.window.waitingBytes, 300);
  assert.equal(last.window.waitingBytes, 1_500);
});

/** Whether nothing is to be remembered of a stream, where there is no inbox. */
function isSpare({ link, window }: ReceiverStream): boolean {
  return link === null && window.isIdle && window.doneSize === 0;
}

/** A receiver to which anything happens; what it keeps is compared with a walk over all streams. */
class Played {
  readonly receiver = new Receiver();
  readonly #random: Random;
  readonly #unacked: { readonly stream: ReceiverStream; readonly seq: number }[] = [];
  #new = 1_000;
  #seq = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  step(): void {
    const { receiver } = this;
    const random = this.#random;
    const live = [...receiver.streams].filter(({ link }) => link !== null);
    const one = live[random.below(Math.max(live.length, 1))];
    const kind = random.below(8);
    if (kind <= 1 || one === undefined) this.#open();
    else if (kind === 2) this.#rest(one);
    else if (kind <= 4) receiver.data(one, ++this.#seq, random.below(600));
    else if (kind === 5) this.#take();
    else if (kind === 6) this.#answer();
    else receiver.clock.advance(random.below(GRACE_MS / 4));
    if (live.length > 4) this.#rest(live[0]!);
  }

  #open(): void {
    const { streams, problems } = this.receiver;
    const { resting } = this.receiver;
    const known = resting[this.#random.below(Math.max(resting.length, 1))];
    if (known !== undefined && this.#random.chance(0.3)) {
      assert.equal(this.receiver.open(Number.parseInt(known.id, 16)), known);
      return;
    }
    const [before, told] = [[...streams], problems.length];
    const spares = before.filter(isSpare);
    this.receiver.open(this.#new++);
    const after = new Set(streams);
    const gone = before.filter((stream) => !after.has(stream));
    const over = Math.max(before.length - IDLE_MAX, 0);
    const spared = Math.min(over, spares.length);
    const lost = before.length - spared > RESTING_MAX ? 1 : 0;
    assert.equal(gone.filter((stream) => spares.includes(stream)).length, spared);
    assert.equal(gone.length, spared + lost);
    assert.equal(problems.length - told, lost);
    assert.ok(gone.every(({ link }) => link === null));
  }

  #rest(stream: ReceiverStream): void {
    const waits = () => this.receiver.resting.map(({ window }) => window.waitingBytes);
    const sum = (sizes: readonly number[]) => sizes.reduce((all, bytes) => all + bytes, 0);
    const before = sum(waits()) + stream.window.waitingBytes;
    if (stream.link === null) return;
    this.receiver.streams.rest(stream);
    const after = sum(waits());
    if (before <= WAITING_BYTES_MAX) assert.equal(after, before, "nothing had to go");
    else assert.ok(after <= WAITING_BYTES_MAX, `${after} bytes wait`);
  }

  #take(): void {
    const next = this.receiver.inFlight.next(1);
    if (next !== null) this.#unacked.push({ stream: next.stream, seq: next.item.first });
  }

  #answer(): void {
    const { inFlight } = this.receiver;
    const at = this.#random.below(Math.max(this.#unacked.length, 1));
    const [held] = this.#unacked.splice(at, 1);
    if (held === undefined) return;
    const { stream, seq } = held;
    const range = { first: seq, last: seq };
    const kind = this.#random.below(8);
    if (kind === 0) inFlight.reject(stream, seq, { reason: "x", error: null });
    else if (kind === 1) inFlight.done(stream, seq, seq);
    else if (kind <= 4) inFlight.nack(stream, range, { argument: 0, text: "" });
    else inFlight.release(stream, range);
  }
}

test("resting streams: whatever happens, what is kept is what a walk over all streams would keep", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const played = new Played(new Random(seed));
  try {
    for (let step = 0; step < 4_000; step++) played.step();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
});
