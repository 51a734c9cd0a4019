import type { Mutant } from "./mutation.ts";

const SAVES = "socket/sender-saves";
/** What a sender begins with. */
const BEFORE = "bytesOf(options.journal, { first: 1, last: options.progress.floor })";
const BOUNDS = "delivery/dispatcher-bounds";

/** The protections of what a sender saves, and of its dead letters, each with the test that must miss it. */
export const SAVING_MUTANTS: readonly Mutant[] = [
  {
    rule: "0046",
    name: "back-offs are not restored",
    edits: [["delivery/dispatch/message-tables", "of state.backOffs)", "of [])"]],
    hunt: [SAVES, "a back-off goes on when its sender is closed in order"],
  },
  {
    rule: "0046",
    name: "what is given back is saved with the next acknowledgement only",
    edits: [["reliable/sender/dispatch-driver", "if (SAVED_SOON.has(event.type))", "if (false)"]],
    hunt: [SAVES, "a back-off goes on when its sender is killed"],
  },
  {
    rule: "0046",
    name: "a state that is too large is not made smaller",
    edits: [["reliable/sender/saved/state-writer", "!this.shrink(error)", "true"]],
    hunt: [SAVES, "with most of the named values taken"],
  },
  {
    rule: "0046",
    name: "a save that failed is not tried again",
    edits: [
      ["reliable/sender/saved/sender-state-store", 'error.code === "BROKERLESS_CLOSED"', "true"],
    ],
    hunt: [SAVES, "less and less often, and is saved in the end (BROKERLESS_TOO_LARGE)"],
  },
  {
    rule: "0046",
    name: "a save that failed is tried again at once",
    edits: [
      ["reliable/sender/saved/sender-state-store", "Math.max(RETRY_MS, this.#retryMs * 2)", "1"],
    ],
    hunt: [SAVES, "less and less often, and is saved in the end (BROKERLESS_NO_SPACE)"],
  },
  {
    rule: "0029",
    name: "what could not be freed counts as freed",
    edits: [
      [
        "reliable/sender/saved/settled-space",
        "if (seqNeeded <= this.#seqFreed)\n            return;",
        "if (seqNeeded <= this.#seqFreed)\n            return;\n        this.#seqFreed = seqNeeded;",
      ],
    ],
    hunt: [SAVES, "what could not be freed is freed later"],
  },
  {
    rule: "0042",
    name: "what the life before has not freed is forgotten",
    edits: [["reliable/sender/saved/settled-space", BEFORE, "0"]],
    hunt: [SAVES, "that is killed again and again frees"],
  },
  {
    rule: "0042",
    name: "the same of one that is closed in order",
    edits: [["reliable/sender/saved/settled-space", BEFORE, "0"]],
    hunt: [SAVES, "that is closed in order again and again frees"],
  },
  {
    rule: "0042",
    name: "what dead letters still hold back counts as freed",
    edits: [
      ["reliable/sender/saved/settled-space", "this.#unfreedBytes * part", "this.#unfreedBytes"],
    ],
    hunt: [SAVES, "freed when they are purged"],
  },
  {
    rule: "0046",
    name: "one receiver's fragments stop all",
    edits: [["delivery/dispatch/assignment", "link.leases.count >= HELD_FEW && ", ""]],
    hunt: [BOUNDS, "gets no more, and all others do"],
  },
  {
    rule: "0046",
    name: "what is dispatched is saved piece by piece",
    edits: [["delivery/dispatch/message-tables", "this.#settled.join(leased)", "leased"]],
    hunt: [BOUNDS, "saved in few ranges"],
  },
  {
    rule: "0046",
    name: "a restart does not tell the settled from what was dispatched",
    edits: [
      [
        "delivery/range/settled-set",
        "return this.#above.gaps(Math.max(first, this.#floor + 1), last);",
        "return [{ first, last }];",
      ],
    ],
    hunt: [BOUNDS, "saved in few ranges"],
  },
  {
    rule: "0041",
    name: "what is settled and not read again yet counts as open",
    edits: [
      [
        "delivery/range/settled-set",
        "return this.#above.gaps(Math.max(first, this.#floor + 1), last);",
        "return this.#above.gaps(first, last);",
      ],
    ],
    hunt: ["delivery/dispatch/dispatcher", "nobody is to wait for what is settled"],
  },
  {
    rule: "0046",
    name: "any number may be in back-off",
    edits: [
      ["delivery/attempts/unheld-messages", "this.#backingOff.size <= TABLE_RANGES_MAX", "true"],
    ],
    hunt: [BOUNDS, "where too many are in back-off"],
  },
  {
    rule: "0046",
    name: "a lease is lengthened as a peer likes",
    edits: [["delivery/dispatch/membership", "Math.min(wishMs, longestMs)", "wishMs"]],
    hunt: [BOUNDS, "by a day at most"],
  },
  {
    rule: "0047",
    name: "few ranges of dead letters",
    edits: [
      [
        "delivery/dispatch/dead-letter-index",
        "DEAD_RANGES_MAX = 16_384",
        "DEAD_RANGES_MAX = 4_096",
      ],
    ],
    hunt: [BOUNDS, "ten thousand dead letters"],
  },
  {
    rule: "0047",
    name: "a lasting state is told each time",
    edits: [["reliable/sender/letter-limit", "if (nowMs < this.#nextReportMs)", "if (false)"]],
    hunt: [SAVES, "told now and then, not for each"],
  },
  {
    rule: "0047",
    name: "what is sent anew is not looked at again",
    edits: [
      [
        "reliable/sender/dead-letters",
        "this.#dead.locationOf(location.seq) !== null)",
        "location !== null)",
      ],
    ],
    hunt: [SAVES, "each has one end"],
  },
  {
    rule: "0047",
    name: "a purge counts what it was asked for",
    edits: [
      [
        "reliable/sender/dead-letters",
        "chosen.flatMap(({ first, last }) => this.#dead.parts(first, last))",
        "chosen",
      ],
    ],
    hunt: [SAVES, "each has one end"],
  },
  {
    rule: "0047",
    name: "a sender that closes hears of its copies no more",
    edits: [["reliable/sender/dispatch-steps", "!OF_JOURNAL.has(event.type)", "true"]],
    hunt: [SAVES, "a close waits for the copies"],
  },
];
