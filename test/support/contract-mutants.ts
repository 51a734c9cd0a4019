import type { Mutant } from "./mutation.ts";

const INCARNATIONS = "delivery/protocol/incarnations";
const DIVERGENCES = "delivery/window/divergences";
const PROBES = "reliable/link/holder-probes";
const IDENTITY = "contract/reliable-identity";
const RECEIVE = "contract/reliable-receive";

const DRIVER = "reliable/sender/dispatch-driver";
const STEPS = "reliable/sender/dispatch-steps";
const HANDSHAKE = "reliable/sender/sender-handshake";
const CHURN = "contract/reliable-churn";

const LINKS = "socket/link-limits";
const STRAYS = "contract/strays";
const STRAY = "delivery/protocol/stray";

/** What tells reliable sockets that are at the wrong end. */
export const MISFIT_MUTANTS: readonly Mutant[] = [
  {
    rule: "0040",
    name: "an offer to a sender is of no session",
    edits: [[DRIVER, 'message.type === "offer"', "false"]],
    hunt: [LINKS, "a sender that speaks to a sender is refused"],
  },
  {
    rule: "0040",
    name: "a hello to a receiver is of no session",
    edits: [["reliable/receiver/sessions/receive-driver", 'message.type === "hello"', "false"]],
    hunt: [LINKS, "a receiver that speaks to a receiver is refused"],
  },
  {
    rule: "0077",
    name: "to MessagePack what a reliable peer says is numbers",
    edits: [["plain/inbound", "body[0] === STRAY_FIRST_BYTE", "false"]],
    hunt: [STRAYS, "a plain Router of msgpack() takes nothing of a reliable Push"],
  },
  {
    rule: "0077",
    name: "a Router does not tell it",
    edits: [["socket/router", "quiet(this.channel.send([id, refusal]))", "0"]],
    hunt: [STRAYS, "a plain Router of msgpack() takes nothing of a reliable Pull"],
  },
  {
    rule: "0077",
    name: "to a Replier it is a malformed request",
    edits: [["socket/replier", "const stray = strayOf(frame);", "const stray = null;"]],
    hunt: [STRAYS, "a plain Replier of msgpack() takes nothing of a reliable Push"],
  },
  {
    rule: "0077",
    name: "a Replier does not tell it",
    edits: [["socket/replier", "quiet(this.channel.send([id, stray.refusal]))", "0"]],
    hunt: [STRAYS, "a plain Replier of msgpack() takes nothing of a reliable Pull"],
  },
  {
    rule: "0077",
    name: "to a Requester it is a malformed reply",
    edits: [["plain/request/requester-links", "strayOf(parts.at(-1))", "null"]],
    hunt: [STRAYS, "a Requester that connects to a reliable Pull"],
  },
  {
    rule: "0077",
    name: "a refusal is a message",
    edits: [[STRAY, 'case "refuse":', 'case "progress":']],
    hunt: [STRAYS, "a Dealer that connects to a reliable Push"],
  },
  {
    rule: "0077",
    name: "two bytes are enough",
    edits: [
      [
        STRAY,
        'if ("fault" in message ||',
        'if ("fault" in message) return refusedBy({ text: "?" }); if (',
      ],
    ],
    hunt: [STRAYS, "numbers that only begin as a reliable peer does"],
  },
  {
    rule: "0077",
    name: "fields that are not used may be anything",
    edits: [[STRAY, "message.number !== 0 || message.flags !== 0", "false"]],
    hunt: [STRAY, "what is not whole in each field is left alone"],
  },
  {
    rule: "0077",
    name: "any text will do",
    edits: [
      [
        STRAY,
        'if (typeof said === "string")\n        return null;',
        'if (typeof said === "string") said = {};',
      ],
    ],
    hunt: [STRAY, "what is not whole in each field is left alone"],
  },
  {
    rule: "0077",
    name: "bytes are refused to those who read bytes",
    edits: [["plain/inbound", 'codec.delimiter !== "length" || common.batch !== false', "true"]],
    hunt: [STRAYS, "a socket of raw(), unbatched"],
  },
  {
    rule: "docs/troubleshooting.md: what is on stderr is told there",
    name: "an option is set as it is",
    edits: [
      [
        "transport/connector",
        "if (isV6 !== ipv6)\n                native.ipv6 = ipv6;",
        "native.ipv6 = ipv6;",
      ],
    ],
    hunt: ["transport/channel", "connecting to a host name prints no warning on stderr"],
  },
];

/** What ends the session of a connection that begins another one. */
export const REPLACED_MUTANTS: readonly Mutant[] = [
  {
    rule: "0051",
    name: "a session goes on beside a later one that is not granted",
    edits: [[HANDSHAKE, "before !== undefined && !isKnown", "false"]],
    hunt: [CHURN, "a flood of sessions on one connection"],
  },
  {
    rule: "0051",
    name: "a receiver id that is given up has its grace",
    edits: [[HANDSHAKE, 'isSame ? "lost" : "left"', '"lost"']],
    hunt: [CHURN, "gives back at once what it held"],
  },
  {
    rule: "0051",
    name: "a receiver that begins a session anew has no grace",
    edits: [[HANDSHAKE, 'isSame ? "lost" : "left"', '"left"']],
    hunt: [CHURN, "gets its grace"],
  },
];

