import type { Hello, Welcome } from "../../lib/delivery/handshake.ts";
import type { LinkMessageInput } from "../../lib/delivery/link-message.ts";

const STREAM = "00112233445566778899aabbccddeeff";
const RECEIVER = "ffeeddccbbaa99887766554433221100";
const SESSION = 0x0102_0304_0506;

/** What each side says of itself in the examples of docs/wire-format.md. */
export const HELLO: Hello = {
  receiver: RECEIVER,
  codec: "msgpack",
  prefetch: 16_384,
  prefetchBytesMax: 33_554_432,
  messageBytesMax: 16_777_216,
};
export const WELCOME: Welcome = {
  stream: STREAM,
  epoch: 1,
  epochSeqFirst: 1,
  epochsBefore: [],
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
  offer: { type: "offer", session: 0, text: JSON.stringify(WELCOME) },
  hello: { type: "hello", session, text: JSON.stringify(HELLO) },
  welcome: { type: "welcome", session, text: JSON.stringify(WELCOME) },
  "claim: holds 7 and 9 to 10, has done 5 to 6": {
    type: "claim",
    session,
    word: 2,
    ranges: [...one(7), ...one(9, 10), ...one(5, 6)],
  },
  "data: the batch that follows, attempt 1, ack 2 is saved": {
    type: "data",
    session,
    word: 1,
    number: 2,
  },
  "data: attempt 3, a receipt is wanted": { type: "data", session, word: 3, flags: 1 },
  "ack 2: 5 to 8 and 10 are processed": {
    type: "ack",
    session,
    number: 2,
    ranges: [...one(5, 8), ...one(10)],
  },
  "nack: 11 again, after 250 ms": { type: "nack", session, word: 250, ranges: one(11) },
  "nack: 11 again, when the sender likes": {
    type: "nack",
    session,
    word: 0xffff_ffff,
    ranges: one(11),
  },
  'reject: 12 never again, "bad é"': {
    type: "reject",
    session,
    text: "bad é",
    ranges: one(12),
  },
  "release: 13 to 20 untouched": { type: "release", session, ranges: one(13, 20) },
  "extend: 13 for 30 s": { type: "extend", session, word: 30_000, ranges: one(13) },
  "extend: a sign of life": { type: "extend", session },
  "receipt: 21 to 22 are held": { type: "receipt", session, ranges: one(21, 22) },
  "news: ack 2 is saved, all to 10 are settled": {
    type: "news",
    session,
    number: 2,
    ranges: one(1, 10),
  },
  "lost: 13 is no longer yours": { type: "lost", session, ranges: one(13) },
  "gone: 14 will not come again": { type: "gone", session, ranges: one(14) },
  "order: keep it, and wait for 15": { type: "order", session, word: 1, ranges: one(15) },
  bye: { type: "bye", session },
  'refuse: "no"': { type: "refuse", session, text: "no" },
};
