import { CONFIRM_LEVELS, type ConfirmLevel } from "../core/send-options.ts";
import type { Journal } from "../journal/journal.ts";
import { MemoryJournal } from "../journal/memory-journal.ts";
import { boolean, expected, integer, oneOf, type Rule, type Rules } from "../options.ts";

/** The option that makes a socket reliable, with its messages in memory. */
export interface Acknowledged {
  /** Acknowledgements, redelivery and flow control. */
  readonly reliable: true;
}

/** The options of a reliable sender whose messages survive its process. */
export interface Journaled {
  /** Stores messages until they are processed. */
  readonly journal: Journal;
  /** Implied by a journal. */
  readonly reliable?: true | undefined;
}

/** The options of a reliable receiver that remembers across restarts which messages it has processed. */
export interface Remembering {
  /** Stores which messages were processed. */
  readonly inbox: Journal;
  /** Implied by an inbox. */
  readonly reliable?: true | undefined;
}

/** Options of a reliable sender. */
export interface ReliableSendOptions {
  /**
   * Acknowledgements, redelivery and flow control. Without a journal the messages are in memory.
   *
   * @defaultValue false
   */
  readonly reliable?: boolean | undefined;
  /**
   * Stores messages until they are processed; implies `reliable`. The socket is its only writer; it does not close it.
   */
  readonly journal?: Journal | undefined;
  /**
   * The level at which `send` resolves.
   *
   * @defaultValue `"stored"` with a journal, else `"queued"`
   */
  readonly confirm?: ConfirmLevel | undefined;
  /**
   * Lease: how long a receiver may be silent about a message before another gets it (milliseconds).
   *
   * @defaultValue 30,000
   */
  readonly leaseMs?: number | undefined;
  /**
   * How long a receiver that lost its connection may take to reconnect and claim the messages it holds (milliseconds).
   *
   * @defaultValue 3,000
   */
  readonly graceMs?: number | undefined;
  /**
   * Attempts (messages begun by a handler) after which a message becomes a dead letter (count).
   *
   * @defaultValue 20
   */
  readonly attemptsMax?: number | undefined;
  /**
   * Upper limit of the back-off after the first failure; doubled with each further failure (milliseconds).
   *
   * @defaultValue 100
   */
  readonly retryMs?: number | undefined;
  /**
   * Longest back-off (milliseconds).
   *
   * @defaultValue 30,000
   */
  readonly retryMsMax?: number | undefined;
  /**
   * `"perReceiver"`: a receiver that is alone gets messages in order, retries included, so a message in back-off holds
   * back those behind it. `"none"`: it holds back none. `"total"`: one receiver at a time gets messages, in order,
   * retries included, while the others stand by (single active consumer). Default `"perReceiver"`.
   */
  readonly order?: "perReceiver" | "none" | "total" | undefined;
  /**
   * What `send` does when there is no room: wait, fail with `BROKERLESS_FULL`, or drop the oldest messages.
   *
   * @defaultValue `"block"`
   */
  readonly overflow?: "block" | "reject" | "dropOldest" | undefined;
  /** Limit on messages that are not yet processed (bytes). Default: `queueBytesMax` in memory, 1 TiB with a journal. */
  readonly backlogBytesMax?: number | undefined;
  /**
   * Limit on messages that are not yet processed (count).
   *
   * @defaultValue 2^48
   */
  readonly backlogMessagesMax?: number | undefined;
  /**
   * Limit on dead letters (count); beyond it messages are retried every `retryMsMax`, with an `error` event.
   *
   * @defaultValue 10,000
   */
  readonly deadLettersMax?: number | undefined;
  /**
   * Deduplication ids that are remembered at least, newest first, not counting those of dropped messages (count).
   *
   * @defaultValue 8,192
   */
  readonly deduplicationIdsMax?: number | undefined;
}

/** {@link ReliableSendOptions} after checking. */
export interface ResolvedReliableSend {
  readonly reliable: boolean;
  readonly journal: Journal | null;
  readonly confirm: ConfirmLevel | null;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly attemptsMax: number;
  readonly retryMs: number;
  readonly retryMsMax: number;
  readonly order: "perReceiver" | "none" | "total";
  readonly overflow: "block" | "reject" | "dropOldest";
  readonly backlogBytesMax: number | null;
  readonly backlogMessagesMax: number;
  readonly deadLettersMax: number;
  readonly deduplicationIdsMax: number;
}

/** Options of a reliable receiver. */
export interface ReliableReceiveOptions {
  /**
   * Acknowledgements, redelivery and flow control, with reliable senders only.
   *
   * @defaultValue false
   */
  readonly reliable?: boolean | undefined;
  /**
   * Unprocessed messages that a sender may have here (count). Less is fairer among slow receivers, and slower.
   *
   * @defaultValue 65,536
   */
  readonly prefetch?: number | undefined;
  /**
   * The same limit in bytes; a longer message is sent alone. The default is `prefetch` messages of 512 bytes.
   *
   * @defaultValue 32 MiB
   */
  readonly prefetchBytesMax?: number | undefined;
  /** Stores across restarts which messages were processed; implies `reliable`. This socket must be its only user. */
  readonly inbox?: Journal | undefined;
}

