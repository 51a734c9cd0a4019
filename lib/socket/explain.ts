/** One kind of failure, and what it costs with a certain configuration. */
export interface Guarantee {
  /** What happens. */
  readonly failure: string;
  /** Which messages are lost by it. */
  readonly lost: string;
  /** Which messages are processed twice. */
  readonly duplicated: string;
  /** What may be processed in another order than it was sent. */
  readonly reordered: string;
}

/** A guarantee, and the tests that show it: beginnings of their names. A plain socket's are elsewhere in the docs. */
export interface ShownGuarantee extends Guarantee {
  readonly shownBy: readonly string[];
}

/** What decides the guarantee of a sender. */
export interface SenderSetting {
  readonly kind: "plain" | "memory" | "journal";
  /** Default `"perReceiver"`. */
  readonly order?: "perReceiver" | "none" | "total" | undefined;
}

const NOTHING = "nothing";
/** Many seeds of each kind of run; in the tests, the name is filled in. */
const SIMULATED = `delivery: \${name}`;
/** Behind what comes again, among several receivers. */
const UNORDERED = "what comes again comes behind what was sent later";
const RETRIED = "with several receivers: what comes again comes behind what was sent later";

/** The same failures as a sender without an ack layer knows them. */
const PLAIN_SENDER: readonly ShownGuarantee[] = [
  row("this process ends", ["what was queued", NOTHING, NOTHING], []),
  row("a receiver ends", ["what it held", NOTHING, NOTHING], []),
  row("the connection breaks", ["what was on its way", NOTHING, NOTHING], []),
];

/**
 * What a sender promises, in plain words: the one source of `explain()` and of docs/guarantees.md. Pure.
 *
 * @see scripts/guarantees.ts
 */
export function explainSender(setting: SenderSetting): readonly Guarantee[] {
  return shownSender(setting).map(publicRow);
}

/** The same with the tests that show it. Pure. */
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
    ["what no receiver had processed", NOTHING, NOTHING],
    ["guarantee: without a journal what was not processed ends with the sender"],
  ),
];

function journalEnds(again: string): readonly ShownGuarantee[] {
  const acks =
    "nothing, where receivers live on or have an inbox; else what was acknowledged in the last 20 ms (0.2 s where tens of thousands of ranges are open)";
  return [
    row(
      "this process is killed",
      ["what was not confirmed as stored", acks, again],
      ["crash: a sender killed again and again", "journal: a receiver that survives"],
    ),
    row(
      "this machine loses power",
      [
        "what was not confirmed as stored; with sync interval also syncIntervalMs, with never more",
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
      "the disk loses what it had said to be stored, or an old copy of the journal is restored",
      [
        "what is gone; both sides are told (`diverged`) where a receiver knew some of it",
        "what was processed and is not known to be in what is left",
        NOTHING,
      ],
      [
        "guarantee: seqs that are given anew after a repair",
        "guarantee: seqs that are given anew by an old copy",
      ],
    ),
    row(
      "this process and the receivers are killed, and both start again",
      ["what was not confirmed as stored", `${acks}; and the messages in hand`, again],
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
        "what it had done and not acknowledged; with an inbox only the messages in hand",
        again,
      ],
      ["crash: a receiver killed again and again", "reliable: what a receiver that closes"],
    ),
    row(
      "a receiver is stopped for longer than leaseMs, and goes on",
      [NOTHING, "what it finishes nevertheless: its acks are refused, and it is told", again],
      ["reliable: a lease that ends lets another work"],
    ),
  ];
}

function wireFails(again: string): readonly ShownGuarantee[] {
  return [
    row(
      "the connection is reset, and back within graceMs",
      [NOTHING, NOTHING, NOTHING],
      ["guarantee: resets of the connection lose nothing"],
    ),
    row(
      "the network is cut for longer than graceMs, or than leaseMs where nobody notices",
      [NOTHING, "what the receiver held, and finishes nevertheless", again],
      ["guarantee: beyond its lease another receiver gets what was held"],
    ),
  ];
}

function several(isTotal: boolean): ShownGuarantee {
  if (isTotal) {
    return row(
      "there are several receivers",
      [NOTHING, NOTHING, "nothing: one is active, and the others stand by"],
      ["reliable: total order gives everything to one", SIMULATED],
    );
  }
  return row(
    "there are several receivers",
    [NOTHING, NOTHING, "each gets its share in order; among them there is none"],
    ["reliable: several receivers share", SIMULATED],
  );
}

const PLAIN_RECEIVER: readonly ShownGuarantee[] = [
  row("this process ends", ["what it had received", NOTHING, NOTHING], []),
];

/** What a receiver adds to what its senders promise. Pure. */
export function explainReceiver(kind: "plain" | "memory" | "inbox"): readonly Guarantee[] {
  return shownReceiver(kind).map(publicRow);
}

/** The same with the tests that show it. Pure. */
export function shownReceiver(kind: "plain" | "memory" | "inbox"): readonly ShownGuarantee[] {
  if (kind === "plain") return PLAIN_RECEIVER;
  const inHand = "the messages in hand, whose effect may have happened: delivery.id tells";
  const rest =
    kind === "inbox"
      ? `nothing, where effects are given to ack and this is the only receiver; else ${inHand}`
      : `what was done and not acknowledged; and ${inHand}`;
  return [
    row(
      "this process is killed",
      [NOTHING, rest, "by what comes again, where there are several receivers"],
      kind === "inbox"
        ? [
            "crash: a receiver killed again and again",
            "journal: with an inbox a receiver's restart",
            "journal: an effect and its acknowledgement",
          ]
        : ["reliable: what a receiver that closes"],
    ),
    row(
      "it is stopped for longer than the sender's leaseMs, and goes on",
      [NOTHING, "what it finishes nevertheless; leaseLost tells of it", NOTHING],
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
