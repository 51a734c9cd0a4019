import type { Mutant } from "./mutation.ts";

const CALLS = "socket/send-calls";
const DEDUPLICATOR = "reliable/outbound/deduplicator";
/** In what sends messages anew. */
const ANEW = "former, known: newId(hash)";
/** It keeps what was said of the message before it. */
const AS_BEFORE = "former, known: { ...newId(hash), end: former?.end ?? null }";
const LIMITS = "socket/link-limits";
const TRANSMITTER = "reliable/sender/transmitter";
const DISPATCH = "delivery/dispatcher-bounds";
const WRITER = "transport/link-writer";

/** What bounds a link, each with the test that must miss it. */
export const LINK_MUTANTS: readonly Mutant[] = [
  {
    rule: "0051",
    name: "what waits for a peer is not bounded",
    edits: [["transport/link-writer", "if (this.#bytes > WAITING_BYTES_MAX)", "if (false)"]],
    hunt: [WRITER, "a peer that reads nothing is dropped when too much waits for it"],
  },
  {
    rule: "0051",
    name: "a full pipe is tried for ever",
    edits: [["transport/link-writer", "if (waitedMs >= STUCK_MS_MAX)", "if (false)"]],
    hunt: [WRITER, "it retries less and less often"],
  },
  {
    rule: "0051",
    name: "a peer that does not read is listened to again at once",
    edits: [["transport/router-peers", "if (peer.isDeaf)", "if (false)"]],
    hunt: [WRITER, "messages of a peer that does not read are ignored for a while"],
  },
  {
    rule: "0051",
    name: "every message is answered",
    edits: [["reliable/link/reply-limit", "if (bucket.left < 1)", "if (false)"]],
    hunt: [LIMITS, "answers to sessions after sessions"],
  },
  {
    rule: "0051",
    name: "a receiver has the credit that it asks for",
    edits: [
      [
        "reliable/sender/sender-session",
        "Math.min(hello.prefetchBytesMax, creditBytesMax)",
        "hello.prefetchBytesMax",
      ],
    ],
    hunt: [LIMITS, "asks for everything"],
  },
  {
    rule: "0051",
    name: "data that waits is not counted",
    edits: [["transport/link-writer", "this.#dataBytes > DATA_BYTES_MANY;", "false;"]],
    hunt: [WRITER, "it reports when much data waits"],
  },
  {
    rule: "0051",
    name: "nobody is told that there is room",
    edits: [["transport/link-writer", "this.#onRoom = call;", ""]],
    hunt: [WRITER, "it reports when much data waits"],
  },
  {
    rule: "0051",
    name: "what is given back unread is dispatched again at once",
    edits: [["delivery/dispatch/membership", "link.silent || link.congested ||", "link.silent ||"]],
    hunt: [LIMITS, "gives back untouched what it has not read"],
  },
  {
    rule: "0051",
    name: "so is what fails unread",
    edits: [["delivery/dispatch/membership", "link.silent || link.congested ||", "link.silent ||"]],
    hunt: [LIMITS, "fails with what it has not read"],
  },
  {
    rule: "0051",
    name: "the room of what is acknowledged unread is given again at once",
    edits: [["delivery/dispatch/membership", "link.silent || link.congested ||", "link.silent ||"]],
    hunt: [LIMITS, "acknowledges what it has not read"],
  },
  {
    rule: "0051",
    name: "a new session on a full connection has its whole credit",
    edits: [
      ["reliable/sender/sender-handshake", "congested: link.isCongested", "congested: false"],
    ],
    hunt: [LIMITS, "begins sessions instead of what it has not read"],
  },
  {
    rule: "0051",
    name: "who waits for room is not told",
    edits: [
      ["reliable/sender/dispatch-steps", '"congested" : "relieved"', '"congested" : "congested"'],
    ],
    hunt: [LIMITS, "gives back untouched what it has not read"],
  },
  {
    rule: "0041",
    name: "a change in the middle of a table moves all that is behind",
    edits: [["delivery/range/range-map", "CHUNK_MAX = 512;", "CHUNK_MAX = Number.MAX_VALUE;"]],
    hunt: ["delivery/range/range-map", "put back upwards with few moves"],
  },
  {
    rule: "0051",
    name: "a receiver asks again at once, however often it is refused",
    edits: [
      [
        "reliable/receiver/sessions/receiver-handshake",
        "else if (this.#refusals.allows(link.peer))",
        "else if (true)",
      ],
    ],
    hunt: [LIMITS, "is not asked in a loop"],
  },
  {
    rule: "0051",
    name: "every error is an event",
    edits: [["core/events/error-events", "second.count >= EVENTS_MAX", "false"]],
    hunt: [LIMITS, "the first of a second are told"],
  },
  {
    rule: "0051",
    name: "texts go into events as they are",
    edits: [["peer-text", "clean !== message", "false"]],
    hunt: [LIMITS, "texts are cut"],
  },
  {
    rule: "0051",
    name: "a peer's reason goes into an error as it is",
    edits: [["peer-text", "return visible(text, PEER_TEXT_MAX);", "return text;"]],
    hunt: [LIMITS, "what a peer says when it refuses"],
  },
  {
    rule: "0051",
    name: "all that is due is sent in one go",
    edits: [["reliable/sender/transmitter", "if (this.#left <= 0)", "if (false)"]],
    hunt: [LIMITS, "a turn sends a part (nack)"],
  },
  {
    rule: "0051",
    name: "what is read back is sent in one go",
    edits: [["reliable/sender/transmitter", "if (this.#left <= 0)", "if (false)"]],
    hunt: [TRANSMITTER, "looked at once for each piece, and sent over turns"],
  },
  {
    rule: "0051",
    name: "all that waits is looked at again for each batch that is read back",
    edits: [
      [
        "reliable/sender/transmitter",
        "this.#run(link, true);",
        "for (let at = 0; at < link.outgoing.size; at++) this.#options.held(link, link.outgoing.next);\n        this.#run(link, true);",
      ],
    ],
    hunt: [TRANSMITTER, "looked at once for each piece, and sent over turns"],
  },
  {
    rule: "0041",
    name: "all that comes back is dispatched in one step",
    edits: [["delivery/dispatch/assignment", "count >= HAND_OUTS_PER_STEP", "false"]],
    hunt: [DISPATCH, "dispatched over steps that are due at once"],
  },
  {
    rule: "0041",
    name: "each part that comes back is cut at a set of its own",
    edits: [["delivery/dispatch/settlement", "cutAt(part, begun)", "cutAt(part, [...begun])"]],
    hunt: [DISPATCH, "cut at what it had begun"],
  },
  {
    rule: "0041",
    name: "each lease is compared with a set of its own",
    edits: [
      [
        "delivery/dispatch/dispatcher",
        "begun.gaps(part.first, part.last)",
        "rangeSet(kept).gaps(part.first, part.last)",
      ],
    ],
    hunt: [DISPATCH, "who asks for a go is looked at once"],
  },
];