const INBOUND = "reliable/receiver/reliable-inbound";
const NEXT = "reliable/receiver/next-messages";
const CALLS = "reliable/receiver/receive-calls";
const FORGOTTEN = "contract/reliable-forgotten";

const EFFECTS = "contract/reliable-effects";

/** What keeps an inbox from having an effect twice when one receiver closes and the next takes it. */
export const CLOSE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0054",
    name: "what is unacked at a close stays that receiver's",
    edits: [
      [
        "reliable/receiver/sessions/receive-driver",
        'window.step({ type: "revoked", ranges: window.unacked() });',
        "",
      ],
    ],
    hunt: [EFFECTS, "an unacked delivery at a close"],
  },
  {
    rule: "0054",
    name: "a close does not wait for effects that are acknowledged during it",
    edits: [
      [
        "reliable/receiver/reliable-receiver",
        "while (this.links.inFlight.acks.isStoring)",
        "while (false)",
      ],
    ],
    hunt: [EFFECTS, "a close waits for one that is acknowledged"],
  },
];

/** What shows a message again of which nobody is known to work on it. */
export const FORGOTTEN_MUTANTS: readonly Mutant[] = [
  {
    rule: "0054",
    name: "nobody looks again at what is free to be delivered, though it was shown before",
    edits: [[NEXT, "this.#hasShownAgain ? 0 : ", ""]],
    hunt: [FORGOTTEN, "in the middle of a batch too"],
  },
  {
    rule: "0054",
    name: "a delivery that was dropped is its application's for ever",
    edits: [[NEXT, '{ type: "abandoned", first, last }', '{ type: "go", ranges: [] }']],
    hunt: [FORGOTTEN, "one that nobody ever answers for becomes a dead letter"],
  },
  {
    rule: "0054",
    name: "whoever is at work on a message gets it again",
    edits: [[INBOUND, "held.addAll(holder(stream));", ""]],
    hunt: [FORGOTTEN, "a handler and a loop at work"],
  },
];

/** What keeps a restart from waiting for receivers that are known to be gone. */
export const GONE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0041",
    name: "that a receiver is gone is saved with what comes next only",
    edits: [[STEPS, "this.dispatcher.forgotten > forgotten", "false"]],
    hunt: [CHURN, "has gone and held nothing"],
  },
  {
    rule: "0041",
    name: "that a grace has ended is saved with what comes next only",
    edits: [
      [
        STEPS,
        "if (this.dispatcher.forgotten > forgotten)",
        'if (this.dispatcher.forgotten > forgotten && event.type !== "tick")',
      ],
    ],
    hunt: [CHURN, "whose grace has ended"],
  },
  {
    rule: "0041",
    name: "who was waited for in vain is waited for again",
    edits: [["delivery/consumers/roster", "this.#forgotten += this.#awaited.size", "void 0"]],
    hunt: [CHURN, "waited for in vain"],
  },
];

const REPLIER = "socket/replier";
const REPLIES = "contract/replier";
const LISTENERS = "contract/listeners";

const ANSWERS = "hostile/answers";
const ENVELOPE = "plain/request/request-envelope";

/** What bounds the errors that repliers send. */
export const ERROR_MUTANTS: readonly Mutant[] = [
  {
    rule: "0006",
    name: "an error is read before it is known who waits for it",
    edits: [
      [
        "plain/request/requester-links",
        "const { id, body, error } = openReply(parts);",
        "const { id, body, error } = openReply(parts); if (error !== null) readError(error);",
      ],
    ],
    hunt: [ANSWERS, "an error is parsed only for a pending request"],
  },
  {
    rule: "0006",
    name: "an error may have any length",
    edits: [[ENVELOPE, "frame.length > ERROR_BYTES_MAX", "false"]],
    hunt: [ANSWERS, "an error is parsed only for a pending request"],
  },
  {
    rule: "0006",
    name: "an error may be no longer than its characters",
    edits: [[ENVELOPE, "ERROR_CHARS_MAX * ERROR_CHAR_BYTES_MAX", "ERROR_CHARS_MAX"]],
    hunt: [ENVELOPE, "the longest error that can be written is read"],
  },
];

/** What keeps the faults of a replier's own program from being silent there. */
export const REPLIER_MUTANTS: readonly Mutant[] = [
  {
    rule: "0065",
    name: "what a handler throws is told to its caller only",
    edits: [[REPLIER, 'this.events.emit("requestFailed", {', "void ({"]],
    hunt: [REPLIES, "what a handler throws is an event and a count"],
  },
  {
    rule: "0065",
    name: "an answer is taken for a failure",
    edits: [[REPLIER, " || isErrorReply(error)", ""]],
    hunt: [REPLIES, "a RemoteError that a handler throws is an answer"],
  },
  {
    rule: "0065",
    name: "who was called off has failed",
    edits: [
      [REPLIER, "this.channel.closed || isErrorReply(error)", "isErrorReply(error)"],
      [REPLIER, "open.call?.abort.signal.aborted && ", "false && "],
    ],
    hunt: [REPLIES, "the end of the socket calls off"],
  },
  {
    rule: "0007",
    name: "a reply that is refused is told to its caller only",
    edits: [[REPLIER, 'stage === "replying" && error instanceof BrokerlessError', "false"]],
    hunt: [REPLIES, "a reply that does not fit replySchema"],
  },
  {
    rule: "docs/patterns.md: serve resolves when the handler calls have ended",
    name: "serve leaves its handlers behind",
    edits: [["plain/request/handler-slots", "if (this.#active === 0)", "if (true)"]],
    hunt: [REPLIES, "does not wait for a handler that ignores the signal, and serve does"],
  },
];

