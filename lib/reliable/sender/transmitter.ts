import type { Batch, EntryEnd } from "../../batch/batch.ts";
import { cutBatch } from "../../batch/batch-split.ts";
import type { Clock } from "../../clock.ts";
import { messageBytes } from "../../delivery/consumers/consumer.ts";
import { encodeLinkMessage, LINK_FLAG } from "../../delivery/protocol/link-message.ts";
import type { Outgoing } from "../../delivery/range/outgoing-ranges.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { MissingEntries } from "../../journal/journal.ts";
import type { Backlog } from "./backlog.ts";
import type { SenderSession } from "./sender-session.ts";

/** Dependencies of {@link Transmitter}. */
export interface TransmitterOptions {
  readonly backlog: Pick<Backlog, "find" | "look" | "lend">;
  readonly clock: Pick<Clock, "after">;
  /** Whether receivers are asked to confirm that they hold messages. */
  readonly wantsReceived: () => boolean;
  /** Whether receivers are asked to report soon which messages they begin. */
  readonly isWatching: () => boolean;
  /** The parts of a range still leased to a session; none if it has ended. */
  readonly held: (link: SenderSession, range: SeqRange) => readonly SeqRange[];
  /** A part of a batch has a larger mean message size (bytes) than the whole batch, by which the credit was counted. */
  readonly weigh: (link: SenderSession, range: SeqRange, bytesEach: number) => void;
  /** Ranges that had to wait were sent, or wait for the connection now. */
  readonly onResumed: (link: SenderSession) => void;
  /** Messages to be sent are missing in the journal, or damaged. */
  readonly onMissing: (link: SenderSession, missing: MissingEntries) => void;
  /** Messages to be sent cannot be read back. */
  readonly onFailed: (link: SenderSession, error: unknown) => void;
}

/** Limit on parts of batches sent before the event loop turns, to whichever receivers (count). */
export const SENDS_PER_TURN = 512;
/** If a batch has to be read back, so many seqs of its range at a time are checked for being due (count). */
const LOOK_COUNT = 4_096;

/**
 * Sends each receiver the ranges due to it, in order; batches not in memory are read back first.
 *
 * Each part costs a frame, whatever its size, and a receiver that gives back every second message is sent thousands of
 * parts. So the number sent at once is bounded, and ranges that had to wait are checked once, when their turn comes.
 *
 * @see docs/decisions/0051-what-a-link-keeps.md
 */
export class Transmitter {
  readonly #options: TransmitterOptions;
  /** End of the last part cut from a batch: small parts of a large batch must not each scan it from its start. */
  readonly #ends = new WeakMap<Batch, EntryEnd>();
  /** Parts that may be sent before the next turn of the event loop (count). */
  #left = SENDS_PER_TURN;
  /** Sessions that wait for the next turn. */
  #pausing = new Set<SenderSession>();

  constructor(options: TransmitterOptions) {
    this.#options = options;
  }

  /** A new turn of the event loop has begun, or the next of several peers is served, each with its own limit. */
  refresh(): void {
    this.#left = SENDS_PER_TURN;
  }

  /** A range is due to a receiver, behind earlier ones. */
  add(link: SenderSession, range: Outgoing): void {
    link.outgoing.push(range);
    // Behind other ranges, it waits for the same reason as they do.
    if (link.outgoing.size === 1) this.#run(link, false);
  }

  /** Sends ranges that had to wait. Meanwhile their leases may have ended, or an earlier ack may have settled them. */
  resume(link: SenderSession): void {
    this.#run(link, true);
    this.#options.onResumed(link);
  }

  /** Sends what can be sent now. */
  #run(link: SenderSession, hasWaited: boolean): void {
    const { outgoing } = link;
    while (outgoing.size > 0 && link.isKnown && !link.isLoading && !link.isPausing) {
      this.#sendNext(link, hasWaited);
    }
  }

  /** Sends the due parts of the next range within one batch, up to the limit of the turn. */
  #sendNext(link: SenderSession, hasWaited: boolean): void {
    const { outgoing } = link;
    const { first, last, attempt, guarded } = outgoing.next!;
    const batch = this.#options.backlog.find(first);
    const end = Math.min(last, batch === null ? first + LOOK_COUNT - 1 : batch.seqLast);
    const range = { first, last: end };
    const due = hasWaited ? joined(this.#options.held(link, range)) : [range];
    for (const part of due) {
      outgoing.passBefore(part.first);
      if (batch === null) {
        void this.#load(link, part.first);
        return;
      }
      if (this.#left <= 0) {
        this.#pause(link);
        return;
      }
      this.#left -= 1;
      outgoing.passBefore(part.last + 1);
      this.#send(link, batch, { first: part.first, last: part.last, attempt, guarded });
    }
    // After a send, the next range may be another one.
    if (due.at(-1)?.last !== end) outgoing.passBefore(end + 1);
  }

  #pause(link: SenderSession): void {
    link.isPausing = true;
    this.#pausing.add(link);
    if (this.#pausing.size === 1) this.#options.clock.after(0, () => this.#goOn());
  }

  /** A new turn of the event loop has begun: the waiting sessions share it evenly. */
  #goOn(): void {
    const pausing = this.#pausing;
    this.#pausing = new Set();
    for (const link of pausing) {
      this.#left = Math.ceil(SENDS_PER_TURN / pausing.size);
      link.isPausing = false;
      this.resume(link);
    }
    this.refresh();
  }

  #send(link: SenderSession, batch: Batch, { first, last, attempt, guarded }: Outgoing): void {
    const { wantsReceived, isWatching } = this.#options;
    const received = wantsReceived() ? LINK_FLAG.wantsReceived : 0;
    const watched = isWatching() ? LINK_FLAG.watched : 0;
    const header = encodeLinkMessage({
      type: "data",
      session: link.session,
      argument: attempt,
      number: link.acksDurable,
      flags: received | watched | (guarded ? LINK_FLAG.guarded : 0),
    });
    link.acksReported = link.acksDurable;
    const range = { seqFirst: first, seqLast: last };
    const { bytes, end } = cutBatch(batch, range, this.#ends.get(batch));
    if (end !== null) {
      this.#ends.set(batch, end);
      const bytesEach = messageBytes(bytes.length, last - first + 1);
      const counted = messageBytes(batch.bytes.length, batch.count);
      if (bytesEach > counted) this.#options.weigh(link, { first, last }, bytesEach);
    }
    link.peer.send([header, bytes]);
  }

  async #load(link: SenderSession, seq: number): Promise<void> {
    link.isLoading = true;
    const { backlog } = this.#options;
    try {
      const found = await backlog.look(seq);
      link.isLoading = false;
      if ("error" in found) this.#options.onMissing(link, found);
      else backlog.lend(found);
    } catch (error) {
      link.isLoading = false;
      this.#options.onFailed(link, error);
      return;
    }
    this.resume(link);
  }
}

/** Merges adjacent ranges of an ordered list. Pure. */
function joined(ranges: readonly SeqRange[]): readonly SeqRange[] {
  if (ranges.length < 2) return ranges;
  const joined: SeqRange[] = [];
  for (const { first, last } of ranges) {
    const before = joined.at(-1);
    if (before?.last !== first - 1) joined.push({ first, last });
    else joined[joined.length - 1] = { first: before.first, last };
  }
  return joined;
}