const ENDS = "contract/reliable-ends";
const HUB = "transport/link-hub";

/** What lets the last words of a socket be said and heard, each with the test that must miss it. */
export const END_MUTANTS: readonly Mutant[] = [
  {
    rule: "0056",
    name: "a sender closes its sessions before it has saved",
    edits: [["reliable/sender/reliable-sender", "await this.#patience(saved);", ""]],
    hunt: [ENDS, "of journal senders that came once an inbox keeps floors (tcp)"],
  },
  {
    rule: "0056",
    name: "a disk that does not answer is waited for",
    edits: [["reliable/sender/reliable-sender", "await this.#patience(saved);", "await saved;"]],
    hunt: [ENDS, "keeps no receiver from hearing the close"],
  },
  {
    rule: "0056",
    name: "only who has sent acks is sent the progress",
    edits: [
      [
        "reliable/sender/dispatch-driver",
        "if (link.isLive)\n                this.#sessions.sendProgress",
        "if (false)\n                this.#sessions.sendProgress",
      ],
    ],
    hunt: [ENDS, "hears the floor before the close"],
  },
  {
    rule: "0056",
    name: "a sender that ends lets messages go",
    edits: [
      ["reliable/sender/sender-sessions", "{ going } of this.#links.values()", "{ going } of []"],
    ],
    hunt: [ENDS, "nothing is let go by a sender that ends"],
  },
  {
    rule: "0056",
    name: "a DEALER drops what it has not read",
    edits: [["transport/link-hub", 'keepsUnread: kind === "dealer"', "keepsUnread: false"]],
    hunt: [HUB, "messages that a peer sent before it closed are received before its end"],
  },
  {
    rule: "0056",
    name: "a DEALER keeps what it has not sent",
    edits: [["transport/link-hub", "dealer.channel.renew(address.text)", "0"]],
    hunt: [HUB, "unsent messages to a peer that left are not sent to the next peer at its address"],
  },
];

const WATCH = "transport/monitor/peer-watch";

