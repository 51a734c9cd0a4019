import type { Mutant } from "./mutation.ts";

const ROUTES = "plain/routes";
const BATCHER = "batch/batcher";

/** What gives back the memory of peers to whom nothing is sent any more. */
export const ROUTE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0002",
    name: "a turn that is over leaves its slab where it is",
    edits: [[BATCHER, "this.flush();\n        this.#release();", "this.flush();"]],
    hunt: [BATCHER, "holds no memory for more"],
  },
  {
    rule: "0002",
    name: "what has waited for the sink leaves its slab where it is",
    edits: [[BATCHER, "if (!this.#turnOpen)\n            this.#release();", ""]],
    hunt: [BATCHER, "holds no memory for more"],
  },
  {
    rule: "0002",
    name: "a route that is not used is remembered",
    edits: [[ROUTES, "seen.get(route) === settled", "false"]],
    hunt: [ROUTES, "nothing was sent by for a time"],
  },
  {
    rule: "0002",
    name: "a route by which something waits is forgotten",
    edits: [[ROUTES, "route.idle && seen.get(route)", "seen.get(route)"]],
    hunt: [ROUTES, "nothing was sent by for a time"],
  },
  {
    rule: "0002",
    name: "a route that is used is forgotten",
    edits: [[ROUTES, "seen.get(route) === settled", "seen.has(route)"]],
    hunt: [ROUTES, "nothing was sent by for a time"],
  },
  {
    rule: "0002",
    name: "there are as many routes as peers have ever come",
    edits: [[ROUTES, "this.#routes.size >= ROUTES_MAX", "false"]],
    hunt: [ROUTES, "beyond the limit"],
  },
];

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
