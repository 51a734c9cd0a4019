import type { Mutant } from "./mutation.ts";

const GAPS = "plain/gap/gaps";
const REPORT = "plain/gap/missed-report";
const REPORTER = "plain/gap/missed-reporter";
const PACED = "plain/gap/paced-counts";
const SINK = "plain/round/topic-frame-sink";
const TOPICS = "plain/round/numbered-topics";
const INBOUND = "plain/inbound";
const PUBLISHER = "socket/publisher";
const SUBSCRIBER = "socket/subscriber";
const CONTRACT = "contract/missed";
const ROUNDS = "plain/round/rounds";

/** What counts missed messages: all that are proven, and none that are not. */
export const GAP_MUTANTS: readonly Mutant[] = [
  {
    rule: "0083",
    name: "publishers share the numbers of a topic",
    edits: [[GAPS, "known.publisher !== publisher", "false"]],
    hunt: [GAPS, "every topic and every publisher"],
  },
  {
    rule: "0083",
    name: "a message over a second connection turns the numbers back",
    edits: [[GAPS, "if (between < 0)", "if (false)"]],
    hunt: [GAPS, "over two connections"],
  },
  {
    rule: "0083",
    name: "messages without a number are missed",
    edits: [[GAPS, "known.unnumbered += count ?? 0", "void 0"]],
    hunt: [CONTRACT, "nothing is counted where the publisher waits"],
  },
  {
    rule: "0083",
    name: "of two publishers of a topic messages without a number are those of one",
    edits: [
      [
        GAPS,
        "known = known.other)\n            known.unnumbered",
        "known = null)\n            known.unnumbered",
      ],
    ],
    hunt: [GAPS, "of two publishers of one topic"],
  },
  {
    rule: "0083",
    name: "a message that could not be read, and has no number, is missed",
    edits: [
      [
        GAPS,
        "if (count === null)\n            this.#forget(topic);\n        let known",
        "let known",
      ],
    ],
    hunt: [GAPS, "messages without a number count"],
  },
  {
    rule: "0083",
    name: "only the first message of a topic has a number",
    edits: [[SINK, "nowMs - topic.orderedMs < UNORDERED_MS_MAX", "topic.orderedMs > 0"]],
    hunt: [ROUNDS, "from the first reader on"],
  },
  {
    rule: "0083",
    name: "each message has a number",
    edits: [[SINK, "nowMs - topic.orderedMs < UNORDERED_MS_MAX", "false"]],
    hunt: [ROUNDS, "from the first reader on"],
  },
  {
    rule: "0083",
    name: "a new numbering is compared with the former one",
    edits: [[GAPS, "known.numbering === numbering", "true"]],
    hunt: [GAPS, "numbered a topic anew"],
  },
  {
    rule: "0083",
    name: "the values of an unreadable message are taken to be none",
    edits: [
      [
        GAPS,
        "if (count === null)\n            this.#forget(topic);\n        return missed",
        "return missed",
      ],
    ],
    hunt: [GAPS, "could not be read"],
  },
  {
    rule: "0083",
    name: "a cancelled topic is compared at once",
    edits: [[GAPS, "this.#isSettling && ", "false && "]],
    hunt: [GAPS, "was cancelled and subscribed to again"],
  },
  {
    rule: "0083",
    name: "a cancelled topic is remembered",
    edits: [[GAPS, "this.#forget(pattern.only)", "void 0"]],
    hunt: [GAPS, "nothing came while it was cancelled"],
  },
  {
    rule: "0083",
    name: "cancelled patterns have no bound",
    edits: [[GAPS, "this.#cancelled.length >= CANCELLED_MAX", "false"]],
    hunt: [GAPS, "beyond the bound on cancelled patterns"],
  },
  {
    rule: "0083",
    name: "topics that are used are forgotten with the others",
    edits: [[GAPS, "const known = this.#former.get(topic);", "const known = undefined;"]],
    hunt: [GAPS, "topics that are used stay known"],
  },
  {
    rule: "0083",
    name: "topics have no bound",
    edits: [[GAPS, "this.#count + entries > KNOWN_MAX", "false"]],
    hunt: [GAPS, "topics that are used stay known"],
  },
  {
    rule: "0083",
    name: "publishers of a topic have no bound",
    edits: [[GAPS, "others >= PUBLISHERS_MAX", "false"]],
    hunt: [GAPS, "beyond the bound on publishers"],
  },
  {
    rule: "0083",
    name: "a publisher numbers as many topics as there are",
    edits: [[TOPICS, "this.#recent.size >= TOPICS_MAX", "false"]],
    hunt: [GAPS, "those used last keep their numbers"],
  },
  {
    rule: "0083",
    name: "a report counts whenever it is told",
    edits: [[REPORT, "if (now <= before)", "if (now < 0)"]],
    hunt: [REPORT, "what is told twice"],
  },
  {
    rule: "0083",
    name: "a report to another publisher counts",
    edits: [[REPORT, "publisher !== this.#publisher", "false"]],
    hunt: [REPORT, "told to another publisher"],
  },
  {
    rule: "0083",
    name: "a report counts for more than was published",
    edits: [[REPORT, "Math.min(total, published)", "total"]],
    hunt: [CONTRACT, "a peer may lie about itself"],
  },
  {
    rule: "0083",
    name: "a report counts of whoever it names",
    edits: [[PUBLISHER, "this.#census.find(report.id) === null", "false"]],
    hunt: [CONTRACT, "a peer may lie about itself"],
  },
  {
    rule: "0083",
    name: "reporters have no bound",
    edits: [[REPORT, "this.#totals.size > REPORTERS_MAX", "false"]],
    hunt: [REPORT, "silent longest"],
  },
  {
    rule: "0083",
    name: "former reports stay subscribed",
    edits: [
      [REPORTER, "if (before !== null)\n                this.#target.unsubscribe(before);", ""],
    ],
    hunt: [REPORT, "one report at a time"],
  },
  {
    rule: "0083",
    name: "each gap is an event",
    edits: [[PACED, "if (this.#cancel === null)", "if (true)"]],
    hunt: [REPORT, "the first is passed on at once"],
  },
  {
    rule: "0083",
    name: "keys of a second have no bound",
    edits: [[PACED, "counts.size < KEYS_MAX", "true"]],
    hunt: [REPORT, "keys beyond the bound"],
  },
  {
    rule: "0083",
    name: "messages before the first reader are not numbered",
    edits: [[SINK, "topic.count += count;", ""]],
    hunt: [ROUNDS, "from the first reader on"],
  },
  {
    rule: "0083",
    name: "without batches messages have order frames",
    edits: [[SINK, "options.gathers ? new", "true ? new"]],
    hunt: [CONTRACT, "without batches nothing is added"],
  },
  {
    rule: "0083",
    name: "plain subscribers get order frames though nobody reads them",
    edits: [[SINK, "this.#isRead ||= this.#hasReaders();", "this.#isRead = true;"]],
    hunt: [CONTRACT, "a plain SUB gets two frames"],
  },
  {
    rule: "0083",
    name: "values that a schema refuses are missed",
    edits: [[INBOUND, "const count = values.length;", "const count = 0;"]],
    hunt: [CONTRACT, "nothing is counted where the publisher waits"],
  },
  {
    rule: "0083",
    name: "an unsubscribe is not known to the gaps",
    edits: [[SUBSCRIBER, "this.#gaps.cancel(new TopicPattern(pattern));", ""]],
    hunt: [CONTRACT, "cancels a topic for a while"],
  },
  {
    rule: "0083",
    name: "publishers are not told",
    edits: [[SUBSCRIBER, "this.#reporter.flush();", ";"]],
    hunt: [CONTRACT, "on both sides (inproc)"],
  },
];