/** What a connecting side does where handshakes fail, each with the test that must miss it. */
export const HANDSHAKE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0057",
    name: "libzmq dials where only handshakes fail",
    edits: [[WATCH, "if (this.#failed.has(endpoint.address))", "if (false)"]],
    hunt: [WATCH, "where only handshakes fail"],
  },
  {
    rule: "0057",
    name: "a completed handshake changes nothing",
    edits: [
      [
        WATCH,
        "this.#failed.forget(address);\n            this.#options.hosts",
        "this.#options.hosts",
      ],
    ],
    hunt: [WATCH, "where only handshakes fail"],
  },
  {
    rule: "0057",
    name: "who hangs up in a handshake is never told of",
    edits: [[WATCH, "if (!hasKeys || native.closed)", "if (true)"]],
    hunt: [
      WATCH,
      "with keys, handshakes that end repeatedly without a reason are reported at intervals",
    ],
  },
  {
    rule: "0057",
    name: "every one is told of",
    edits: [
      ["transport/monitor/failed-handshakes", "nowMs - failed.reportedMs < REPORT_MS_MIN", "false"],
    ],
    hunt: [
      WATCH,
      "with keys, handshakes that end repeatedly without a reason are reported at intervals",
    ],
  },
  {
    rule: "0057",
    name: "a handshake is told by what libzmq calls the address",
    edits: [
      [
        WATCH,
        "handshakeError(endpoint, error)",
        "handshakeError({ ...endpoint, address: nativeName }, error)",
      ],
    ],
    hunt: [
      WATCH,
      "a failed handshake is reported with the bound or connected address and the likely cause",
    ],
  },
];

const MISSING = "socket/missing-messages";

/** What keeps a sender going behind what its journal lacks, each with the test that must miss it. */
export const MISSING_MUTANTS: readonly Mutant[] = [
  {
    rule: "0052",
    name: "no hold before the first message",
    edits: [["reliable/sender/saved/sender-state-store", "void this.#hold();", ""]],
    hunt: [MISSING, "a retention frees nothing that is not processed"],
  },
  {
    rule: "0052",
    name: "a read stops at what is missing",
    edits: [["journal/reader", "this.#onMissing === null || !isMissing(error)", "true || error"]],
    hunt: [MISSING, "a repair of a flipped bit"],
  },
  {
    rule: "0052",
    name: "the rest of a damaged segment is lost with it",
    edits: [
      [
        "journal/segment/segment-cursor",
        "segment !== null && (await this.#seek(segment))",
        "false",
      ],
    ],
    hunt: [MISSING, "a reader with onMissing"],
  },
  {
    rule: "0052",
    name: "what is missing is waited for",
    edits: [["delivery/dispatch/dispatcher", "this.#miss(event);", ""]],
    hunt: [MISSING, "waits for a lost message end"],
  },
  {
    rule: "0052",
    name: "the id of a lost message stays known",
    edits: [
      [
        DEDUPLICATOR,
        "this.#dirty.add(page);\n            this.#forget(known);",
        'this.#dirty.add(page);\n            if (end === "dropped") this.#forget(known);',
      ],
    ],
    hunt: [MISSING, "id of a lost message is free at once"],
  },
  {
    rule: "0052",
    name: "a restart knows the id of a lost message",
    edits: [[DEDUPLICATOR, "if (FREE_ENDS.has(known.end))", 'if (known.end === "dropped")']],
    hunt: [MISSING, "id of a lost message is free after a restart"],
  },
  {
    rule: "0052",
    name: "a lost message is told again after each restart",
    edits: [
      ["reliable/sender/saved/restored-state", "[...state.settled, ...gone]", "state.settled"],
    ],
    hunt: [MISSING, "told once, also where its end was not saved"],
  },
  {
    rule: "0052",
    name: "what was freed is taken for settled",
    edits: [["reliable/sender/saved/restored-state", "?? senderSeqFirst", "?? seqFirst"]],
    hunt: [MISSING, "frees unprocessed before its restart"],
  },
];

