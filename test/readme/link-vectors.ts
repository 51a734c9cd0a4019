import { encodeWelcome, type Hello, type Welcome } from "../../lib/delivery/protocol/handshake.ts";
import type { LinkMessageInput } from "../../lib/delivery/protocol/link-message.ts";

const STREAM = "00112233445566778899aabbccddeeff";
const RECEIVER = "ffeeddccbbaa99887766554433221100";
const SESSION = 0x0102_0304_0506;

/** What each side says of itself in the examples of docs/wire-format.md. */
export const HELLO: Hello = {
  receiver: RECEIVER,
  incarnation: "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
  codec: "msgpack",
  prefetch: 16_384,
  prefetchBytesMax: 33_554_432,
  messageBytesMax: 16_777_216,
};
export const WELCOME: Welcome = {
  stream: STREAM,
  incarnations: [
    { epoch: 1, seqFirst: 1, id: "000102030405060708090a0b0c0d0e0f" },
    { epoch: 2, seqFirst: 3, id: "f0e0d0c0b0a090807060504030201000" },
  ],
  floor: 4,
  codec: "msgpack",
  leaseMs: 30_000,
  graceMs: 3_000,
  heartbeatMs: 3_000,
};

const one = (first: number, last: number = first) => [{ first, last }];
const session = SESSION;

/** The examples of docs/wire-format.md, by the first cell of their rows; one of each type at least. */
export const LINK_VECTORS: Readonly<Record<string, LinkMessageInput>> = {
  offer: { type: "offer", session: 0, text: encodeWelcome(WELCOME) },
  hello: { type: "hello", session, text: JSON.stringify(HELLO) },
  welcome: { type: "welcome", session, text: encodeWelcome(WELCOME) },
  "claim: holds 7 and 9 to 10, has done 5 to 6": {
    type: "claim",
    session,
    argument: 2,
    ranges: [...one(7), ...one(9, 10), ...one(5, 6)],
  },
  "data: the batch that follows, attempt 1, ack 2 is saved": {
    type: "data",
    session,
    argument: 1,
    number: 2,
  },
  "data: attempt 3, a `received` is wanted": { type: "data", session, argument: 3, flags: 1 },
  "data: attempt 2, guarded": { type: "data", session, argument: 2, flags: 2 },
  "data: attempt 1, watched": { type: "data", session, argument: 1, flags: 4 },
  "ack 2: 5 to 8 and 10 are processed": {
    type: "ack",
    session,
    number: 2,
    ranges: [...one(5, 8), ...one(10)],
  },
  "nack: 11 again, after 250 ms": { type: "nack", session, argument: 250, ranges: one(11) },
  "nack: 11 again, when the sender likes": {
    type: "nack",
    session,
    argument: 0xffff_ffff,
    ranges: one(11),
  },
  "nack: 11 again, with the handler's error": {
    type: "nack",
    session,
    argument: 0xffff_ffff,
    text: '{"name":"RangeError","message":"no picture","code":null}',
    ranges: one(11),
  },
  'reject: 12 never again, "bad é"': {
    type: "reject",
    session,
    text: "bad é",
    ranges: one(12),
  },
  "reject: 12 never again, with the handler's error": {
    type: "reject",
    session,
    flags: 1,
    text: '{"reason":"bad","error":{"name":"Error","message":"no","code":"E"}}',
    ranges: one(12),
  },
  "release: 13 to 20 untouched": { type: "release", session, ranges: one(13, 20) },
  "extend: 13 for 30 s": { type: "extend", session, argument: 30_000, ranges: one(13) },
  "extend: a heartbeat": { type: "extend", session },
  "received: 21 to 22 are held": { type: "received", session, ranges: one(21, 22) },
  "progress: ack 2 is saved, all to 10 are settled": {
    type: "progress",
    session,
    number: 2,
    ranges: one(1, 10),
  },
  "revoked: 13 is no longer yours": { type: "revoked", session, ranges: one(13) },
  "settled: 14 will not come again": { type: "settled", session, ranges: one(14) },
  "ordering: keep it, and wait for 15": { type: "ordering", session, argument: 1, ranges: one(15) },
  "diverged: 3 to 4 were other messages": { type: "diverged", session, ranges: one(3, 4) },
  "begun: 13 to 14 are unacked": { type: "begun", session, ranges: one(13, 14) },
  "begun: 13, after a go": { type: "begun", session, argument: 1, ranges: one(13) },
  "go: 13 may be begun": { type: "go", session, ranges: one(13) },
  close: { type: "close", session },
  "close: the stream ends too": { type: "close", session, argument: 1 },
  'refuse: "no"': { type: "refuse", session, text: "no" },
  'refuse: another has it, "no"': { type: "refuse", session, argument: 1, text: "no" },
};
