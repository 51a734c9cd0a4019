import type { BatchDraft } from "../../batch/batch-encoder.ts";
import type { EntryInput } from "../../batch/entry.ts";
import { ENTRY_BYTES_MAX } from "../../batch/layout.ts";
import { BrokerlessError } from "../../errors.ts";
import type { ValueChanges } from "../format/values.ts";
import { Appended, Commit } from "./appended.ts";
import { type CommitOwner, CommitPipeline, type CommitStages } from "./commit-pipeline.ts";
import { type Group, GroupQueue, type GroupQueueOptions } from "./group-queue.ts";
import { UnseenLosses } from "./unseen-losses.ts";
import { ValuesFirst } from "./values-first.ts";

/** Limits of the intake, and the storage of groups. */
export interface IntakeOptions extends Omit<GroupQueueOptions, "filled">, CommitStages {
  readonly pendingBytesMax: number;
  /**
   * When this much waits, a group is written within a long synchronous loop, and while the previous
   * one is being stored: the disk stays busy, and commits do not become small (bytes).
   */
  readonly aheadBytes: number;
  /** Called when nothing waits any more. */
  idle?(): void;
}

/**
 * The intake of a journal: assigns seqs, limits the pending bytes, and decides when the pending
 * entries are committed as one group.
 *
 * A group starts at the end of the turn of its first append, after promise reactions. Thus
 * appenders that one commit has just resumed share the next one.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #queue: GroupQueue;
  readonly #pipeline: CommitPipeline;
  readonly #losses = new UnseenLosses();
  readonly #valuesFirst = new ValuesFirst();
  #seqStored: number;
  #scheduled = false;
  #refusal: BrokerlessError | null = null;
  #roomWaiters: (() => void)[] = [];
  #idleWaiters: (() => void)[] = [];
  readonly #start = (): void => {
    this.#scheduled = false;
    this.#pipeline.run();
  };

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#queue = new GroupQueue({ ...options, filled: () => this.#filled() });
    this.#pipeline = new CommitPipeline(options, this.#owner());
    this.#seqStored = options.seqNext - 1;
  }

  get seqNext(): number {
    return this.#queue.seqNext;
  }

  get seqStored(): number {
    return this.#seqStored;
  }

  /** Encoded and not yet stored (bytes). */
  get pendingBytes(): number {
    return this.#queue.pendingBytes;
  }

  get full(): boolean {
    return this.#queue.pendingBytes >= this.#options.pendingBytesMax;
  }

  /** Appends one value: the hot path. The bytes are copied. */
  append(value: Uint8Array): Appended {
    if (this.#isShut) return this.#refuse();
    if (value.length > ENTRY_BYTES_MAX) return this.#rejected(tooLarge(value.length));
    const seq = this.#queue.seqNext;
    return this.#added(new Appended(seq, 1, this.#queue.add(value)));
  }

  /** Appends entries and values that are stored together or not at all. */
  appendAll(entries: readonly EntryInput[], values: ValueChanges | null): Appended {
    const isValues = entries.length === 0;
    if (isValues ? this.#isClosed : this.#isShut) return this.#refuse();
    const seq = this.#queue.seqNext;
    const isNothing = isValues && (values === null || values.size === 0);
    // No group would contain it.
    if (isNothing) return new Appended(seq, 0, storedCommit());
    let commit: Commit;
    try {
      commit = this.#queue.addAll(entries, values);
    } catch (error) {
      if (error instanceof BrokerlessError) return this.#rejected(error);
      throw error;
    }
    if (isValues) this.#valuesFirst.added(commit);
    return this.#added(new Appended(seq, entries.length, commit));
  }

  /**
   * Appends a draft as a batch of its own. @param makesRoom it does not wait behind named values
   */
  appendDraft(draft: BatchDraft, values: ValueChanges | null, makesRoom: boolean): Appended {
    if (makesRoom ? this.#isClosed : this.#isShut) return this.#refuse();
    const seq = this.#queue.seqNext;
    const commit = this.#queue.addDraft(draft, values, makesRoom);
    if (makesRoom) this.#valuesFirst.added(commit);
    return this.#added(new Appended(seq, draft.count, commit));
  }

  /** Resolves when the pending bytes are at most half of their limit, or the journal has ended. */
  room(): Promise<void> {
    if (this.#hasRoom()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#roomWaiters.push(resolve);
    });
  }

  /**
   * Resolves when nothing waits.
   *
   * @throws BrokerlessError the first failure since the last call that nobody has observed; each is
   *   reported once
   */
  async settled(): Promise<void> {
    if (!this.#pipeline.isIdle || !this.#queue.isEmpty) {
      this.#pipeline.run();
      await new Promise<void>((resolve) => {
        this.#idleWaiters.push(resolve);
      });
    }
    const loss = this.#losses.take();
    if (loss !== null) throw loss;
  }

  /**
   * From now on every append fails, with the first error given; pending entries are still stored.
   */
  refuse(error: BrokerlessError): void {
    this.#refusal ??= error;
  }

  /** In a long loop the disk starts with the first full batches. */
  #filled(): void {
    if (this.#queue.readyBytes >= this.#options.aheadBytes) this.#pipeline.run();
  }

  #added(appended: Appended): Appended {
    if (!this.#scheduled) this.#schedule();
    return appended;
  }

  #schedule(): void {
    this.#scheduled = true;
    process.nextTick(this.#start);
  }

  #owner(): CommitOwner {
    const queue = this.#queue;
    const { aheadBytes } = this.#options;
    return {
      get isAheadWorth() {
        return queue.readyBytes >= aheadBytes;
      },
      take: () => queue.take(),
      stored: (group) => this.#stored(group),
      failed: (groups, error) => this.#failed(groups, error as BrokerlessError),
      idle: () => this.#idle(),
    };
  }

  #stored(group: Group): void {
    this.#seqStored += group.count;
    this.#valuesFirst.stored(group);
    this.#queue.release(group);
    group.commit.resolve();
    if (this.#hasRoom()) this.#wakeRoom();
    if (!this.#scheduled) this.#schedule();
  }

  /** Entries that wait behind a failed group fail with it, so that the stream has no gap. */
  #failed(groups: readonly Group[], error: BrokerlessError): boolean {
    const isOver = error.code !== "BROKERLESS_NO_SPACE";
    if (isOver) this.refuse(error);
    const lost = [...groups, ...this.#queue.clear(this.#seqStored + 1)];
    if (!isOver) this.#valuesFirst.failed(lost, error);
    for (const group of lost) {
      this.#losses.lose(group.commit, error);
      // After any other failure a write may still be in progress.
      if (!isOver) this.#queue.recycle(group);
    }
    this.#wakeRoom();
    return isOver;
  }

  /** Whether appends with entries are refused. */
  get #isShut(): boolean {
    return this.#isClosed || this.#valuesFirst.refusal !== null;
  }

  /** Whether all appends are refused. */
  get #isClosed(): boolean {
    return this.#refusal !== null || this.full;
  }

  #hasRoom(): boolean {
    return this.#refusal !== null || this.pendingBytes * 2 <= this.#options.pendingBytesMax;
  }

  #idle(): void {
    this.#options.idle?.();
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #wakeRoom(): void {
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }

  #refuse(): Appended {
    if (this.#refusal !== null) return this.#rejected(this.#refusal);
    const noSpace = this.full ? null : this.#valuesFirst.refusal;
    if (noSpace !== null) return this.#losses.refuse(this.#queue.seqNext, noSpace, "later");
    const message = `${this.pendingBytes} bytes wait to be stored, and pendingBytesMax is ${this.#options.pendingBytesMax}; await room() first`;
    return this.#rejected(new BrokerlessError("BROKERLESS_FULL", message));
  }

  #rejected(error: BrokerlessError): Appended {
    return this.#losses.refuse(this.#queue.seqNext, error);
  }
}

function storedCommit(): Commit {
  const commit = new Commit();
  commit.resolve();
  return commit;
}

function tooLarge(bytes: number): BrokerlessError {
  const message = `an entry holds at most ${ENTRY_BYTES_MAX} bytes, this one has ${bytes}`;
  return new BrokerlessError("BROKERLESS_TOO_LARGE", message);
}
