import type { Mutant } from "./mutation.ts";

const FRAMES = "transport/inproc/thread-frames";
const MARKS = "contract/inproc-marks";

/** What makes frames of other threads whole again, and leaves all others alone. */
export const THREAD_FRAME_MUTANTS: readonly Mutant[] = [
  {
    rule: "0008",
    name: "what was sent before a binder came is dropped at once",
    edits: [["transport/channel", "this.#hasSent ? this.native.linger : 0", "0"]],
    hunt: ["contract/inproc-late-binder", "is for who binds the address in time"],
  },
  {
    rule: "0008",
    name: "what looks like a frame of a thread is undone, whatever it holds",
    edits: [[FRAMES, 'isOurs && bytes.toString("base64") === text ?', "true ?"]],
    hunt: [FRAMES, "a frame that toThread has not made is returned unchanged"],
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
    hunt: [FRAMES, "the routing id of a ROUTER's peer is unchanged"],
  },
  {
    rule: "0008",
    name: "the id of a ROUTER's peer is undone",
    edits: [[FRAMES, "index < own ? frame : plainly(frame)", "plainly(frame)"]],
    hunt: [FRAMES, "the routing id of a ROUTER's peer is unchanged"],
  },
  {
    rule: "0008",
    name: "what begins with the mark goes as it is",
    edits: [[FRAMES, "isUtf8(bytes) && !isMarked(bytes)", "isUtf8(bytes)"]],
    hunt: [FRAMES, "application data that looks encoded arrives as it was sent"],
  },
];

const ENDPOINTS = "transport/inproc/inproc-endpoints";
const CONNECTOR = "transport/inproc/connector-presence";
const NEXT_BINDER = "contract/inproc-next-binder";

/** A connector whose binder changes. */
export const NEXT_BINDER_MUTANTS: readonly Mutant[] = [
  {
    rule: "0008",
    name: "the connection to the former binder is kept beside the next one",
    edits: [[ENDPOINTS, "if (sends)", "if (false)"]],
    hunt: ["transport/inproc/next-binder", "a socket that sends gives up the former binder first"],
  },
  {
    rule: "0008",
    name: "a socket that receives gives up what it has not read",
    edits: [[ENDPOINTS, "if (sends)", "if (true)"]],
    hunt: [
      "transport/inproc/next-binder",
      "a socket that only receives keeps what it has not read",
    ],
  },
  {
    rule: "0008",
    name: "the end of a connection to a binder tells nothing",
    edits: [[CONNECTOR, "visit.isOver = true", "void visit"]],
    hunt: [NEXT_BINDER, "a Pull that connects finds each next binder, where the first one leaves"],
  },
  {
    rule: "0008",
    name: "a connector acts on each word by itself",
    edits: [[CONNECTOR, "if (!isReadable(this.#xpub))", "if (true)"]],
    hunt: ["transport/inproc/presence", "is not told of a binder that has left"],
  },
  {
    rule: "0008",
    name: "a Subscriber that acts on each word by itself has two connections",
    edits: [[CONNECTOR, "if (!isReadable(this.#xpub))", "if (true)"]],
    hunt: [NEXT_BINDER, "a Subscriber gets all once"],
  },
  {
    rule: "0008",
    name: "a connection leads to the binder that was heard of, even if it left meanwhile",
    edits: [[CONNECTOR, "visit.isSure = !isReadable(xpub);", "visit.isSure = true;"]],
    hunt: ["transport/inproc/next-binder", "may lead to the next binder already is not kept (sub)"],
  },
  {
    rule: "0008",
    name: "a connection made before its binder was known leads to another, if that one leaves at once",
    edits: [
      [
        CONNECTOR,
        "if (xpub.closed)\n            return;\n        void xpub",
        "if (xpub.closed)\n            return;\n        visit.isSure = !isReadable(xpub);\n        void xpub",
      ],
    ],
    hunt: ["transport/inproc/next-binder", "the first connection is kept, with what it brought"],
  },
  {
    rule: "0008",
    name: "a binder frees the address, and says so later",
    edits: [[ENDPOINTS, "presence.announce(farewell);", ""]],
    hunt: ["transport/inproc/next-binder", "before it frees the address (close)"],
  },
  {
    rule: "0008",
    name: "a socket connects before it looks for the binder",
    edits: [
      [
        ENDPOINTS,
        "const presence = this.#watch(address);",
        "connectTo(this.#options.native, address);\n        const presence = this.#watch(address);",
      ],
      [ENDPOINTS, "try {\n            this.#connectAs(presence.id, address);", "try {"],
    ],
    hunt: ["transport/inproc/next-binder", "while its binder leaves is made again (push)"],
  },
];

const CHANNEL = "transport/channel";
const BINDER = "transport/binder";
const BIND_CLOSE = "transport/bind-close";
/** Hides no name that is freed a moment later. */
const ONE_TRY = [
  ENDPOINTS,
  'errnoOf(error) !== "EADDRINUSE" || tries === TRIES_MAX',
  "true",
] as const;

/** libzmq frees a name when it closes the socket, in a thread of its own: often, but not always, after the next bind. */
const LATER_NATIVE_CLOSE = [
  CHANNEL,
  "this.native.close();\n        await released;",
  "setImmediate(() => this.native.close());\n        await released;",
] as const;

/** What a socket that is closed while it binds leaves behind. */
export const BIND_CLOSE_MUTANTS: readonly Mutant[] = [
  {
    rule: "a close gives back all that is bound",
    name: "what is bound is remembered later",
    edits: [
      [
        BINDER,
        "endpoints.addBound(resolved, nativeName);",
        "setImmediate(() => endpoints.addBound(resolved, nativeName));",
      ],
      LATER_NATIVE_CLOSE,
    ],
    hunt: [
      BIND_CLOSE,
      "a socket closed during the bind is BROKERLESS_CLOSED, and the address is free (tcp)",
    ],
  },
  {
    rule: "0008",
    name: "an inproc name is asked for once",
    edits: [ONE_TRY],
    hunt: [BIND_CLOSE, "an inproc name that is being released is awaited"],
  },
];
