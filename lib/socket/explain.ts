/**
 * One kind of failure, and its effect on messages with a certain configuration: a row of `explain()`.
 *
 * @see docs/guarantees.md
 */
export interface Guarantee {
  /** The failure. */
  readonly failure: string;
  /** Messages that it loses. */
  readonly lost: string;
  /** Messages that may be processed twice. */
  readonly duplicated: string;
  /** Messages that may be processed in another order than they were sent. */
  readonly reordered: string;
}

/**
 * A guarantee and its tests, by the beginnings of their names. The tests of plain sockets are listed elsewhere in the
 * documents.
 */
export interface ShownGuarantee extends Guarantee {
  readonly shownBy: readonly string[];
}

/** The options that determine the guarantees of a sender. */
export interface SenderSetting {
  readonly kind: "plain" | "memory" | "journal";
  /** The option `order`. Default `"perReceiver"`. */
  readonly order?: "perReceiver" | "none" | "total" | undefined;
}

const NOTHING = "nothing";
/** Name of the simulations with many seeds, as it stands in the tests. */
const SIMULATED = `delivery: \${name}`;
/** Order of redelivered messages, with any number of receivers and with several. */
const UNORDERED = "redelivered messages come after messages that were sent later";
const RETRIED =
  "with several receivers: redelivered messages come after messages that were sent later";

/** Failures of a sender without an ack layer. */
const PLAIN_SENDER: readonly ShownGuarantee[] = [
  row("this process ends", ["queued messages", NOTHING, NOTHING], []),
  row("a receiver ends", ["messages that it had received and not processed", NOTHING, NOTHING], []),
  row("the connection breaks", ["messages in flight", NOTHING, NOTHING], []),
];

/**
 * The guarantees of a sender: the single source of `explain()` and of docs/guarantees.md. Pure.
 *
 * @see scripts/guarantees.ts
 */
export function explainSender(setting: SenderSetting): readonly Guarantee[] {
  return shownSender(setting).map(publicRow);
}

/** The same guarantees with their tests. Pure. */
export function shownSender({ kind, order }: SenderSetting): readonly ShownGuarantee[] {
  if (kind === "plain") return PLAIN_SENDER;
  const again = order === "total" ? NOTHING : order === "none" ? UNORDERED : RETRIED;
  return [
    ...(kind === "memory" ? MEMORY_ENDS : journalEnds(again)),
    ...receiverFails(again),
    ...wireFails(again),
    row(
      "a message fails attemptsMax times, or is rejected",
      ["nothing: it is a dead letter", "its failed attempts", again],
      ["reliable: what is rejected, or fails too often, is a dead letter"],
    ),
    several(order === "total"),
  ];
}

const MEMORY_ENDS: readonly ShownGuarantee[] = [
  row(
    "this process is killed, or its machine loses power",
    ["messages that no receiver had processed", NOTHING, NOTHING],
    ["guarantee: without a journal what was not processed ends with the sender"],
  ),
];

function journalEnds(again: string): readonly ShownGuarantee[] {
  const acks =
    "nothing, where receivers keep running or have an inbox; else messages acknowledged in the last 20 ms (0.2 s where tens of thousands of ranges are open)";
  return [
    row(
      "this process is killed",
      ["messages not confirmed as stored", acks, again],
      ["crash: a sender killed again and again", "journal: a receiver that survives"],
    ),
    row(
      "this machine loses power",
      [
        "messages not confirmed as stored; with sync interval also those of the last syncIntervalMs, with sync never those of a longer time",
        acks,
        again,
      ],
      ["power cut: nothing stored is lost", "power cut: without sync a prefix survives"],
    ),
    row(
      "the disk is full",
      ["nothing silently: send rejects with BROKERLESS_NO_SPACE", NOTHING, NOTHING],
      ["guarantee: a full disk refuses, and what was stored is delivered"],
    ),
    row(
      "the disk loses data that it had reported as stored, or an old copy of the journal is restored",
      [
        "the messages missing there; both sides get a `diverged` event where a receiver knew some of them",
        "processed messages that the remaining journal does not record as processed",
        NOTHING,
      ],
      [
        "guarantee: seqs that are given anew after a repair",
        "guarantee: seqs that are given anew by an old copy",
      ],
    ),
    row(
      "this process and the receivers are killed, and both start again",
      ["messages not confirmed as stored", `${acks}; and the messages in flight`, again],
      [SIMULATED, "flights: with a worker and"],
    ),
  ];
}

