import type { Mutant } from "./mutation.ts";

const RULE =
  "0041: a receiver with too little room gets its turn when something else is the lowest";
const ASSIGNMENT = "delivery/dispatch/assignment";
const TEST = "delivery/dispatch/assignment";

/** A message that may be sent waits for the next word of its receiver. */
export const ASSIGNMENT_MUTANTS: readonly Mutant[] = [
  {
    rule: RULE,
    name: "who had too little room gets no other turn",
    edits: [[ASSIGNMENT, "this.#waiting.add(link);", ""]],
    hunt: [TEST, "a retry is sent when its back-off is over"],
  },
  {
    rule: RULE,
    name: "who had too little room gets no other turn, on the link",
    edits: [[ASSIGNMENT, "this.#waiting.add(link);", ""]],
    hunt: ["reliable/turns", "goes on at the end of each back-off"],
  },
  {
    rule: RULE,
    name: "who has little room gets no retry while its handlers work",
    edits: [[ASSIGNMENT, "this.#waiting.add(link);", ""]],
    hunt: ["reliable/turns", "whatever else takes long"],
  },
  {
    rule: RULE,
    name: "who had no room for a batch is offered no shorter one",
    edits: [[ASSIGNMENT, "last - first < this.#roomMax", "false"]],
    hunt: [TEST, "a batch that fits is sent"],
  },
  {
    rule: RULE,
    name: "who had no room for large messages is offered no smaller ones",
    edits: [[ASSIGNMENT, "value.bytesEach !== declined.bytesEach", "false"]],
    hunt: [TEST, "smaller messages are sent"],
  },
  {
    rule: RULE,
    name: "who waited for the tables is offered nothing when they are short",
    edits: [[ASSIGNMENT, "this.#tables.isFull !== declined.isFull", "false"]],
    hunt: [TEST, "what waits for the tables is sent"],
  },
  {
    rule: RULE,
    name: "who keeps order from now on is offered nothing for that",
    edits: [["delivery/dispatch/membership", "this.offer(roster.get(link));", "void 0;"]],
    hunt: [TEST, "a receiver that keeps order from now on"],
  },
  {
    rule: "0041: of receivers that all hang, the first that speaks is active",
    name: "who speaks does not take over from the one that hangs",
    edits: [["delivery/dispatch/membership", "this.#parts.order.spoke(link)", "false"]],
    hunt: ["delivery/dispatch/dispatcher", "the first that speaks again gets the messages"],
  },
  {
    rule: "0041: who is silent, congested or gone gets nothing",
    name: "who declined messages has a turn though it is silent",
    edits: [
      [
        ASSIGNMENT,
        "this.#waiting.delete(link);\n        this.#willing.delete(link);",
        "this.#willing.delete(link);",
      ],
    ],
    hunt: [TEST, "is offered no others"],
  },
];
