import type { Mutant } from "./mutation.ts";

const LETTERS = "reliable/sender/dead-letters";
const UNREADABLE = "contract/unreadable";
const SAVED = "delivery/saved/saved-state";
const FIRSTS = "delivery/attempts/first-attempts";

/** What makes dead letters say why, each with the test that must miss it. */
export const LETTER_MUTANTS: readonly Mutant[] = [
  {
    rule: "0062",
    name: "what a handler throws is not said",
    edits: [
      [
        "reliable/receiver/reliable-inbound",
        "error === undefined ? String(error) : error",
        "undefined",
      ],
    ],
    hunt: [LETTERS, "kept when the sender is killed"],
  },
  {
    rule: "0062",
    name: "what is said of an error is not heard",
    edits: [
      ["delivery/dispatch/retries", "{ reason: FAILED, error }", "{ reason: FAILED, error: null }"],
    ],
    hunt: [LETTERS, "what nack and reject are given"],
  },
  {
    rule: "0062",
    name: "what a receiver says is kept as it is",
    edits: [["delivery/protocol/error-texts", '? peerMessage(message) : ""', '? message : ""']],
    hunt: [LETTERS, "fit for a log"],
  },
  {
    rule: "0062",
    name: "a reason is kept as it is",
    edits: [["delivery/protocol/error-texts", "reason: peerMessage(text)", "reason: text"]],
    hunt: [LETTERS, "fit for a log"],
  },
  {
    rule: "0062",
    name: "an error is cut by the frame",
    edits: [["delivery/protocol/error-texts", "Buffer.byteLength(text) <= TEXT_BYTES_MAX", "true"]],
    hunt: ["delivery/protocol/error-texts", "fits a frame"],
  },
  {
    rule: "0062",
    name: "the code of a system error is said twice",
    edits: [
      [
        "delivery/protocol/error-texts",
        "code === null || message.startsWith(",
        "code === null || message.endsWith(",
      ],
    ],
    hunt: ["delivery/protocol/error-texts", "why a message is dead is one line"],
  },
  {
    rule: "0062",
    name: "the id of a letter is of the newest life",
    edits: [
      [
        "reliable/sender/reliable-sender",
        "this.incarnations.all, seq",
        "this.incarnations.all.slice(-1), seq",
      ],
    ],
    hunt: [LETTERS, "whichever life"],
  },
  {
    rule: "0062",
    name: "who waits for a dead message does not hear why",
    edits: [["reliable/sender/reliable-sender", '(part, "dead", part.value)', '(part, "dead")']],
    hunt: [LETTERS, "hears why"],
  },
  {
    rule: "0062",
    name: "who repeats the id of a dead message does not hear why",
    edits: [["reliable/outbound/appender", "this.#options.deathOf(seq)", "null"]],
    hunt: [LETTERS, "hears why"],
  },
  {
    rule: "0062",
    name: "dead letters of another version are taken for damage",
    edits: [["reliable/saved-values", "if (deadBytes !== null)", "if (false)"]],
    hunt: [LETTERS, "another version"],
  },
  {
    rule: "0062",
    name: "neighbours share a time",
    edits: [["delivery/dispatch/dead-letter-index", "a.timeMs === b.timeMs ||", "true ||"]],
    hunt: [SAVED, "a time of its own"],
  },
  {
    rule: "0062",
    name: "however many there are, each has a time of its own",
    edits: [["delivery/dispatch/dead-letter-index", "this.size >= TIMED_RANGES_MAX", "false"]],
    hunt: [SAVED, "a time of its own"],
  },
  {
    rule: "0062",
    name: "errors are not counted",
    edits: [
      [
        "delivery/dispatch/reasons",
        "if (error === null)\n        return [reason];",
        "return [reason];",
      ],
    ],
    hunt: [SAVED, "errors are cut as reasons are"],
  },
  {
    rule: "0066",
    name: "a later attempt is taken for the first",
    edits: [["delivery/attempts/first-attempts", "if (value.attempt > 1)", "if (false)"]],
    hunt: [LETTERS, "is not made up"],
  },
  {
    rule: "0066",
    name: "what was begun before is begun anew",
    edits: [
      [
        "delivery/dispatch/message-tables",
        "for (const part of parts)\n            this.firsts.begin(part, this.suspects.begunOf(part));",
        "for (const part of parts) { this.firsts.forget(part); this.firsts.begin(part, []); }",
      ],
    ],
    hunt: [FIRSTS, "the first word"],
  },
  {
    rule: "0066",
    name: "an answer in the same turn tells of no attempt",
    edits: [
      [
        "delivery/dispatch/message-tables",
        "this.firsts.begin(part, this.suspects.begunOf(part));\n        this.survived(part);",
        "this.survived(part);",
      ],
    ],
    hunt: [FIRSTS, "in the turn of the dispatch"],
  },
  {
    rule: "0066",
    name: "what is given back untouched was tried",
    edits: [["delivery/dispatch/settlement", "this.#tables.firsts.forget(part);", "{}"]],
    hunt: [FIRSTS, "given back untouched"],
  },
  {
    rule: "0066",
    name: "what is settled is remembered",
    edits: [["delivery/dispatch/message-tables", "this.firsts.forget({ first, last });", ""]],
    hunt: [FIRSTS, "what is settled is forgotten"],
  },
  {
    rule: "0066",
    name: "first attempts are not restored",
    edits: [["delivery/dispatch/message-tables", "of state.firsts)", "of [])"]],
    hunt: [LETTERS, "saw which is killed is known"],
  },
  {
    rule: "0066",
    name: "times take the room of what is settled",
    edits: [["delivery/saved/saved-state", "{ ...whole, firsts: [] }", "whole"]],
    hunt: [SAVED, "the times of first attempts go first"],
  },
  {
    rule: "0066",
    name: "however many there are, each letter has its first attempt",
    edits: [["delivery/dispatch/dead-letter-index", "{ ...death, firstMs: null }", "death"]],
    hunt: [SAVED, "a time of its own"],
  },
  {
    rule: "0066",
    name: "any number of first attempts is noted",
    edits: [["delivery/attempts/first-attempts", "this.#times.size >= RANGES_MAX", "false"]],
    hunt: [FIRSTS, "memory is bounded"],
  },
  {
    rule: "0062",
    name: "a letter that the codec cannot read hides those behind it",
    edits: [
      [
        LETTERS,
        'return { value: undefined, valueError: notDecoded(codec, "message", error), headers };',
        'throw notDecoded(codec, "message", error);',
      ],
    ],
    hunt: [UNREADABLE, "a dead letter that the codec cannot read"],
  },
  {
    rule: "0062",
    name: "a letter that the journal cannot read hides those behind it",
    edits: [[LETTERS, "if (!isDamage(error))", "if (true)"]],
    hunt: [UNREADABLE, "a dead letter that the journal cannot read"],
  },
];
