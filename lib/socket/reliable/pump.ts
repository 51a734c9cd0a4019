import type { Batch, EntryEnd } from "../../batch/batch.ts";
import { cutBatch } from "../../batch/batch-split.ts";
import { encodeLinkMessage, LINK_FLAG } from "../../delivery/link-message.ts";
import type { SeqRange } from "../../delivery/range.ts";
import type { Backlog } from "./backlog.ts";
import type { Outgoing, SenderLink } from "./sender-link.ts";

/** What a {@link Pump} is made of. */
export interface PumpOptions {
  readonly backlog: () => Backlog;
  /** Whether receivers are asked to say that they hold what they got. */
  readonly wantsReceipts: () => boolean;
  /** The parts of a range to which a session still has the right; none where it is over. */
  readonly held: (link: SenderLink, range: SeqRange) => readonly SeqRange[];
  /** What has to be sent cannot be read back. */
  readonly onFailed: (link: SenderLink, error: unknown) => void;
}

/** Sends each receiver what is due to it, in order; what is not in memory is read back first. */
export class Pump {
  readonly #options: PumpOptions;
  /** Where the last piece of a batch ended: small pieces of a large one must not read it from its start each time. */
  readonly #ends = new WeakMap<Batch, EntryEnd>();

  constructor(options: PumpOptions) {
    this.#options = options;
  }

  /** A range is due to a receiver, behind what was before. */
  add(link: SenderLink, range: Outgoing): void {
    link.outgoing.push(range);
    this.run(link);
  }

  /** Sends what had to wait. Leases may have ended meanwhile, or what was to be sent is settled by an earlier ack. */
  resume(link: SenderLink): void {
    for (const { first, last, attempt } of link.outgoing.splice(0)) {
      const held = this.#options.held(link, { first, last });
      link.outgoing.push(...held.map((range) => ({ ...range, attempt })));
    }
    this.run(link);
  }

  /** Sends what can be sent now. */
  run(link: SenderLink): void {
    const { outgoing } = link;
    while (outgoing.length > 0 && link.isKnown && !link.isLoading) {
      const { first, last, attempt } = outgoing[0]!;
      const batch = this.#options.backlog().find(first);
      if (batch === null) {
        void this.#load(link, first);
        return;
      }
      const end = Math.min(last, batch.seqLast);
      if (end === last) outgoing.shift();
      else outgoing[0] = { first: end + 1, last, attempt };
      this.#send(link, batch, { first, last: end, attempt });
    }
  }

  #send(link: SenderLink, batch: Batch, { first, last, attempt }: Outgoing): void {
    const header = encodeLinkMessage({
      type: "data",
      session: link.session,
      word: attempt,
      number: link.acksDurable,
      flags: this.#options.wantsReceipts() ? LINK_FLAG.receipt : 0,
    });
    link.acksTold = link.acksDurable;
    const range = { seqFirst: first, seqLast: last };
    const { bytes, end } = cutBatch(batch, range, this.#ends.get(batch));
    if (end !== null) this.#ends.set(batch, end);
    link.peer.send([header, bytes]);
  }

  async #load(link: SenderLink, seq: number): Promise<void> {
    link.isLoading = true;
    const backlog = this.#options.backlog();
    try {
      const batch = await backlog.load(seq);
      link.isLoading = false;
      backlog.lend(batch);
    } catch (error) {
      link.isLoading = false;
      this.#options.onFailed(link, error);
      return;
    }
    this.resume(link);
  }
}
