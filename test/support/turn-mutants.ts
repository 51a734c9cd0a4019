import type { Mutant } from "./mutation.ts";

const RULE = "0049: who computes between messages lets the event loop turn";

/** Nobody else gets a turn before all that is there is done. */
export const TURN_MUTANTS: readonly Mutant[] = [
  {
    rule: RULE,
    name: "the values of a batch are delivered in one go",
    edits: [["reliable/receiver/next-messages", "this.#turns.isOverForNext()", "false"]],
    hunt: ["contract/reliable-turns", "the event loop turns: for await"],
  },
  {
    rule: RULE,
    name: "one batch is delivered behind another",
    edits: [
      ["reliable/receiver/next-messages", "this.#turns.isOverForNext()", "false"],
      ["reliable/receiver/next-messages", "this.#turns.isOver()", "false"],
    ],
    hunt: ["contract/reliable-turns", "between arrays that take long"],
  },
  {
    rule: RULE,
    name: "all who wait are served in one go",
    edits: [["reliable/receiver/next-messages", "this.#closed || !isServed", "true"]],
    hunt: ["contract/reliable-turns", "run, more at a time than there are messages"],
  },
];
