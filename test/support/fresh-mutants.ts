import type { Mutant } from "./mutation.ts";

const KEPT = "plain/fresh/kept-values";
const QUEUE = "plain/fresh/fresh-queue";
const CONTRACT = "contract/fresh";

/** What delivers the newest messages alone, or those that are not too old, and counts the others. */
export const FRESH_MUTANTS: readonly Mutant[] = [
  {
    rule: "0083",
    name: "a replaced value is delivered",
    edits: [[KEPT, "former.value = value;", ""]],
    hunt: [KEPT, "of each topic the newest"],
  },
  {
    rule: "0083",
    name: "replaced values are not counted",
    edits: [[KEPT, "this.#replaced += 1;", ";"]],
    hunt: [
      CONTRACT,
      "only the newest message of each topic is delivered, with its headers, and the others are counted (inproc)",
    ],
  },
  {
    rule: "0083",
    name: "a newer value keeps the time of the one before",
    edits: [[KEPT, "former.sinceMs = nowMs;", ""]],
    hunt: [KEPT, "the time of a topic begins anew"],
  },
  {
    rule: "0083",
    name: "a single value is delivered however old it is",
    edits: [[KEPT, "if (nowMs - kept.sinceMs <= this.#maxAgeMs)", "if (true)"]],
    hunt: [KEPT, "longer than its time"],
  },
  {
    rule: "0083",
    name: "a batch is delivered however old it is",
    edits: [[KEPT, "takeAll(nowMs) {\n        this.expire(nowMs);", "takeAll(nowMs) {"]],
    hunt: [KEPT, "longer than its time"],
  },
  {
    rule: "0083",
    name: "values have no bound",
    edits: [[KEPT, "this.#kept.size >= KEPT_MAX", "false"]],
    hunt: [KEPT, "it is full by the number"],
  },
  {
    rule: "0083",
    name: "bytes have no bound",
    edits: [[KEPT, "this.#bytes >= KEPT_BYTES_MAX", "false"]],
    hunt: [KEPT, "it is full by the number"],
  },
  {
    rule: "0083",
    name: "what was replaced takes room",
    edits: [[KEPT, "this.#bytes -= former.bytes;", ""]],
    hunt: [KEPT, "it is full by the number"],
  },
  {
    rule: "0083",
    name: "a full queue is read on",
    edits: [[QUEUE, "this.#kept.isFull && !this.#isClosed", "false"]],
    hunt: [QUEUE, "beyond the bound nothing is read"],
  },
  {
    rule: "0083",
    name: "a full queue waits for a call, though all of it is too old",
    edits: [[QUEUE, "this.#kept.expire(this.#clock.nowMs());", ""]],
    hunt: [QUEUE, "beyond the bound nothing is read"],
  },
  {
    rule: "0083",
    name: "a queue that has failed is not read any more",
    edits: [
      [
        QUEUE,
        "this.#waiters.join(waiter);\n        void this.#fill();",
        "this.#waiters.join(waiter);",
      ],
    ],
    hunt: [QUEUE, "a failed read rejects"],
  },
  {
    rule: "0083",
    name: "a call that has ended takes a value",
    edits: [[QUEUE, "return () => void this.#waiters.leave(waiter);", "return () => { };"]],
    hunt: [QUEUE, "a call that has ended takes nothing"],
  },
];