/** {@link ReliableReceiveOptions} after checking. */
export interface ResolvedReliableReceive {
  readonly reliable: boolean;
  readonly prefetch: number;
  readonly prefetchBytesMax: number;
  readonly inbox: Journal | null;
}

const MS = integer(1, 2 ** 31 - 1);

const journalOption: Rule<Journal> = (value, name) => {
  const journal = value as Partial<Journal> | null;
  const isJournal =
    typeof journal === "object" &&
    journal !== null &&
    typeof journal.appendDraft === "function" &&
    typeof journal.read === "function" &&
    typeof journal.set === "function";
  if (isJournal) return value as Journal;
  throw expected(name, "a Journal such as await FileJournal.open(directory)", value);
};

/** Rules of {@link ReliableSendOptions}. */
export const RELIABLE_SEND_RULES: Rules<ResolvedReliableSend> = {
  reliable: boolean,
  journal: journalOption,
  confirm: oneOf(...CONFIRM_LEVELS),
  leaseMs: integer(10, 2 ** 31 - 1),
  graceMs: integer(0, 2 ** 31 - 1),
  attemptsMax: integer(1, 1_000_000),
  retryMs: integer(0, 2 ** 31 - 1),
  retryMsMax: MS,
  order: oneOf("perReceiver", "none", "total"),
  overflow: oneOf("block", "reject", "dropOldest"),
  backlogBytesMax: integer(1, 2 ** 50),
  backlogMessagesMax: integer(1, 2 ** 48),
  deadLettersMax: integer(0, 1_000_000),
  deduplicationIdsMax: integer(1, 16_384),
};

/**
 * Default of `queueBytesMax` for a sender with acknowledgements (bytes). This memory holds messages until they are
 * processed; a message that is no longer in it is read from the journal again.
 */
export const RELIABLE_QUEUE_BYTES_MAX: number = 16 * 2 ** 20;

/** Defaults of {@link ReliableSendOptions}. */
export const RELIABLE_SEND_DEFAULTS: ResolvedReliableSend = Object.freeze({
  reliable: false,
  journal: null,
  confirm: null,
  leaseMs: 30_000,
  graceMs: 3_000,
  attemptsMax: 20,
  retryMs: 100,
  retryMsMax: 30_000,
  order: "perReceiver",
  overflow: "block",
  backlogBytesMax: null,
  backlogMessagesMax: 2 ** 48,
  deadLettersMax: 10_000,
  deduplicationIdsMax: 8_192,
});

/** Rules of {@link ReliableReceiveOptions}. */
export const RELIABLE_RECEIVE_RULES: Rules<ResolvedReliableReceive> = {
  reliable: boolean,
  prefetch: integer(1, 1_000_000),
  prefetchBytesMax: integer(1, 2 ** 40),
  inbox: journalOption,
};

/** Defaults of {@link ReliableReceiveOptions}. */
export const RELIABLE_RECEIVE_DEFAULTS: ResolvedReliableReceive = Object.freeze({
  reliable: false,
  prefetch: 65_536,
  prefetchBytesMax: 32 * 2 ** 20,
  inbox: null,
});

/**
 * Checks that options that have no effect without the ack layer are not given without it.
 *
 * @param keeper the other option that makes the socket reliable
 * @throws TypeError naming the first such option
 */
export function assertNeedless(
  owner: string,
  given: object | undefined,
  { names, keeper }: { readonly names: readonly string[]; readonly keeper: "journal" | "inbox" },
): void {
  const article = keeper === "inbox" ? "an" : "a";
  for (const name of names) {
    if ((given as Record<string, unknown> | undefined)?.[name] === undefined) continue;
    throw new TypeError(`${owner}: option "${name}" needs reliable: true, or ${article} ${keeper}`);
  }
}

/**
 * Checks the confirm level of a plain sender, which supports `queued` only.
 *
 * @throws TypeError for a level that needs the ack layer
 */
export function assertPlainLevel(owner: string, level: ConfirmLevel | null): void {
  if (level === null || level === "queued") return;
  throw new TypeError(
    `${owner}: option "confirm": the level "${level}" needs reliable: true, or a journal`,
  );
}

/**
 * Checks that an option that makes a socket reliable is not combined with `reliable: false`.
 *
 * @throws TypeError naming both options
 */
export function assertConsistent(
  owner: string,
  given: object | undefined,
  name: "journal" | "inbox",
): void {
  const options = (given ?? {}) as Readonly<Record<string, unknown>>;
  if (options.reliable !== false || options[name] === undefined) return;
  const message = `${owner}: option "${name}" contradicts reliable: false; leave one of them out`;
  throw new TypeError(message);
}

/** @returns the journal of a sender that was given none: its messages live as long as the process */
export function memoryJournal(): Journal {
  return new MemoryJournal();
}
