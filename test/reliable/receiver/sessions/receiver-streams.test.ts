import assert from "node:assert/strict";
import { test } from "node:test";
import type { Welcome } from "../../../../lib/delivery/protocol/handshake.ts";
import type {
  ReceiverLink,
  ReceiverStream,
} from "../../../../lib/reliable/receiver/sessions/receiver-stream.ts";
import { ReceiverStreams } from "../../../../lib/reliable/receiver/sessions/receiver-streams.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const GRACE_MS = 5_000;
const LINK = {} as ReceiverLink;

function welcomeOf(index: number): Welcome {
  const stream = index.toString(16).padStart(32, "0");
  const incarnations = [{ epoch: 1, id: "e".repeat(32), seqFirst: 1 }];
  const times = { leaseMs: 1_000, graceMs: GRACE_MS, heartbeatMs: 1_000 };
  return { stream, incarnations, floor: 0, codec: "raw", ...times };
}

/** The streams of a receiver without an inbox, and what is told of them. */
class Receiver {
  readonly clock = new ManualClock();
  readonly expired: ReceiverStream[] = [];
  readonly problems: string[] = [];
  readonly streams: ReceiverStreams = new ReceiverStreams(
    {
      clock: this.clock,
      hello: { prefetchBytesMax: 1_000, messageBytesMax: 100 },
      inbox: null,
      onExpired: (stream) => this.expired.push(stream),
      onProblem: ({ message }) => this.problems.push(message),
    },
    { idleMax: 10, restingMax: 20 },
  );

  /** A session that begins. */
  open(index: number): ReceiverStream {
    const welcome = welcomeOf(index);
    const stream = this.streams.of(welcome, 0);
    this.streams.begin(stream, LINK, welcome);
    return stream;
  }

  /** A session that begins and ends, and of which the acknowledgement of message 1 may not have arrived. */
  pass(index: number): ReceiverStream {
    const stream = this.open(index);
    stream.window.step({ type: "opened", floor: 0, incarnations: stream.welcome.incarnations });
    stream.window.step({ type: "done", first: 1, last: 1 });
    this.streams.rest(stream);
    return stream;
  }

  get count(): number {
    return [...this.streams].length;
  }
}

test("receiver streams: one that comes back within its grace has not expired, and is the same", () => {
  const receiver = new Receiver();
  const { clock, expired, streams } = receiver;
  const begun = receiver.open(1);
  streams.rest(begun);
  clock.advance(GRACE_MS - 1);
  assert.equal(streams.of(welcomeOf(1), 0), begun);
  streams.begin(begun, LINK, welcomeOf(1));
  clock.advance(GRACE_MS);
  assert.deepEqual(expired, []);
  streams.rest(begun);
  clock.advance(GRACE_MS);
  assert.deepEqual(expired, [begun]);
});

test("receiver streams: one that has ended is forgotten with its session, another is kept", () => {
  const receiver = new Receiver();
  const [ended, other] = [receiver.open(1), receiver.open(2)];
  receiver.streams.ended(ended);
  receiver.streams.rest(ended);
  receiver.streams.rest(other);
  assert.deepEqual([...receiver.streams], [other]);
});

test("receiver streams: those of which nothing is to be remembered are bounded", () => {
  const receiver = new Receiver();
  const live = receiver.open(0);
  for (let index = 1; index < 30; index++) receiver.streams.rest(receiver.open(index));
  assert.ok(receiver.count <= 11, `${receiver.count} streams`);
  assert.ok([...receiver.streams].includes(live), "one that has a session is kept");
  assert.deepEqual(receiver.problems, []);
});

test("receiver streams: at the bound of all, one is forgotten of which something is remembered, and it is told", () => {
  const receiver = new Receiver();
  const oldest = receiver.pass(0);
  for (let index = 1; index < 22; index++) receiver.pass(index);
  assert.equal(receiver.problems.length, 1);
  assert.match(receiver.problems[0]!, new RegExp(`20 streams .* stream ${oldest.id}`));
  assert.ok(![...receiver.streams].includes(oldest));
});
