import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeLinkMessage,
  type LinkMessageInput,
  REFUSED,
} from "../../../lib/delivery/protocol/link-message.ts";
import type { BrokerlessError } from "../../../lib/errors.ts";
import { Refusals, readLinkMessage } from "../../../lib/reliable/link/refusals.ts";
import type { LinkPeer } from "../../../lib/transport/link-peer.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const PEER = { address: "tcp://a:1", name: null } as LinkPeer;

/** The refusals of a receiver, what it says and what it tells. */
function setUp() {
  const said: LinkMessageInput[] = [];
  const told: BrokerlessError[] = [];
  const refusals = new Refusals({
    clock: new ManualClock(),
    peers: "sender",
    sendTo: (_, message) => said.push(message),
    onProblem: (error) => told.push(error),
  });
  return { refusals, said, told };
}

function frame(message: LinkMessageInput): Buffer {
  return Buffer.from(encodeLinkMessage(message));
}

test("refusals: a peer hears why as often as it may, and this side each time", () => {
  const { refusals, said, told } = setUp();
  for (let tries = 0; tries < 100; tries++) refusals.refuse(PEER, 7, "no");
  assert.deepEqual(said[0], { type: "refuse", session: 7, text: "no" });
  assert.ok(said.length < 100, `${said.length} answers to one peer at once`);
  assert.equal(told.length, 100);
  assert.equal(told[0]!.code, "BROKERLESS_PROTOCOL");
});

test("refusals: of two of which there is one, each side hears which of its files may be a copy", () => {
  const { refusals, said, told } = setUp();
  refusals.refuseRival(PEER, 7, "two of them");
  assert.equal(said[0]!.argument, REFUSED.rival);
  const refusal = readLinkMessage([frame(said[0]!)], 1);
  assert.ok(typeof refusal !== "string");
  assert.equal(refusals.refused(PEER, refusal), true);
  const codes = told.map(({ code }) => code);
  assert.deepEqual(codes, ["BROKERLESS_LOCKED", "BROKERLESS_LOCKED"]);
  assert.match(told[0]!.message, /the other's journal/);
  assert.match(told[1]!.message, /the other's inbox/);
});

test("refusals: a message of another shape is no message of the link", () => {
  const good = frame({ type: "close", session: 1 });
  assert.equal(typeof readLinkMessage([good], 1), "object");
  assert.match(readLinkMessage([], 1) as string, /0 frames/);
  assert.match(readLinkMessage([good, good], 1) as string, /2 frames/);
  assert.match(readLinkMessage([Buffer.from("x")], 1) as string, /link protocol/);
});
