import type { Mutant } from "./mutation.ts";

const FORMER = "socket/former-codec";
const RULE = "reliable/sender/former-codec";

/** What keeps a sender with another codec from making dead letters of a backlog, each with the test that must miss it. */
export const FORMER_MUTANTS: readonly Mutant[] = [
  {
    rule: "0058",
    name: "what is of another codec is dispatched",
    edits: [[RULE, "!this.#reads(batch.codec)", "false"]],
    hunt: [FORMER, "loses nothing: memory"],
  },
  {
    rule: "0058",
    name: "messages come behind those of another codec at the start",
    edits: [["reliable/outbound/durable-outbound", "this.#isUnread ||", ""]],
    hunt: [FORMER, "loses nothing: file"],
  },
  {
    rule: "0058",
    name: "messages come behind those of another codec later",
    edits: [
      ["reliable/sender/reliable-sender", "this.#out.refuse(error);", "this.#out.checked();"],
    ],
    hunt: [FORMER, "loses nothing: memory"],
  },
  {
    rule: "0058",
    name: "what lies before messages of another codec is kept back too",
    edits: [
      ["reliable/sender/reliable-sender", "this.#dispatcher.floor + 1 >= seq", "this.#dispatcher"],
    ],
    hunt: [FORMER, "what lies before"],
  },
  {
    rule: "0058",
    name: "what is settled stops a sender with another codec",
    edits: [[RULE, "if (!this.#options.isSettled(seq))", "if (true)"]],
    hunt: ["reliable/sender/former-codec", "all is settled is taken"],
  },
  {
    rule: "0058",
    name: "messages wait for a journal that cannot be read",
    edits: [["reliable/sender/backlog", "formerCodec.checked();", "{}"]],
    hunt: [FORMER, "messages do not wait for that"],
  },
];
