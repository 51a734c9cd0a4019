import type { Mutant } from "./mutation.ts";

const RESTORED = "socket/restored-backlog";
const OUTBOUND = "reliable/outbound/durable-outbound";
const SIZE = "reliable/outbound/backlog-size";
const STEPS = "reliable/sender/dispatch-steps";

/** What makes the bytes of a backlog those of what is not processed, each with the test that must miss it. */
export const BACKLOG_MUTANTS: readonly Mutant[] = [
  {
    rule: "0050",
    name: "a restart counts what is processed",
    edits: [[OUTBOUND, "bytes: bytesOf(journal, left)", "bytes: journal.stats().bytesKept"]],
    hunt: [RESTORED, "its bytes are those of what is not processed"],
  },
  {
    rule: "0050",
    name: "a segment counts as a whole",
    edits: [["journal/file/file-journal", "bytesFrom(seqFirst, this.#log)", "bytesKept"]],
    hunt: [RESTORED, "its bytes are those of what is not processed"],
  },
  {
    rule: "0050",
    name: "what is read is still guessed",
    edits: [[STEPS, "outbound.read(batch, batch.bytes);", ""]],
    hunt: [RESTORED, "small messages behind large ones"],
  },
  {
    rule: "0050",
    name: "who waits is not told what is read",
    edits: [[OUTBOUND, "!this.#isFull && this.#admission.waiting > 0", "false"]],
    hunt: [RESTORED, "small messages behind large ones"],
  },
  {
    rule: "0050",
    name: "what is not read yet is taken for all that there can be",
    edits: [[SIZE, "Math.min(bytes, ", "Math.max(bytes, "]],
    hunt: [RESTORED, "dropOldest drops nothing"],
  },
  {
    rule: "0050",
    name: "messages are dropped before it is known what they take",
    edits: [
      [STEPS, "outbound.read(batch, batch.bytes);", ""],
      [
        STEPS,
        'this.step({ type: "fed", ...batch });',
        'this.step({ type: "fed", ...batch }); outbound.read(batch, batch.bytes);',
      ],
    ],
    hunt: [RESTORED, "dropOldest drops nothing"],
  },
  {
    rule: "0050",
    name: "what was left is freed as a whole",
    edits: [[SIZE, "floor >= this.#unread.first", "floor >= this.#unread.last"]],
    hunt: ["reliable/outbound/backlog-size", "message by message"],
  },
  {
    rule: "0050",
    name: "who waits is not told that nothing was sent anew",
    edits: [[OUTBOUND, "finally {\n            this.#admit();", "finally {"]],
    hunt: [RESTORED, "could not be sent anew"],
  },
];
