import type { Mutant } from "./mutation.ts";

const RULE = "0065: a log has every event, and nothing that harms it";

/** A log that lets something out, in, or through. */
export const LOG_MUTANTS: readonly Mutant[] = [
  {
    rule: RULE,
    name: "no event gets there",
    edits: [["core/events/events", "attempt(this.#tap, name, event)", "void 0"]],
    hunt: ["contract/logger", "a Push tells who comes and goes (inproc)"],
  },
  {
    rule: RULE,
    name: "fields have what a peer put in",
    edits: [
      [
        "core/events/event-log",
        'key !== "stack" ? peerMessage(value) : value',
        "false ? 0 : value",
      ],
    ],
    hunt: ["core/events/event-log", "nothing in an entry can be obeyed"],
  },
  {
    rule: RULE,
    name: "texts have what a peer put in",
    edits: [["core/events/event-log", "peerMessage(text)", "text"]],
    hunt: ["core/events/event-log", "nothing in an entry can be obeyed"],
  },
  {
    rule: RULE,
    name: "a stack begins with the message",
    edits: [["core/events/event-log", ".filter((line) => /^ {4}at /.test(line))", ""]],
    hunt: ["core/events/event-log", "of what a handler threw"],
  },
  {
    rule: RULE,
    name: "peers write as often as they like",
    edits: [["core/events/event-log", "return count <= ENTRIES_MAX", "return true"]],
    hunt: ["core/events/event-log", "of many events in a second"],
  },
  {
    rule: RULE,
    name: "an error of the logger ends the socket's work",
    edits: [
      [
        "core/events/events",
        "queueMicrotask(() => {\n            throw error;\n        });",
        "throw error;",
      ],
    ],
    hunt: ["core/events/events", "the tap hears each one first"],
  },
];
