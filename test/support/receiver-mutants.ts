import type { Mutant } from "./mutation.ts";

const RULE =
  "0053: which streams without a session are kept, at a cost that does not grow with them";
const SESSIONS = "reliable/receiver/sessions";
const STREAMS = `${SESSIONS}/receiver-streams`;
const RESTING = `${SESSIONS}/resting-streams`;
const IN_FLIGHT = `${SESSIONS}/in-flight-messages`;
const ACKS = `${SESSIONS}/receiver-acks`;
const TESTS = RESTING;

/** A receiver looks at all streams again and again, keeps too many, or forgets what it needs. */
export const RECEIVER_MUTANTS: readonly Mutant[] = [
  {
    rule: RULE,
    name: "all streams are looked at for a new one",
    edits: [
      [
        STREAMS,
        "const { idleMax, restingMax } = this.#limits;",
        "const { idleMax, restingMax } = this.#limits; for (const one of this) this.#isSpare(one);",
      ],
    ],
    hunt: [TESTS, "however many rest, a new stream has a few of them looked at"],
  },
  {
    rule: RULE,
    name: "all streams are looked at when a session ends",
    edits: [
      [
        STREAMS,
        "while (this.#resting.waitingBytes > this.waitingBytesMax) {",
        "for (const one of this) this.#resting.review(one); while (this.#resting.waitingBytes > this.waitingBytesMax) {",
      ],
    ],
    hunt: [TESTS, "however many rest, a new stream has a few of them looked at"],
  },
  {
    rule: RULE,
    name: "what is given back without a session is not noticed",
    edits: [
      [
        IN_FLIGHT,
        "sessions.sendRanges(stream, message, ranges);\n        streams.review(stream);",
        "sessions.sendRanges(stream, message, ranges);",
      ],
    ],
    hunt: [TESTS, "one of which nothing is to be remembered any more goes before all others"],
  },
  {
    rule: RULE,
    name: "what is taken without a session is not noticed",
    edits: [
      [
        IN_FLIGHT,
        "this.#options.streams.review(stream);\n            return { stream, item };",
        "return { stream, item };",
      ],
    ],
    hunt: [TESTS, "what the application has taken does not count as waiting"],
  },
  {
    rule: RULE,
    name: "the end of a grace is not noticed",
    edits: [
      [STREAMS, "onExpired(stream);\n            this.review(stream);", "onExpired(stream);"],
    ],
    hunt: [TESTS, "of one whose grace is over nothing waits"],
  },
  {
    rule: RULE,
    name: "that all is in the inbox is not noticed",
    edits: [
      [
        ACKS,
        "stream.acking = null;\n            this.#options.streams.review(stream);",
        "stream.acking = null;",
      ],
    ],
    hunt: [TESTS, "one goes before all others when what is done of it is in the inbox"],
  },
  {
    rule: RULE,
    name: "that an effect is stored is not noticed",
    edits: [
      [
        ACKS,
        "this.#storing.delete(stored);\n            this.#options.streams.review(stream);",
        "this.#storing.delete(stored);",
      ],
    ],
    hunt: [TESTS, "one that has ended is forgotten when its last effect is stored"],
  },
  {
    rule: RULE,
    name: "what was spare once is forgotten, whatever has become of it",
    edits: [
      [RESTING, "if (this.#isSpare(stream))\n                return stream;", "return stream;"],
    ],
    hunt: [TESTS, "one of which something could not be stored since is kept"],
  },
  {
    rule: RULE,
    name: "a stream with a session is forgotten",
    edits: [
      [
        STREAMS,
        "this.#resting.delete(stream);\n        stream.link = link;",
        "stream.link = link;",
      ],
    ],
    hunt: [TESTS, "one that has come back is kept"],
  },
  {
    rule: RULE,
    name: "the stream that was made first is forgotten",
    edits: [
      [
        STREAMS,
        "const { oldest } = this.#resting;",
        "const oldest = [...this].find(({ link }) => link === null) ?? null;",
      ],
    ],
    hunt: [TESTS, "the one goes that was without a session for longest"],
  },
  {
    rule: RULE,
    name: "all that are too many are forgotten at once",
    edits: [[STREAMS, "this.#giveUp(oldest);", "this.#giveUp(oldest); this.#forgetIdle(links);"]],
    hunt: [TESTS, "a new one costs one of them its place"],
  },
  {
    rule: RULE,
    name: "all are kept of which something is to be remembered",
    edits: [[STREAMS, "this.#giveUp(oldest);", ""]],
    hunt: [TESTS, "whatever happens, what is kept is what a walk over all streams would keep"],
  },
  {
    rule: RULE,
    name: "all are kept of which nothing is to be remembered",
    edits: [[STREAMS, "if (spare === null)", "if (true)"]],
    hunt: [TESTS, "whatever happens, what is kept is what a walk over all streams would keep"],
  },
  {
    rule: RULE,
    name: "what waits without a session has no bound",
    edits: [
      [STREAMS, "while (this.#resting.waitingBytes > this.waitingBytesMax) {", "while (false) {"],
    ],
    hunt: [TESTS, "what waits of all is bounded"],
  },
  {
    rule: RULE,
    name: "one that is deleted stays the first",
    edits: [[`${SESSIONS}/oldest-first`, "if (this.#first === value)", "if (false)"]],
    hunt: [`${SESSIONS}/oldest-first`, "the first is the one that was added before all others"],
  },
];
