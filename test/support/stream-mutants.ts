import type { Mutant } from "./mutation.ts";

const RULE = "0064: what a stream has taken is sent, or the stream says that it was not";

/** A stream forgets what it owes to those who write to it. */
export const STREAM_MUTANTS: readonly Mutant[] = [
  {
    rule: RULE,
    name: "it finishes without draining",
    edits: [
      ["core/writable", 'target.level === "queued" ? target.drain(gone.signal) : null', "null"],
    ],
    hunt: ["contract/writable", "when everything is with ZeroMQ (inproc)"],
  },
  {
    rule: RULE,
    name: "destroyed, it leaves behind what waits for room",
    edits: [["core/writable", "gone.abort();", ""]],
    hunt: ["contract/writable", "it takes back what waits for room"],
  },
  {
    rule: RULE,
    name: "what is behind a refused message is sent",
    edits: [["core/writable", 'target.level === "queued" ? inTurn : together', "together"]],
    hunt: ["contract/writable", "none behind it is sent"],
  },
  {
    rule: RULE,
    name: "the end of the socket is not the stream's",
    edits: [["core/writable", "stream.destroy(isIdle ? undefined : closedError());", ""]],
    hunt: ["contract/writable", "a socket that closes ends it"],
  },
  {
    rule: RULE,
    name: "messages with a journal are sent one by one",
    edits: [["core/writable", 'target.level === "queued" ? inTurn : together', "inTurn"]],
    hunt: ["contract/writable", "and shares syncs"],
  },
];
