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
  /** Whether receivers are asked to say that they hold what they got. */
  readonly wantsReceipts: () => boolean;
  /** Whether receivers are asked to say soon what they begin. */
  readonly isWatching: () => boolean;
  /** The parts of a range to which a session still has the right; none where it is over. */
  readonly held: (link: SenderSession, range: SeqRange) => readonly SeqRange[];
  /** A piece of a batch is larger (bytes each) than the average of the batch, which the credit was counted by. */
  readonly weigh: (link: SenderSession, range: SeqRange, bytesEach: number) => void;
  /** What had to wait was sent, or waits for the connection now. */
  readonly onResumed: (link: SenderSession) => void;
  /** What has to be sent is not in the journal any more, or damaged there. */
  readonly onMissing: (link: SenderSession, missing: MissingEntries) => void;
  /** What has to be sent cannot be read back. */
  readonly onFailed: (link: SenderSession, error: unknown) => void;
}

/** Pieces that are sent in one turn of the event loop, whoever gets them, before others have theirs (count). */
export const SENDS_PER_TURN = 512;
/** Of a range whose batch has to be read back, it is looked at so much a time what of it is still due (count). */
const LOOK_COUNT = 4_096;

/**
 * Sends each receiver what is due to it, in order; what is not in memory is read back first.
 *
 * A piece costs a frame, whatever is in it, and who gives back every second message is sent thousands. So what is sent
 * in one go is bounded, and of what had to wait each piece is looked at once, when its turn comes.
 *
 * @see docs/decisions/0051-what-a-link-keeps.md
 */
export class Transmitter {
  readonly #options: TransmitterOptions;
  /** Where the last piece of a batch ended: small pieces of a large one must not read it from its start each time. */
  readonly #ends = new WeakMap<Batch, EntryEnd>();
  /** Pieces that may be sent before a turn of the event loop (count). */
  #left = SENDS_PER_TURN;
  /** Who waits for a turn. */
  #pausing = new Set<SenderSession>();

  constructor(options: TransmitterOptions) {
    this.#options = options;
  }

  /** The event loop has turned, or the next of several peers is served, each of which is bounded by itself. */
  refresh(): void {
    this.#left = SENDS_PER_TURN;
  }

  /** A range is due to a receiver, behind what was before. */
  add(link: SenderSession, range: Outgoing): void {
    link.outgoing.push(range);
    // Behind others it waits for what they wait for.
    if (link.outgoing.size === 1) this.#run(link, false);
  }

  /** Sends what had to wait. Leases may have ended meanwhile, or what was to be sent is settled by an earlier ack. */
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

  /** Sends what is due of the next range and in the same batch, as far as one turn goes. */
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
    // Where something was sent, the next range may be another one.
    if (due.at(-1)?.last !== end) outgoing.passBefore(end + 1);
  }

  #pause(link: SenderSession): void {
    link.isPausing = true;
    this.#pausing.add(link);
    if (this.#pausing.size === 1) this.#options.clock.after(0, () => this.#goOn());
  }

  /** The event loop has turned: who waits gets an even share. */
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
    const { wantsReceipts, isWatching } = this.#options;
    const receipt = wantsReceipts() ? LINK_FLAG.receipt : 0;
    const watched = isWatching() ? LINK_FLAG.watched : 0;
    const header = encodeLinkMessage({
      type: "data",
      session: link.session,
      word: attempt,
      number: link.acksDurable,
      flags: receipt | watched | (guarded ? LINK_FLAG.guarded : 0),
    });
    link.acksTold = link.acksDurable;
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

/** Ranges in order, where one follows the other as one. Pure. */
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