/** What lets many listen to one signal without a warning. */
export const LISTENER_MUTANTS: readonly Mutant[] = [
  {
    rule: "a signal of ours takes any number of listeners",
    name: "the signal of a replier warns",
    edits: [["plain/request/open-calls", "setMaxListeners(0, abort.signal)", "void 0"]],
    hunt: [LISTENERS, "many handlers of a replier"],
  },
];

/** What tells one history of a stream from another, and void messages from valid ones. */
export const INCARNATION_MUTANTS: readonly Mutant[] = [
  {
    rule: "0044",
    name: "only the next divergence makes void",
    edits: [
      [
        DIVERGENCES,
        "if (one.historyVersion > historyVersion)",
        "if (one.historyVersion === historyVersion + 1)",
      ],
    ],
    hunt: [DIVERGENCES, "who missed some loses what any of them made void"],
  },
  {
    rule: "0044",
    name: "divergences that are joined void what the later one did",
    edits: [
      [
        DIVERGENCES,
        "{ ...second, seqFirst: Math.min(oldest.seqFirst, second.seqFirst) }",
        "second",
      ],
    ],
    hunt: [DIVERGENCES, "a long history is joined"],
  },
  {
    rule: "0044",
    name: "lives that are joined void what the later one did",
    edits: [
      [
        INCARNATIONS,
        "{ ...second, seqFirst: Math.min(oldest.seqFirst, second.seqFirst) }",
        "second",
      ],
    ],
    hunt: [INCARNATIONS, "of many lives the oldest are joined"],
  },
  {
    rule: "0044",
    name: "lives of one number are one",
    edits: [[INCARNATIONS, `return \`\${epoch}-\${id}\`;`, "return String(epoch);"]],
    hunt: [INCARNATIONS, "whatever is lost, restored and copied"],
  },
  {
    rule: "0044",
    name: "what only the reader's history has is valid",
    edits: [[INCARNATIONS, "of ours.slice(ourCommon + 1)", "of []"]],
    hunt: [INCARNATIONS, "whatever is lost, restored and copied"],
  },
  {
    rule: "0044",
    name: "what only the sender's history has is valid",
    edits: [[INCARNATIONS, "of theirs.slice(common + 1)", "of []"]],
    hunt: [INCARNATIONS, "whatever is lost, restored and copied"],
  },
  {
    rule: "0044",
    name: "a life that owns no seq is kept",
    edits: [[INCARNATIONS, "seqFirst < next.seqFirst", "true"]],
    hunt: [INCARNATIONS, "a life that owns no seq is left out"],
  },
  {
    rule: "0044",
    name: "a message's id is that of the newest life",
    edits: [[INCARNATIONS, "at > 0 && incarnations[at].seqFirst > seq", "false"]],
    hunt: [INCARNATIONS, "a message's id is that of the life"],
  },
  {
    rule: "0044",
    name: "a list of incarnations in any order is a history",
    edits: [[INCARNATIONS, " || epoch <= before", ""]],
    hunt: [INCARNATIONS, "what is no history is refused"],
  },
];

/** What a holder of something of which there is one is asked, and how often. */
export const PROBE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0045",
    name: "the question is put once",
    edits: [["reliable/link/holder-probes", "Math.min(ASK_MS, leftMs)", "leftMs"]],
    hunt: [PROBES, "a probe without a reply is repeated"],
  },
  {
    rule: "0045",
    name: "a challenger that has gone is told too",
    edits: [["reliable/link/holder-probes", "!waiting.delete(challenger) ||", "true ||"]],
    hunt: [PROBES, "a probe without a reply is repeated"],
  },
  {
    rule: "0045",
    name: "every challenger has the holder asked",
    edits: [["reliable/link/holder-probes", "nowMs - repliedMs < FRESH_MS", "false"]],
    hunt: [PROBES, "but twice a second"],
  },
  {
    rule: "0045",
    name: "an answer that nobody asked for decides what is asked later",
    edits: [["reliable/link/holder-probes", "if (this.#probes.has(holder))", "if (true)"]],
    hunt: [PROBES, "a holder that goes tells at once"],
  },
  {
    rule: "0045",
    name: "questions go on behind the end",
    edits: [["reliable/link/holder-probes", "cancel();\n        this.#probes.clear();", ";"]],
    hunt: [PROBES, "a holder that goes tells at once"],
  },
];

/** What keeps two of something of which there is one apart. */
export const IDENTITY_MUTANTS: readonly Mutant[] = [
  {
    rule: "0044",
    name: "the stream's id alone names a history",
    edits: [[INCARNATIONS, 'return root === "" ? stream :', "return true ? stream :"]],
    hunt: [IDENTITY, "copies of an empty journal that take turns"],
  },
  {
    rule: "0044",
    name: "the second of two senders takes the stream over",
    edits: [
      ["reliable/receiver/sessions/receiver-sessions", "holder === link || !isOther", "true"],
    ],
    hunt: [IDENTITY, "the second of two copies at a time"],
  },
  {
    rule: "0045",
    name: "the second of two receivers takes the other's place",
    edits: [
      ["reliable/sender/sender-sessions", "!link.isLive || link.receiver !== receiver", "true"],
    ],
    hunt: [IDENTITY, "the second of two receivers"],
  },
];

