import type { Mutant } from "./mutation.ts";

const IDS = "socket/dropped-ids";
const REQUEUED = "socket/requeued-ids";
const DEDUPLICATOR = "reliable/outbound/deduplicator";

const OLDEST = "socket/drop-oldest";

/** What repeated deduplication ids take, and what becomes of those whose messages were dropped. */
export const DROPPED_MUTANTS: readonly Mutant[] = [
  {
    rule: "stats",
    name: "a dropped message counts as sent",
    edits: [
      ["reliable/outbound/durable-outbound", " - this.#lost - this.#dropped", " - this.#lost"],
    ],
    hunt: [OLDEST, "what is dropped is counted"],
  },
  {
    rule: "stats",
    name: "a dropped message counts nowhere",
    edits: [["reliable/outbound/durable-outbound", "failed + this.#dropped", "failed"]],
    hunt: [OLDEST, "what is dropped is counted"],
  },
  {
    rule: "0050",
    name: "a repeated id has room made for it",
    edits: [["core/admission", " || !takesRoom(call.terms)", ""]],
    hunt: [IDS, "takes none: dropOldest"],
  },
  {
    rule: "0050",
    name: "a repeated id that waits has room made for it",
    edits: [["core/admission", "|| !takesRoom(first.terms) ", ""]],
    hunt: ["core/admission", "takes no room waits for none"],
  },
  {
    rule: "0050",
    name: "nobody looks again whether there is something to be dropped",
    edits: [["reliable/sender/dispatch-steps", "this.#options.onDroppable?.();", "{}"]],
    hunt: [OLDEST, "has given back"],
  },
  {
    rule: "0050",
    name: "what is read back after a restart is not looked at",
    edits: [["reliable/sender/dispatch-steps", 'event.type !== "drop"', 'event.type === "left"']],
    hunt: [OLDEST, "right after a restart"],
  },
  {
    rule: "0050",
    name: "messages are dropped for nothing",
    edits: [["reliable/outbound/durable-outbound", "!isOldestFree()", "false"]],
    hunt: [OLDEST, "frees no bytes"],
  },
  {
    rule: "0050",
    name: "where one that waits is given up, nobody looks at the next",
    edits: [
      [
        "core/admission",
        "// There may be room for the next call.\n        this.admit();",
        "this.#drains.check();",
      ],
    ],
    hunt: ["core/admission", "room is made for the next"],
  },
  {
    rule: "0050",
    name: "the id of a dropped message stays known",
    edits: [
      [
        DEDUPLICATOR,
        "this.#dirty.add(page);\n            this.#forget(known);",
        'this.#dirty.add(page);\n            if (end === "lost") this.#forget(known);',
      ],
    ],
    hunt: [IDS, "is free, now and after a restart: memory"],
  },
  {
    rule: "0050",
    name: "a restart knows the id of a dropped message",
    edits: [[DEDUPLICATOR, "if (FREE_ENDS.has(known.end))", "if (false)"]],
    hunt: [IDS, "is free, now and after a restart: file"],
  },
  {
    rule: "0050",
    name: "a dropped message is sent beside the one in its place",
    edits: [
      ["reliable/sender/saved/restored-state", "[...state.settled, ...gone]", "state.settled"],
    ],
    hunt: [IDS, "is sent once, also where its end was not saved"],
  },
  {
    rule: "0050",
    name: "the state is saved before the ids",
    edits: [["reliable/sender/saved/state-writer", "saveFirst();", ""]],
    hunt: [IDS, "saved before the state of their messages"],
  },
  {
    rule: "0050",
    name: "an id is another message's, where the journal has lost its own",
    edits: [[DEDUPLICATOR, "seq < this.#journal.seqNext", "true"]],
    hunt: [IDS, "forgotten before others get their seqs"],
  },
  {
    rule: "0050",
    name: "that an id is forgotten is not saved",
    edits: [["reliable/outbound/appender", "void made.save();", ""]],
    hunt: [IDS, "forgotten before others get their seqs"],
  },
  {
    rule: "0050",
    name: "an id that is forgotten stays so when its letter is sent anew",
    edits: [[DEDUPLICATOR, "former?.hash ?? decodeIdKey(key)", "former?.hash ?? null"]],
    hunt: [REQUEUED, "a forgotten id belongs to"],
  },
  {
    rule: "0050",
    name: "a message is stored without its id",
    edits: [["reliable/outbound/open-batch", "{ key: encodeIdKey(known.hash) }", "undefined"]],
    hunt: [REQUEUED, "with restarts before and after"],
  },
  {
    rule: "0050",
    name: "the id of a letter that is sent anew stays on its page",
    edits: [
      [
        DEDUPLICATOR,
        "this.#known.set(known.hash, known);\n            this.placed(known, seqNew);",
        `this.#known.set(known.hash, known);
            known.page = former?.page ?? null;
            if (former !== undefined) this.#pages.get(former.page).push(known);
            this.placed(known, seqNew);`,
      ],
    ],
    hunt: [REQUEUED, "is one of the newest"],
  },
  {
    rule: "0050",
    name: "a letter's id that was dropped since is known by its former message",
    edits: [
      [DEDUPLICATOR, "this.#known.delete(known.hash);\n                    continue;", "continue;"],
    ],
    hunt: [REQUEUED, "is free after a restart"],
  },
  {
    rule: "0050",
    name: "the id of what could not be sent anew is another message's",
    edits: [[DEDUPLICATOR, "one of undo.reverse()", "one of []"]],
    hunt: [REQUEUED, "leaves its id as it was"],
  },
];
