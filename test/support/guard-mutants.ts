import type { Mutant } from "./mutation.ts";

const RULE = "0048: what may have killed a receiver is begun alone";
const GUARD = "reliable/receiver/sessions/guard";
const DISPATCHER = "delivery/dispatch/dispatcher";

/** A harmless message is blamed for what another did, or others wait for ever. */
export const GUARD_MUTANTS: readonly Mutant[] = [
  {
    rule: RULE,
    name: "a sender is asked while it owes an answer",
    edits: [[GUARD, "stream.asksFor !== null", "false"]],
    hunt: ["reliable/receiver/sessions/guard", "a sender is asked one thing at a time"],
  },
  {
    rule: RULE,
    name: "others are begun between the question and the go",
    edits: [[GUARD, "return stream !== asked.stream", "return false"]],
    hunt: ["reliable/receiver/sessions/guard", "from the question whether a message may be begun"],
  },
  {
    rule: RULE,
    name: "what was asked for is begun for its sender though others are",
    edits: [[DISPATCHER, "this.#keepBegun(link, begun)", "void 0"]],
    hunt: ["delivery/dispatch/dispatcher", "who asks has nothing else unacked"],
  },
  {
    rule: RULE,
    name: "what was asked for is not taken back",
    edits: [
      [
        GUARD,
        "this.#leaving = { stream: asked.stream, link: null, isSent: true, isAsked: false };",
        "",
      ],
    ],
    hunt: ["reliable/receiver/sessions/guard", "is taken back before anything else is begun"],
  },
  {
    rule: RULE,
    name: "a sender that has ended its stream is waited for",
    edits: [[GUARD, "this.#forgetGone();", ""]],
    hunt: ["reliable/receiver/sessions/guard", "holds back nobody"],
  },
  {
    rule: RULE,
    name: "an attempt beside others is the last",
    edits: [["delivery/dispatch/settlement", "isCrash ? without([...begun], alone) : []", "[]"]],
    hunt: ["delivery/dispatch/dispatcher", "is made once more, alone"],
  },
];