/** What lets a call of `receive` acknowledge what its caller had, and nothing else. */
export const RECEIVE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0054",
    name: "any number of callers",
    edits: [[CALLS, "if (this.#isReceiving)", "if (false)"]],
    hunt: [RECEIVE, "of several loops one goes on"],
  },
  {
    rule: "0054",
    name: "a message is acknowledged when it is given out",
    edits: [[CALLS, "this.#received.give(chunk);", "this.#received.give(chunk), this.settle();"]],
    hunt: [RECEIVE, "of several loops one goes on"],
  },
  {
    rule: "0054",
    name: "a second call in the same turn",
    edits: [[CALLS, "if (this.#isReceiving)", "if (false)"]],
    hunt: [RECEIVE, "a second call in the same turn"],
  },
  {
    rule: "0054",
    name: "a call that gave up is never over",
    edits: [[CALLS, "this.#isReceiving = false;\n    };", "};"]],
    hunt: [RECEIVE, "a call that gave up"],
  },
  {
    rule: "0054",
    name: "a call that gave up is served",
    edits: [[NEXT, "if (isCancelled)", "if (false)"]],
    hunt: [RECEIVE, "a call that gave up"],
  },
  {
    rule: "0054",
    name: "a loop has no answer of its own",
    edits: [[INBOUND, "run.add(inFlight, stream, seq)", "void 0"]],
    hunt: [RECEIVE, "loops beside it answer for their own messages"],
  },
];

const WITHOUT_PAUSE = ["contract/subscriptions", "one behind another, without a pause"] as const;

const ERRNO = "transport/native/errno";
const NO_OTHER_FILE = [ERRNO, "no other file calls what a signal can interrupt"] as const;

/** What lets a process be profiled. */
export const SIGNAL_MUTANTS: readonly Mutant[] = [
  {
    rule: "0001",
    name: "a signal ends a call of libzmq",
    edits: [[ERRNO, 'errnoOf(error) !== "EINTR"', "true"]],
    hunt: ["transport/native/router-ids", "a signal to the process"],
  },
  {
    rule: "0001",
    name: "a signal ends a connect",
    edits: [[ERRNO, "uninterrupted(() => native.connect(address))", "native.connect(address)"]],
    hunt: [ERRNO, "errno: connect is repeated"],
  },
  {
    rule: "0001",
    name: "a signal ends a disconnect",
    edits: [
      [ERRNO, "uninterrupted(() => native.disconnect(address))", "native.disconnect(address)"],
    ],
    hunt: [ERRNO, "errno: disconnect is repeated"],
  },
  {
    rule: "0001",
    name: "a signal ends a bind",
    edits: [[ERRNO, "uninterrupted(() => native.bindSync(address))", "native.bindSync(address)"]],
    hunt: [ERRNO, "errno: bindSync is repeated"],
  },
  {
    rule: "0001",
    name: "a signal ends the start of a monitor",
    edits: [[ERRNO, "uninterrupted(() => native.events)", "native.events"]],
    hunt: [ERRNO, "a monitor is started again"],
  },
  {
    rule: "0001",
    name: "the name of the monitor that a signal left is taken",
    edits: [[ERRNO, 'errnoOf(error) !== "EADDRINUSE"', "true"]],
    hunt: [ERRNO, "a monitor waits until libzmq has freed the name"],
  },
  {
    rule: "0001",
    name: "a monitor whose name stays taken is started for ever",
    edits: [[ERRNO, "tries === NAME_TRIES_MAX", "false"]],
    hunt: [ERRNO, "a name that is never freed"],
  },
  {
    rule: "0001",
    name: "a call that is interrupted for ever is repeated for long",
    edits: [[ERRNO, "tries === TRIES_MAX", "tries === 1e5"]],
    hunt: [ERRNO, "a call that is interrupted for ever"],
  },
  {
    rule: "0001",
    name: "a monitor is started past what repeats",
    edits: [["transport/monitor/peer-watch", "monitorOf(native)", "native.events"]],
    hunt: NO_OTHER_FILE,
  },
  {
    rule: "0001",
    name: "a lost connection is dialled past what repeats",
    edits: [["transport/monitor/peer-watch", "connectTo(native, place)", "native.connect(place)"]],
    hunt: NO_OTHER_FILE,
  },
  {
    rule: "0001",
    name: "an address is released past what repeats",
    edits: [
      [
        "transport/binder",
        "else\n            disconnectFrom(native, nativeName)",
        "else\n            native.disconnect(nativeName)",
      ],
    ],
    hunt: NO_OTHER_FILE,
  },
];

const MIDDLE_OF_A_TURN = ["sim/watched", "is found after three deaths"] as const;

/** What keeps the number of deaths small that it takes to find their cause. */
export const WATCH_MUTANTS: readonly Mutant[] = [
  {
    rule: "0070",
    name: "a sender does not say that it looks for what its receivers die of",
    edits: [["reliable/sender/transmitter", "isWatching() ? LINK_FLAG.watched : 0", "0"]],
    hunt: MIDDLE_OF_A_TURN,
  },
  {
    rule: "0070",
    name: "a receiver is deaf to that",
    edits: [["reliable/receiver/unreported-deliveries", " || isWatched()", ""]],
    hunt: MIDDLE_OF_A_TURN,
  },
  {
    rule: "0070",
    name: "a receiver says what it has begun only at the end of a turn",
    edits: [
      [
        "reliable/receiver/unreported-deliveries",
        "return this.#count >= UNREPORTED_MAX || isWatched()",
        "return false",
      ],
    ],
    hunt: MIDDLE_OF_A_TURN,
  },
];

