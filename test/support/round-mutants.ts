import type { Mutant } from "./mutation.ts";

const BATCHER = "batch/batcher";
const INBOUND = "plain/inbound";
const ORDER = "plain/round/order-frame";
const READER = "plain/round/round-reader";
const ROUNDS = "plain/round/rounds";
const SINK = "plain/round/topic-frame-sink";
const EVERY = [ROUNDS, "every sequence of six values"] as const;
const CONTRACT = "contract/rounds";

/** What keeps the order over all topics where a round has several. */
export const ROUND_MUTANTS: readonly Mutant[] = [
  {
    rule: "0082",
    name: "a frame of a round is delivered as it comes",
    edits: [[ROUNDS, "if (!frame.hasLater)", "if (true)"]],
    hunt: EVERY,
  },
  {
    rule: "0082",
    name: "the values of a round keep the order of their frames",
    edits: [[ROUNDS, "ready.push(inOrder(round))", "ready.push(round.values)"]],
    hunt: EVERY,
  },
  {
    rule: "0082",
    name: "a later round leaves the open one where it is",
    edits: [[ROUNDS, "open.round < round", "false"]],
    hunt: EVERY,
  },
  {
    rule: "0082",
    name: "a round waits for topics that nobody wants",
    edits: [[ORDER, "if (matches(", "if (true || matches("]],
    hunt: EVERY,
  },
  {
    rule: "0082",
    name: "what comes after its round is delivered out of order",
    edits: [[ROUNDS, "if (!frame.place.keepsLate)", "if (false)"]],
    hunt: [ROUNDS, "what comes after its round"],
  },
  {
    rule: "0082",
    name: "a round that is due is kept",
    edits: [[ROUNDS, "round.dueMs <= nowMs", "false"]],
    hunt: [ROUNDS, "what comes after its round"],
  },
  {
    rule: "0082",
    name: "a refused value moves the places of those after it",
    edits: [[ROUNDS, "indexes === null ? at : indexes[at]", "at"]],
    hunt: [ROUNDS, "values that a schema has refused"],
  },
  {
    rule: "0082",
    name: "open rounds have no bound",
    edits: [[ROUNDS, "this.#bytes > HELD_BYTES_MAX || this.#open.size > OPEN_MAX", "false"]],
    hunt: [ROUNDS, "beyond the bounds"],
  },
  {
    rule: "0082",
    name: "after its first round a publisher sends frames without an order frame",
    edits: [[SINK, "this.#hasRounds = true;", ""]],
    hunt: [ROUNDS, "need no order frame before the first round"],
  },
  {
    rule: "0082",
    name: "a frame of a round has no limit",
    edits: [[SINK, "frame.bytes + bytes + headerBytes <= this.#bytesMax", "true"]],
    hunt: [ROUNDS, "the limit on bytes"],
  },
  {
    rule: "0082",
    name: "a frame of a round has as many values as there are",
    edits: [[SINK, "frame.positions.length < this.#countMax", "true"]],
    hunt: [ROUNDS, "the limit on values"],
  },
  {
    rule: "0082",
    name: "lists of topics are longer than the values",
    edits: [[SINK, "listsBytes(frames) <= mixed.bytes.length", "true"]],
    hunt: [ROUNDS, "names are longer than their values"],
  },
  {
    rule: "0082",
    name: "a list of topics is searched to its end, however long it is",
    edits: [[ORDER, "frame < ROUND_FRAMES_MAX && ", ""]],
    hunt: [ORDER, "a list without end"],
  },
  {
    rule: "0082",
    name: "a frame has fewer positions than values",
    edits: [[ORDER, "this.count === 0 || this.count === count", "true"]],
    hunt: [ORDER, "cut off, or not of this version"],
  },
  {
    rule: "0082",
    name: "a read under way is forgotten when a round is due",
    edits: [[READER, "this.#reading ??= read();", "this.#reading = read();"]],
    hunt: [READER, "the read under way is kept"],
  },
  {
    rule: "0082",
    name: "a change of topic ends a frame",
    edits: [[BATCHER, "isHeaded === this.#isHeaded && this.#mixes", "false"]],
    hunt: [CONTRACT, "in few frames (inproc)"],
  },
  {
    rule: "0082",
    name: "headers of a round stand in the order of the call",
    edits: [
      [
        SINK,
        "joinHeaders(frame.headers)",
        "joinHeaders(mixed.headers.slice(0, frame.headers.length))",
      ],
    ],
    hunt: [CONTRACT, "a schema takes out single values, with headers"],
  },
  {
    rule: "0082",
    name: "a schema's refusal is not known to the round",
    edits: [[INBOUND, "(headers !== null || order !== null)", "headers !== null"]],
    hunt: [CONTRACT, "a schema takes out single values, without headers"],
  },
];