/** The protections of the calls of `send`. */
export const SENDER_MUTANTS: readonly Mutant[] = [
  {
    rule: "0050",
    name: "a repeated id is processed as soon as it is stored",
    edits: [
      [
        "reliable/outbound/appender",
        "end ?? this.#options.settlementOf(seq)",
        '"processed" && end',
      ],
      ["reliable/outbound/appender", "if (outcome === null) {", "if (false) {"],
    ],
    hunt: [CALLS, "resolves with the level that it asks for"],
  },
  {
    rule: "0050",
    name: "a repeated id does not look at the first message on its way",
    edits: [["reliable/outbound/appender", "if (first !== null)", "if (false)"]],
    hunt: [CALLS, "fails with it, and is free again"],
  },
  {
    rule: "0050",
    name: "purging forgets how an id's message ended",
    edits: [["reliable/sender/dead-letters", "onPurge(there);", "null;"]],
    hunt: [CALLS, "is known after a restart, purged or sent anew"],
  },
  {
    rule: "0047",
    name: "what a failed purge has said of an id stays",
    edits: [
      ["reliable/sender/dead-letters", "ids?.undo();", ""],
      [DEDUPLICATOR, ANEW, AS_BEFORE],
    ],
    hunt: [CALLS, "leaves no trace in its ids: NO_SPACE"],
  },
  {
    rule: "0047",
    name: "what a page says of an id stays with the message that was sent anew",
    edits: [[DEDUPLICATOR, ANEW, AS_BEFORE]],
    hunt: [CALLS, "whatever its page says"],
  },
  {
    rule: "0047",
    name: "a purge is stored by a closed socket",
    edits: [["reliable/sender/dead-letters", "if (count > 0)\n                checkOpen();", ""]],
    hunt: [CALLS, "leaves no trace in its ids: CLOSED"],
  },
  {
    rule: "0047",
    name: "what ids say of a purge is not stored with it",
    edits: [["reliable/sender/dead-letters", "{ ...values, ...ids?.values }", "values"]],
    hunt: [CALLS, "purged is stored with the purge"],
  },
  {
    rule: "0050",
    name: "an id stays with the dead letter that was sent anew",
    edits: [
      ["reliable/outbound/appender", "hasIds ? this.#dedup.moved(from, first) : null", "null"],
    ],
    hunt: [CALLS, "is known after a restart, purged or sent anew"],
  },
  {
    rule: "0050",
    name: "the place of a page depends on how many are kept",
    edits: [
      [DEDUPLICATOR, "nameOf(page % PLACES)", "nameOf(page % this.#pagesMax)"],
      [
        DEDUPLICATOR,
        "place = 0; place < PLACES; place++) {\n            const bytes",
        "place = 0; place < this.#pagesMax; place++) {\n            const bytes",
      ],
    ],
    hunt: [CALLS, "deduplicationIdsMax becomes 256"],
  },
  {
    rule: "0050",
    name: "a call that was given up while its schema checked is sent",
    edits: [["core/admission", "if (!call.isGivenUp)", "if (true)"]],
    hunt: [CALLS, "its schema checks is not sent (reliable)"],
  },
  {
    rule: "0050",
    name: "the same without acknowledgements",
    edits: [["core/admission", "if (!call.isGivenUp)", "if (true)"]],
    hunt: [CALLS, "its schema checks is not sent (plain)"],
  },
  {
    rule: "0050",
    name: "a time limit ends the first call that waits",
    edits: [["core/admission", "this.#waiting.leave(call)", "this.#waiting.next()"]],
    hunt: [CALLS, "takes no other with the same options"],
  },
  {
    rule: "0050",
    name: "the open batch does not count",
    edits: [["reliable/outbound/durable-outbound", "if (this.#countsOpen)", "if (false)"]],
    hunt: [CALLS, "backlogMessagesMax counts what one turn accepts, block"],
  },
  {
    rule: "0050",
    name: "messages are dropped where the disk is slow",
    edits: [
      [
        "reliable/outbound/durable-outbound",
        "tries = 0; this.#isBacklogFull &&",
        "tries = 0; this.#isFull &&",
      ],
    ],
    hunt: [CALLS, "a slow disk makes dropOldest wait"],
  },
];

const REPLIES = "plain/request/reply-writer";

/** What keeps a peer of a Replier that does not read from others. */
export const REPLY_MUTANTS: readonly Mutant[] = [
  {
    rule: "0006",
    name: "every reply that waits is tried by itself",
    edits: [[REPLIES, "if (!peer.isGone && !this.isStuck(peer))", "if (!peer.isGone)"]],
    hunt: [REPLIES, "one loop tries for a peer"],
  },
  {
    rule: "0006",
    name: "what waits for a peer is not bounded",
    edits: [[REPLIES, "waiting.bytes + bytes > WAITING_BYTES_MAX", "false"]],
    hunt: [REPLIES, "what waits for a peer is bounded"],
  },
  {
    rule: "0006",
    name: "what waited for a peer that has gone goes to whoever has its name",
    edits: [
      [
        REPLIES,
        "waiting)\n                return;\n            const reply",
        "waiting) {}\n            const reply",
      ],
    ],
    hunt: [REPLIES, "is not sent what waited"],
  },
  {
    rule: "0006",
    name: "a full backlog drops requests at once",
    edits: [["plain/request/held-requests", "isFull && peer.isDeaf", "isFull"]],
    hunt: [REPLIES, "of one that may read yet none is dropped"],
  },
  {
    rule: "0006",
    name: "a peer that is waited for in vain stops everybody",
    edits: [["plain/request/held-requests", "isFull && peer.isDeaf", "false"]],
    hunt: [REPLIES, "waited for in vain are bounded"],
  },
];
