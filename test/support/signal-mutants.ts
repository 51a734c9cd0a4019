import type { Mutant } from "./mutation.ts";

const LISTENING = 'signal.addEventListener("abort", callAll)';

/** What keeps a signal of the application's from having as many listeners as there are calls. */
export const SIGNAL_MUTANTS: readonly Mutant[] = [
  {
    rule: "signals",
    name: "each call listens by itself",
    edits: [
      ["on-abort", "if (waiting.size === 0)", "if (true)"],
      ["on-abort", LISTENING, LISTENING.replace("callAll", "(event) => callAll(event)")],
    ],
    hunt: ["on-abort", "a hundred waits have one listener"],
  },
  {
    rule: "signals",
    name: "the listener stays",
    edits: [["on-abort", "all.delete(call) && all.size === 0", "!all.delete(call)"]],
    hunt: ["on-abort", "waits that settle leave no listener"],
  },
  {
    rule: "signals",
    name: "requests do not take back theirs",
    edits: [["plain/request/pending-requests", "pending.unlisten?.();", ""]],
    hunt: ["on-abort", "requests that have a reply"],
  },
];