/** What lets others have a turn while a peer subscribes on and on. */
export const FLOOD_MUTANTS: readonly Mutant[] = [
  {
    rule: "0012",
    name: "a publisher reads until nothing is left",
    edits: [["transport/native/native-calls", "while (!isOver())", "while (true)"]],
    hunt: WITHOUT_PAUSE,
  },
  {
    rule: "0012",
    name: "a publisher goes on reading when its turn is over",
    edits: [["socket/publisher", "if (this.#turns.isOver)", "if (false)"]],
    hunt: WITHOUT_PAUSE,
  },
];

const LMDB_CLOSE = "journal/lmdb-close";
const CONFORMANCE = "journal/conformance";

/** What a reader of an LMDB journal is told when that closes. */
export const LMDB_CLOSE_MUTANTS: readonly Mutant[] = [
  {
    rule: "a reader is told of a close",
    name: "a read that a close cuts short ends as if it had all",
    edits: [["journal/lmdb/lmdb-journal", "throw unread(seq, this.seqStored);", "return null;"]],
    hunt: [LMDB_CLOSE, "a read rejects with the range that a close left unread"],
  },
  {
    rule: "a reader is told of a close",
    name: "a read goes on in a database that is closed",
    edits: [["journal/lmdb/lmdb-journal", "this.#isClosed = true;", ""]],
    hunt: [LMDB_CLOSE, "a read that follows rejects with the range that a close left unread"],
  },
  {
    rule: "a reader is told of a close",
    name: "who follows is not told of the close",
    edits: [["journal/local-journal", "!this.#isSettled && this.seqStored", "this.seqStored"]],
    hunt: [LMDB_CLOSE, "a following reader that has read everything ends with the close"],
  },
  {
    rule: "a reader is told of a close",
    name: "who follows ends while what was appended is being stored",
    edits: [
      [
        "journal/local-journal",
        "!this.#isSettled && this.seqStored",
        "this.#closing === null && this.seqStored",
      ],
    ],
    hunt: [
      CONFORMANCE,
      "file journal, small segments: a following read gets entries that are stored during",
    ],
  },
  {
    rule: "a reader is told of a close",
    name: "who follows has no time to read what was stored last",
    edits: [["journal/lmdb/lmdb-journal", "await new Promise(setImmediate);", ""]],
    hunt: [CONFORMANCE, "lmdb journal: a following read gets entries that are stored during"],
  },
  {
    rule: "a reader is told of a close",
    name: "a time is looked for in a database that is closed",
    edits: [
      ["journal/lmdb/lmdb-journal", 'throw journalClosedError("before the read began");', ";"],
    ],
    hunt: [CONFORMANCE, "lmdb journal: a read that starts after a close"],
  },
  {
    rule: "calls of a journal that is closed",
    name: "a database that is closed is asked what it takes",
    edits: [["journal/lmdb/lmdb-journal", "this.#isClosed ? this.#bytesAtClose : this", "this"]],
    hunt: [CONFORMANCE, "lmdb journal: a journal keeps returning its state"],
  },
];

const SCHEMA = "core/schema";
const SCHEMA_RULE = "docs/guarantees.md: a schema that fails has refused the value";
const PLAIN_LOOP = ["contract/failing-schemas", "and loop of a plain Pull goes on"] as const;
const SCHEMA_SEND = ["contract/failing-schemas", "what one breaks at is not sent"] as const;

/** A schema is code of the application's, and fails as it likes. */
export const SCHEMA_MUTANTS: readonly Mutant[] = [
  {
    rule: SCHEMA_RULE,
    name: "what a schema throws ends the loop",
    edits: [[SCHEMA, "return onFailed(error);", "throw error;"]],
    hunt: PLAIN_LOOP,
  },
  {
    rule: SCHEMA_RULE,
    name: "what a schema rejects with ends the loop",
    edits: [[SCHEMA, ".catch(onFailed)", ""]],
    hunt: PLAIN_LOOP,
  },
  {
    rule: SCHEMA_RULE,
    name: "what a schema rejects with is what send rejects with",
    edits: [[SCHEMA, ".catch(onFailed)", ""]],
    hunt: SCHEMA_SEND,
  },
  {
    rule: SCHEMA_RULE,
    name: "any issues are issues",
    edits: [[SCHEMA, "Array.isArray(issues)", "true"]],
    hunt: SCHEMA_SEND,
  },
  {
    rule: SCHEMA_RULE,
    name: "a schema that says nothing is content",
    edits: [[SCHEMA, "return read(result, what);", "return result ? read(result, what) : {};"]],
    hunt: SCHEMA_SEND,
  },
];

const STUCK = "contract/stuck-schemas";
const STUCK_RULE = "docs/guarantees.md: a schema that never settles keeps no call";
const CHECKS = "core/outgoing-checks";
const ADMISSION = "core/admission";
const REQUESTS = "plain/request/pending-requests";
const CLOSED_PUSH = [STUCK, "close() ends what waits for one at a plain Push"] as const;
const JUDGED = [STUCK, "whose reply is never judged ends by its signal"] as const;

