/** One kind of failure, and what it costs with a certain configuration. */
export interface Guarantee {
  readonly failure: string;
  readonly lost: string;
  readonly duplicated: string;
}

/** What decides the guarantee of a sender. */
export interface SenderSetting {
  readonly kind: "plain" | "memory" | "journal";
  readonly exclusive: boolean;
}

/**
 * What a sender promises, in plain words: the one source of `explain()` and of docs/guarantees.md. Pure.
 */
export function explainSender({ kind, exclusive }: SenderSetting): readonly Guarantee[] {
  const order = exclusive ? "; order is kept" : "";
  if (kind === "plain") {
    return [
      { failure: "this process ends", lost: "what was queued", duplicated: "nothing" },
      { failure: "a receiver ends", lost: "what it held", duplicated: "nothing" },
      { failure: "the connection breaks", lost: "what was on its way", duplicated: "nothing" },
    ];
  }
  const own =
    kind === "memory"
      ? { lost: "what was not processed", duplicated: "nothing" }
      : {
          lost: "what was not confirmed as stored",
          duplicated:
            "for a receiver without an inbox that restarts too: the last acks, up to 20 ms of them",
        };
  return [
    { failure: "this process is killed", ...own },
    {
      failure: "this machine loses power",
      lost: kind === "memory" ? "what was not processed" : "what the journal's sync level allows",
      duplicated: own.duplicated,
    },
    {
      failure: "a receiver is killed",
      lost: "nothing",
      duplicated: `what it had done and not acknowledged${order}`,
    },
    {
      failure: "the connection breaks",
      lost: "nothing",
      duplicated: `nothing, where the receiver is back within graceMs; else what it held${order}`,
    },
    {
      failure: "a receiver hangs beyond leaseMs",
      lost: "nothing",
      duplicated: "what it finishes nevertheless: its acks do not count",
    },
    {
      failure: "a message fails attemptsMax times",
      lost: "nothing: it is a dead letter",
      duplicated: "its failed attempts",
    },
  ];
}

/** What a receiver adds to what its senders promise. Pure. */
export function explainReceiver(kind: "plain" | "memory" | "inbox"): readonly Guarantee[] {
  if (kind === "plain") {
    return [{ failure: "this process ends", lost: "what it had received", duplicated: "nothing" }];
  }
  const rest = "the message in hand, whose effect may have happened: delivery.id tells";
  return [
    {
      failure: "this process is killed",
      lost: "nothing",
      duplicated: kind === "inbox" ? rest : `what was done and not acknowledged, and ${rest}`,
    },
    {
      failure: "a sender is killed, or the connection breaks",
      lost: "nothing",
      duplicated: "nothing",
    },
  ];
}
