import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReceiverLink } from "../../../../lib/reliable/receiver/sessions/receiver-stream.ts";
import { SessionRequests } from "../../../../lib/reliable/receiver/sessions/session-requests.ts";
import type { LinkPeer } from "../../../../lib/transport/link-peer.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const PEER = { address: "tcp://somewhere" } as LinkPeer;
const HELLO = {
  ...{ receiver: "r", incarnation: "i", codec: "raw" },
  ...{ prefetch: 1, prefetchBytesMax: 1, messageBytesMax: 1 },
};

/** What one receiver says and when, in seconds. */
class Asking {
  readonly clock = new ManualClock();
  readonly hellos: string[] = [];
  readonly due: number[] = [];
  readonly link: ReceiverLink = {
    ...{ peer: PEER, session: 0, stream: null, acks: 1, heardMs: 0 },
    ...{ cancelRetry: null, hellos: 0, rivalOf: null, postponed: 0 },
  };
  readonly #beginMs = this.clock.nowMs();
  #sessions = 0;
  readonly requests: SessionRequests = new SessionRequests({
    clock: this.clock,
    session: () => ++this.#sessions,
    hello: HELLO,
    sendTo: (_, { session }) => this.hellos.push(`${session} at ${this.#nowS}`),
    onDue: () => this.due.push(this.#nowS),
  });

  get #nowS(): number {
    return (this.clock.nowMs() - this.#beginMs) / 1_000;
  }
}

test("session requests: a hello is repeated, less and less often, until there is an answer", () => {
  const { clock, hellos, link, requests } = new Asking();
  requests.ask(link);
  clock.advance(8_000);
  assert.deepEqual(hellos, ["1 at 0", "1 at 1", "1 at 3", "1 at 7"]);
  assert.equal(link.acks, 0);
  requests.replied(link);
  clock.advance(100_000);
  assert.equal(hellos.length, 4);
  for (let times = 0; times < 4; times++) requests.ask(link);
  hellos.length = 0;
  clock.advance(60_000);
  assert.deepEqual(hellos, ["5 at 138", "5 at 168"], "half a minute at most");
});

test("session requests: where the other sender's session ends, who was refused for it asks behind its grace", () => {
  const { clock, due, link, requests } = new Asking();
  requests.defer(link, "stream");
  requests.released("another", 2_000, [link]);
  clock.advance(3_000);
  assert.deepEqual(due, []);
  requests.released("stream", 2_000, [link]);
  clock.advance(100_000);
  assert.deepEqual(due, [5]);
  requests.withdraw(link);
  requests.released("stream", 2_000, [link]);
  clock.advance(100_000);
  assert.deepEqual(due, [5], "it asks for something else now");
});

test("session requests: one that can remember nothing asks less and less often", () => {
  const { clock, due, link, requests } = new Asking();
  for (let times = 0; times < 3; times++) {
    requests.postpone(link);
    clock.advance(1_000);
  }
  assert.deepEqual(due, [0.2, 1.4, 2.8]);
});
