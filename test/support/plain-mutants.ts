import type { Mutant } from "./mutation.ts";

const COUNTER = "plain/topic/subscriber-counter";

/** What keeps subscribers that announce what never comes from delaying the others. */
export const CENSUS_MUTANTS: readonly Mutant[] = [
  {
    rule: "0005",
    name: "what is missing is waited for for ever",
    edits: [[COUNTER, "this.#quietTicks >= QUIET_TICKS", "false"]],
    hunt: [COUNTER, "announces what never comes delays the others"],
  },
  {
    rule: "0005",
    name: "only who does not count is judged",
    edits: [[COUNTER, "[...this.#claiming].filter", "[...this.#incomplete].filter"]],
    hunt: [COUNTER, "counts and then announces what never comes"],
  },
  {
    rule: "0005",
    name: "an announcement is not judged while something comes",
    edits: [[COUNTER, "this.#tick - firstTick >= HOLD_TICKS_MAX", "false"]],
    hunt: [COUNTER, "liars that come without a pause"],
  },
  {
    rule: "0005",
    name: "whoever has waited for long enough counts",
    edits: [[COUNTER, "if (isCovered)", "if (true)"]],
    hunt: [COUNTER, "stops half-way"],
  },
  {
    rule: "0005",
    name: "who is struck off counts with the next prefix",
    edits: [[COUNTER, "owedBy(next) > this.#late", "false"]],
    hunt: [COUNTER, "stops half-way"],
  },
  {
    rule: "0005",
    name: "who is struck off never counts",
    edits: [[COUNTER, "this.#late += 1;", ""]],
    hunt: [COUNTER, "stops half-way"],
  },
  {
    rule: "0005",
    name: "what comes slowly is given up at the same time",
    edits: [[COUNTER, "this.#quietTicks = 0;\n            this.#complete()", "this.#complete()"]],
    hunt: [COUNTER, "topics keep coming"],
  },
  {
    rule: "0005",
    name: "a publisher has no time",
    edits: [["socket/publisher", "this.#censusClock.look();", ""]],
    hunt: ["contract/publisher", "alone in not being ready"],
  },
];