/** Who waits for a schema that never settles. */
export const STUCK_MUTANTS: readonly Mutant[] = [
  {
    rule: STUCK_RULE,
    name: "close() leaves the checks of a plain Push",
    edits: [[ADMISSION, "this.#checks.close();", ""]],
    hunt: CLOSED_PUSH,
  },
  {
    rule: STUCK_RULE,
    name: "close() leaves the checks of a reliable Push",
    edits: [[ADMISSION, "this.#checks.close();", ""]],
    hunt: [STUCK, "close() ends what waits for one at a reliable Push"],
  },
  {
    rule: STUCK_RULE,
    name: "close() leaves the checks of a WorkQueue",
    edits: [[ADMISSION, "this.#checks.close();", ""]],
    hunt: [STUCK, "close() ends what waits for one at a WorkQueue"],
  },
  {
    rule: STUCK_RULE,
    name: "what is closed asks its schema",
    edits: [
      [
        ADMISSION,
        "if (this.#closed !== null)\n            throw this.#closed();\n        try {",
        "try {",
      ],
    ],
    hunt: CLOSED_PUSH,
  },
  {
    rule: STUCK_RULE,
    name: "a call that is given up keeps those behind it",
    edits: [[ADMISSION, "call.endCheck();", ""]],
    hunt: ["core/admission", "keeps nobody behind it"],
  },
  {
    rule: STUCK_RULE,
    name: "a check that is ended goes on",
    edits: [[CHECKS, "Promise.race([checked, ended])", "checked"]],
    hunt: CLOSED_PUSH,
  },
  {
    rule: STUCK_RULE,
    name: "a router forgets who waits for the schema when its peer ends",
    edits: [["socket/router", " && !outbound.isChecking", ""]],
    hunt: [STUCK, "a Router whose peer is gone"],
  },
  {
    rule: STUCK_RULE,
    name: "a route is idle while a call waits for the schema",
    edits: [["plain/route", " || this.outbound.isChecking", ""]],
    hunt: ["plain/routes", "waits for its schema is not idle"],
  },
  {
    rule: STUCK_RULE,
    name: "a request has no limits while it is checked",
    edits: [
      [REQUESTS, "this.#limit(pending);", ""],
      [REQUESTS, "#enter(pending) {", "#enter(pending) {\n        this.#limit(pending);"],
    ],
    hunt: [STUCK, "whose check ends after it was given up"],
  },
  {
    rule: STUCK_RULE,
    name: "a request that was given up while it was checked is sent",
    edits: [
      [
        REQUESTS,
        'if (pending.stage !== "checking")\n            return;\n        pending.stage = "waiting";',
        'pending.stage = "waiting";',
      ],
    ],
    hunt: [STUCK, "whose check ends after it was given up"],
  },
  {
    rule: STUCK_RULE,
    name: "a misfit is told of after its request was given up",
    edits: [[REQUESTS, 'if (pending.stage === "checking")', "if (true)"]],
    hunt: [STUCK, "a misfit is told of to nobody"],
  },
  {
    rule: STUCK_RULE,
    name: "a request has no limits while its reply is checked",
    edits: [
      [REQUESTS, 'pending.stage = "replied";', 'pending.stage = "replied"; pending.unlisten?.();'],
    ],
    hunt: JUDGED,
  },
  {
    rule: STUCK_RULE,
    name: "a request is over for close() when its reply has come",
    edits: [
      [
        REQUESTS,
        'pending.stage = "replied";',
        'pending.stage = "replied"; this.#open.delete(pending.key);',
      ],
    ],
    hunt: [STUCK, "close() ends a request whose reply"],
  },
  {
    rule: STUCK_RULE,
    name: "a request whose reply is checked is sent again",
    edits: [
      [
        REQUESTS,
        'this.#leaveLane(pending);\n        pending.stage = "replied"',
        'pending.stage = "replied"',
      ],
    ],
    hunt: [STUCK, "reply is being judged is not sent again"],
  },
  {
    rule: STUCK_RULE,
    name: "a replier waits for its schema after close()",
    edits: [
      [
        "plain/request/request-reader",
        "await untilClosed(checked, this.#options.closed) : checked",
        "await checked : checked",
      ],
    ],
    hunt: [STUCK, "serve of a Replier whose schema is stuck"],
  },
  {
    rule: STUCK_RULE,
    name: "a replier waits for its schema of replies after close()",
    edits: [
      [
        REPLIER,
        "if (checked !== null)\n                await untilClosed(checked, this.#gone.signal);",
        "if (checked !== null) await checked;",
      ],
    ],
    hunt: [STUCK, "serve of a Replier whose replySchema is stuck"],
  },
  {
    rule: STUCK_RULE,
    name: "a check that close() has ended counts as a refusal",
    edits: [[REPLIER, "if (error === this.#gone.signal.reason)", "if (false)"]],
    hunt: [STUCK, "serve of a Replier whose replySchema is stuck"],
  },
  {
    rule: STUCK_RULE,
    name: "a waiting receive of a plain Pull survives close()",
    edits: [["core/queue/receive-queue", "end: () => reject(closedError())", "end: () => { }"]],
    hunt: [STUCK, "receive of a plain Pull ends"],
  },
  {
    rule: STUCK_RULE,
    name: "a waiting receive of a reliable Pull survives close()",
    edits: [
      [NEXT, "this.#options.run.flush();\n        this.wake();", "this.#options.run.flush();"],
    ],
    hunt: [STUCK, "receive of a reliable Pull ends"],
  },
];

