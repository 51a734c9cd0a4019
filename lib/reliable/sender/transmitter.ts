import type { Batch, EntryEnd } from "../../batch/batch.ts";
import { cutBatch } from "../../batch/batch-split.ts";
import { messageBytes } from "../../delivery/dispatch/consumer.ts";
import { encodeLinkMessage, LINK_FLAG } from "../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { MissingEntries } from "../../journal/journal.ts";
import type { Backlog } from "./backlog.ts";
import type { Outgoing, SenderSession } from "./sender-session.ts";

/** Dependencies of {@link Transmitter}. */
export interface TransmitterOptions {
  readonly backlog: Pick<Backlog, "find" | "look" | "lend">;
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

/** Sends each receiver what is due to it, in order; what is not in memory is read back first. */
export class Transmitter {
  readonly #options: TransmitterOptions;
  /** Where the last piece of a batch ended: small pieces of a large one must not read it from its start each time. */
  readonly #ends = new WeakMap<Batch, EntryEnd>();

  constructor(options: TransmitterOptions) {
    this.#options = options;
  }

  /** A range is due to a receiver, behind what was before. */
  add(link: SenderSession, range: Outgoing): void {
    link.outgoing.push(range);
    this.run(link);
  }

  /** Sends what had to wait. Leases may have ended meanwhile, or what was to be sent is settled by an earlier ack. */
  resume(link: SenderSession): void {
    for (const { first, last, attempt, guarded } of link.outgoing.splice(0)) {
      const held = this.#options.held(link, { first, last });
      for (const part of held) {
        link.outgoing.push({ first: part.first, last: part.last, attempt, guarded });
      }
    }
    this.run(link);
    this.#options.onResumed(link);
  }

  /** Sends what can be sent now. */
  run(link: SenderSession): void {
    const { outgoing } = link;
    while (outgoing.length > 0 && link.isKnown && !link.isLoading) {
      const { first, last, attempt, guarded } = outgoing[0]!;
      const batch = this.#options.backlog.find(first);
      if (batch === null) {
        void this.#load(link, first);
        return;
      }
      const end = Math.min(last, batch.seqLast);
      if (end === last) outgoing.shift();
      else outgoing[0] = { first: end + 1, last, attempt, guarded };
      this.#send(link, batch, { first, last: end, attempt, guarded });
    }
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