function receiverFails(again: string): readonly ShownGuarantee[] {
  return [
    row(
      "a receiver is killed",
      [
        NOTHING,
        "messages that it had processed and not acknowledged; with an inbox only the messages in flight",
        again,
      ],
      ["crash: a receiver killed again and again", "reliable: what a receiver that closes"],
    ),
    row(
      "a receiver is stopped for longer than leaseMs, and resumes",
      [
        NOTHING,
        "messages that it still finishes: their acks are refused, and it gets a leaseLost event",
        again,
      ],
      ["reliable: a lease that ends lets another work"],
    ),
  ];
}

function wireFails(again: string): readonly ShownGuarantee[] {
  return [
    row(
      "the connection is reset, and restored within graceMs",
      [NOTHING, NOTHING, NOTHING],
      ["guarantee: resets of the connection lose nothing"],
    ),
    row(
      "the network is cut for longer than graceMs, or than leaseMs where neither side detects it",
      [NOTHING, "messages that the receiver holds and still finishes", again],
      ["guarantee: beyond its lease another receiver gets what was held"],
    ),
  ];
}

function several(isTotal: boolean): ShownGuarantee {
  if (isTotal) {
    return row(
      "there are several receivers",
      [NOTHING, NOTHING, "nothing: one receiver is active, and the others stand by"],
      ["reliable: total order gives everything to one", SIMULATED],
    );
  }
  return row(
    "there are several receivers",
    [NOTHING, NOTHING, "each gets its share in order; there is no order between receivers"],
    ["reliable: several receivers share", SIMULATED],
  );
}

const PLAIN_RECEIVER: readonly ShownGuarantee[] = [
  row(
    "this process ends",
    ["messages that it had received and not processed", NOTHING, NOTHING],
    [],
  ),
];

/** The guarantees of a receiver, in addition to those of its senders. Pure. */
export function explainReceiver(kind: "plain" | "memory" | "inbox"): readonly Guarantee[] {
  return shownReceiver(kind).map(publicRow);
}

/** The same guarantees with their tests. Pure. */
export function shownReceiver(kind: "plain" | "memory" | "inbox"): readonly ShownGuarantee[] {
  if (kind === "plain") return PLAIN_RECEIVER;
  const unacked =
    "the messages in flight, whose effect may have happened: delivery.id identifies them";
  const rest =
    kind === "inbox"
      ? `nothing, where effects are passed to ack and this is the only receiver; else ${unacked}`
      : `messages that were processed and not acknowledged; and ${unacked}`;
  return [
    row(
      "this process is killed",
      [NOTHING, rest, "redelivered messages, where there are several receivers"],
      kind === "inbox"
        ? [
            "crash: a receiver killed again and again",
            "journal: with an inbox a receiver's restart",
            "journal: an effect and its acknowledgement",
          ]
        : ["reliable: what a receiver that closes"],
    ),
    row(
      "it is stopped for longer than the sender's leaseMs, and resumes",
      [NOTHING, "messages that it still finishes; a leaseLost event has their numbers", NOTHING],
      ["reliable: a lease that ends lets another work"],
    ),
    row(
      "a sender is killed and starts again, or the connection breaks for less than graceMs",
      [NOTHING, NOTHING, NOTHING],
      ["journal: a receiver that survives", "guarantee: resets of the connection lose nothing"],
    ),
  ];
}

function row(
  failure: string,
  [lost, duplicated, reordered]: readonly [string, string, string],
  shownBy: readonly string[],
): ShownGuarantee {
  return Object.freeze({ failure, lost, duplicated, reordered, shownBy });
}

function publicRow({ failure, lost, duplicated, reordered }: ShownGuarantee): Guarantee {
  return Object.freeze({ failure, lost, duplicated, reordered });
}