const ARGUMENTS = "contract/arguments";
const ARGUMENTS_RULE = "docs/sockets.md: a mistake in a call is a TypeError";
const OPTIONS_THAT_ARE_NONE = [ARGUMENTS, "options that are null or no plain object"] as const;
const NO_FUNCTION = [ARGUMENTS, "a handler that is no function"] as const;
const JOURNAL_ARGUMENTS = "journal/arguments";
const TIMES = [ARGUMENTS, "times of a call"] as const;

/** What is taken in silence, or fails later as something else. */
export const ARGUMENT_MUTANTS: readonly Mutant[] = [
  {
    rule: ARGUMENTS_RULE,
    name: "any object is options",
    edits: [["options", "return prototype === null ||", "return true ||"]],
    hunt: OPTIONS_THAT_ARE_NONE,
  },
  {
    rule: ARGUMENTS_RULE,
    name: "any object is headers",
    edits: [["options", "return prototype === null ||", "return true ||"]],
    hunt: [ARGUMENTS, "headers in a Map"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "receive throws a wrong time limit",
    edits: [
      [
        "core/queue/receive-queue",
        "catch (error) {\n            return quiet",
        "catch (error) {\n            throw error;\n            return quiet",
      ],
    ],
    hunt: ["contract/call-options", "a wrong time limit is a rejection"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "receive of a reliable Pull throws a wrong time limit",
    edits: [
      [
        CALLS,
        "catch (error) {\n            return quiet",
        "catch (error) {\n            throw error;\n            return quiet",
      ],
    ],
    hunt: ["contract/call-options", "a wrong time limit is a rejection"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "the options of send are read before they are looked at",
    edits: [["reliable/outbound/durable-outbound", 'checkWaitOptions("send",', "void ("]],
    hunt: OPTIONS_THAT_ARE_NONE,
  },
  {
    rule: ARGUMENTS_RULE,
    name: "any object is options of a pattern",
    edits: [["../patterns/check-names", "if (!isPlain)", "if (false)"]],
    hunt: OPTIONS_THAT_ARE_NONE,
  },
  {
    rule: ARGUMENTS_RULE,
    name: "a Pull runs whatever it is given",
    edits: [["socket/pull", 'checkHandler("run", handler);', ""]],
    hunt: NO_FUNCTION,
  },
  {
    rule: ARGUMENTS_RULE,
    name: "a Subscriber runs whatever it is given",
    edits: [
      [
        "socket/subscriber",
        'checkHandler("run", handler);',
        "if (typeof handler !== 'function') return;",
      ],
    ],
    hunt: NO_FUNCTION,
  },
  {
    rule: ARGUMENTS_RULE,
    name: "a journal makes a socket reliable that is not to be",
    edits: [["reliable/reliable-options", "options.reliable !== false", "true"]],
    hunt: [ARGUMENTS, "contradicts reliable: false"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "a plain Push promises any level, and confirms at queued",
    edits: [["socket/push", 'assertPlainLevel("Push", resolved.confirm);', ""]],
    hunt: [ARGUMENTS, "refuses the confirm levels of the ack layer"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "a plain socket takes options that do nothing",
    edits: [["reliable/reliable-options", "given?.[name] === undefined", "given?.[name] !== name"]],
    hunt: [ARGUMENTS, "refuses the other options of the ack layer"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "requests take limits of batches",
    edits: [["core/socket-options", "    batch: noBatch,\n", ""]],
    hunt: [ARGUMENTS, "refuse limits of batches"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "one seq is all dead letters that its text can be taken apart into",
    edits: [["reliable/sender/dead-letters", "!Array.isArray(seqs)", "false"]],
    hunt: [ARGUMENTS, "dead letters are named"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "the disk is asked for a path with NUL",
    edits: [["journal/disk/journal-place", '!directory.includes("\\0")', "true"]],
    hunt: [JOURNAL_ARGUMENTS, "an invalid path of a journal is a TypeError"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "options in the place of ports are ports",
    edits: [["journal/recovery/repair", "checkPorts(ports);", ""]],
    hunt: [
      JOURNAL_ARGUMENTS,
      "repair options in the wrong place are a TypeError that names the right one",
    ],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "values in a Map are none",
    edits: [["journal/append-arguments", "!isPlain(values)", "false"]],
    hunt: [JOURNAL_ARGUMENTS, "a journal refuses"],
  },
  {
    rule: ARGUMENTS_RULE,
    name: "a delay is whole",
    edits: [["reliable/receiver/delivery", "ms >= least", "Number.isInteger(ms) && ms >= least"]],
    hunt: TIMES,
  },
  {
    rule: ARGUMENTS_RULE,
    name: "a delay has no bounds",
    edits: [["reliable/receiver/delivery", "&& ms >= least && ms <= most", ""]],
    hunt: TIMES,
  },
];

/** A runtime that crashes in native code is let in. */
export const RUNTIME_MUTANTS: readonly Mutant[] = [
  {
    rule: "docs/runtimes.md: what is not Node is refused",
    name: "sockets are made on any runtime",
    edits: [["core/typed-socket", 'assertNode("a socket");', ""]],
    hunt: ["runtime", "each role is refused at construction"],
  },
  {
    rule: "docs/runtimes.md: what is not Node is refused",
    name: "the lock of a journal is loaded on any runtime",
    edits: [["journal/disk/directory-lock", 'assertNode("a journal on a disk");', ""]],
    hunt: ["runtime", "a journal on a disk is refused"],
  },
];

const DRAIN = "contract/drain";

/** A drain that ends before its work says so. */
export const DRAIN_MUTANTS: readonly Mutant[] = [
  {
    rule: "0050",
    name: "close resolves it",
    edits: [
      [
        "core/queue/drain-tracker",
        "drain.reject(error());\n        this",
        "drain.resolve();\n        this",
      ],
    ],
    hunt: [DRAIN, "where something is left: a plain Push"],
  },
  {
    rule: "0050",
    name: "a closed socket has nothing left",
    edits: [["core/typed-socket", "this.assertOpen();\n        this.#draining", "this.#draining"]],
    hunt: [DRAIN, "a closed socket rejects it: Pull"],
  },
  {
    rule: "0050",
    name: "requests that close gives up are settled",
    edits: [["plain/request/pending-requests", "this.#work.stop();", ""]],
    hunt: [DRAIN, "where something is left: a Requester"],
  },
  {
    rule: "0050",
    name: "who closes it meanwhile is told what is left",
    edits: [
      [
        "core/typed-socket",
        "if (this.#closing === null)\n                this.report",
        "this.report",
      ],
    ],
    hunt: [DRAIN, "who closes a socket that is draining"],
  },
];

const WORK_QUEUE = "contract/work-queue";

/** What a worker that closes says of the jobs that it had unacked. */
export const WORKER_MUTANTS: readonly Mutant[] = [
  {
    rule: "0060",
    name: "what is unacked at the abort is left to others",
    edits: [["../patterns/worker", "late.filter((job) => !job.isFinished)", "late"]],
    hunt: [WORK_QUEUE, "where a handler resolves at its abort"],
  },
  {
    rule: "0060",
    name: "an attempt that fails at the abort is a job that is done",
    edits: [["../patterns/worker", " && !this.isFailed", ""]],
    hunt: [WORK_QUEUE, "where a handler throws at its abort"],
  },
];

/** The address of a peer whose connection is not reported yet. */
export const PEER_ADDRESS_MUTANTS: readonly Mutant[] = [
  {
    rule: "0063",
    name: "a subscriber's address is taken from the connections that are reported",
    edits: [
      [
        "socket/publisher",
        "this.channel.peerAddress",
        '(connections[0] ?? { address: "bound" }).address',
      ],
    ],
    hunt: [
      "contract/peer-names",
      "of a publisher with several addresses a subscriber's is not told",
    ],
  },
];

const REENTRANT = "contract/reentrant";
const OPEN_BATCH = "reliable/outbound/open-batch";
const APPENDER = "reliable/outbound/appender";

/** Calls of a socket by a value that it is encoding. */
export const REENTRANT_MUTANTS: readonly Mutant[] = [
  {
    rule: "0050",
    name: "a message is added to the batch in the middle of another",
    edits: [
      [
        OPEN_BATCH,
        "add(value, options, codec = this.#codec) {\n        if (this.#isEncoding)",
        "add(value, options, codec = this.#codec) {\n        if (false)",
      ],
    ],
    hunt: [REENTRANT, "Push with a MemoryJournal, own-json"],
  },
  {
    rule: "0050",
    name: "a batch is appended in the middle of a message",
    edits: [[APPENDER, "count === 0 || this.#open.isEncoding", "count === 0"]],
    hunt: [REENTRANT, "Push with a FileJournal, own-json"],
  },
  {
    rule: "0050",
    name: "what is encoded while its socket is closed is left in the batch",
    edits: [[APPENDER, "if (this.#closed)\n                this.flush();", ""]],
    hunt: [REENTRANT, "comes back after a restart"],
  },
  {
    rule: "0050",
    name: "a plain message is added to a frame in the middle of another",
    edits: [
      [
        "batch/batcher",
        "add(value, key, headers) {\n        if (this.#isEncoding)",
        "add(value, key, headers) {\n        if (false)",
      ],
      [
        "batch/batcher",
        "encode(value) {\n        if (this.#isEncoding)",
        "encode(value) {\n        if (false)",
      ],
    ],
    hunt: [REENTRANT, "reentrant: Push, own-json"],
  },
  {
    rule: "0050",
    name: "a frame is sent in the middle of a message",
    edits: [["batch/batcher", "this.#count > 0 && !this.#isEncoding", "this.#count > 0"]],
    hunt: [REENTRANT, "reentrant: Push, own-json"],
  },
  {
    rule: "0050",
    name: "a request is encoded in the middle of another",
    edits: [["plain/request/request-envelope", "if (this.#isEncoding)", "if (false)"]],
    hunt: [REENTRANT, "Requester, own-json"],
  },
  {
    rule: "0050",
    name: "a request whose value has closed the socket waits",
    edits: [
      ["socket/requester", "this.assertOpen();\n                return body;", "return body;"],
    ],
    hunt: [REENTRANT, "Requester: a value that closes its socket"],
  },
];
