import type { Mutant } from "./mutation.ts";

const FRAMES = "transport/inproc/thread-frames";
const MARKS = "contract/inproc-marks";

/** What makes frames of other threads whole again, and leaves all others alone. */
export const THREAD_FRAME_MUTANTS: readonly Mutant[] = [
  {
    rule: "0008",
    name: "what looks like a frame of a thread is undone, whatever it holds",
    edits: [[FRAMES, 'isOurs && bytes.toString("base64") === text ?', "true ?"]],
    hunt: [FRAMES, "a frame that no thread of ours has made"],
  },
  {
    rule: "0008",
    name: "a stranger's frame is undone, whatever it holds",
    edits: [[FRAMES, 'isOurs && bytes.toString("base64") === text ?', "true ?"]],
    hunt: [MARKS, "a Pull without a gate reads what looks like"],
  },
  {
    rule: "0008",
    name: "the id of a ROUTER's peer is encoded",
    edits: [[FRAMES, "index < own || frame.length", "frame.length"]],
    hunt: [FRAMES, "the id of a ROUTER's peer"],
  },
  {
    rule: "0008",
    name: "the id of a ROUTER's peer is undone",
    edits: [[FRAMES, "index < own ? frame : plainly(frame)", "plainly(frame)"]],
    hunt: [FRAMES, "the id of a ROUTER's peer"],
  },
  {
    rule: "0008",
    name: "what begins with the mark goes as it is",
    edits: [[FRAMES, "isUtf8(bytes) && !isMarked(bytes)", "isUtf8(bytes)"]],
    hunt: [FRAMES, "what a thread sends that looks like"],
  },
];

const CHANNEL = "transport/channel";
const BIND_CLOSE = "transport/bind-close";
/** Hides no name that is freed a moment later. */
const ONE_TRY = [
  "transport/inproc/inproc-endpoints",
  'errnoOf(error) !== "EADDRINUSE" || tries === TRIES_MAX',
  "true",
] as const;

/** What a socket that is closed while it binds leaves behind. */
export const BIND_CLOSE_MUTANTS: readonly Mutant[] = [
  {
    rule: "a close gives back all that is bound",
    name: "what is bound is remembered later",
    edits: [
      [
        CHANNEL,
        "this.#endpoints.addBound(resolved, nativeName);",
        "setImmediate(() => this.#endpoints.addBound(resolved, nativeName));",
      ],
      ONE_TRY,
    ],
    hunt: [
      BIND_CLOSE,
      "a socket that is closed meanwhile says so, and the address is free (inproc)",
    ],
  },
  {
    rule: "0008",
    name: "an inproc name is asked for once",
    edits: [ONE_TRY],
    hunt: [BIND_CLOSE, "an inproc name that is given up meanwhile"],
  },
];

const PRESENCE = "transport/inproc/presence";

/** How the connectors of an inproc name find its next binder. */
export const PRESENCE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0008",
    name: "who has no answer goes on waiting for it",
    edits: [
      [PRESENCE, 'errnoOf(error) === "EAGAIN" && dealer.writable', 'errnoOf(error) === "EAGAIN"'],
    ],
    hunt: [PRESENCE, "before it has heard a connector is not waited for (thread ends)"],
  },
  {
    rule: "0008",
    name: "who comes just before the end is not told how it is",
    edits: [[PRESENCE, "if (isKnock)", "if (false)"]],
    hunt: [PRESENCE, "before it has heard a connector is not waited for (cut)"],
  },
  {
    rule: "0008",
    name: "an end that comes before the answer is a sure one",
    edits: [[PRESENCE, 'else if (stage === "joined")', "else if (true)"]],
    hunt: [PRESENCE, "before it has heard a connector is not waited for (gone)"],
  },
  {
    rule: "0008",
    name: "a binder that has gone is not looked for again",
    edits: [[PRESENCE, "if (listener.found(address))", "if (false)"]],
    hunt: [PRESENCE, "who has heard of the end finds the next binder"],
  },
];
