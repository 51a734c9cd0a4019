import type { Group } from "./group-queue.ts";

/** The storage of a group, in one or two stages. */
export interface CommitStages {
  /**
   * Writes a group, so that `store` only has to make it durable. Called for one group at a time, in
   * order, while the previous one may still be in `store`. A rejection with `BROKERLESS_NO_SPACE`
   * means that nothing of the group was written; any other error ends the journal.
   */
  write?(group: Group): Promise<void>;
  /**
   * Stores a group, after `write` if there is one; one at a time, in order. It may reject with
   * `BROKERLESS_NO_SPACE` only where there is no `write`.
   */
  store(group: Group): Promise<void>;
}

/** The source of groups, informed of their outcome. */
export interface CommitOwner {
  /** Whether enough waits to write it while the previous group is still being stored. */
  readonly isAheadWorth: boolean;
  /** @returns the next group, or `null` */
  take(): Group | null;
  stored(group: Group): void;
  /** Groups in flight failed with `error`, in order. @returns whether the journal has ended */
  failed(groups: readonly Group[], error: unknown): boolean;
  /** Nothing is in flight and nothing waits. */
  idle(): void;
}

/**
 * Passes groups through `write` and `store`, one in each at a time and in order, so that the next
 * group is encoded and written while the disk makes the previous one durable.
 *
 * @see docs/decisions/0022-group-commit.md
 */
export class CommitPipeline {
  readonly #stages: CommitStages;
  readonly #owner: CommitOwner;
  #writing: Group | null = null;
  /** Written, and waiting for the group in `store`. */
  #written: Group | null = null;
  #storing: Group | null = null;
  /** A failed write, reported after the previous group, which is still being stored. */
  #writeFailure: { readonly group: Group; readonly error: unknown } | null = null;
  #isOver = false;

  constructor(stages: CommitStages, owner: CommitOwner) {
    this.#stages = stages;
    this.#owner = owner;
  }

  get isIdle(): boolean {
    return this.#storing === null && this.#writing === null && this.#written === null;
  }

  /** Takes the waiting entries, unless it is better to wait for more. */
  run(): void {
    if (this.#writing !== null || this.#written !== null || this.#writeFailure !== null) return;
    const stages = this.#stages;
    const isAhead = this.#storing !== null;
    if (isAhead && (stages.write === undefined || !this.#owner.isAheadWorth)) return;
    const group = this.#owner.take();
    if (group === null) {
      if (!isAhead) this.#owner.idle();
      return;
    }
    if (stages.write === undefined) {
      this.#written = group;
      this.#store();
      return;
    }
    this.#writing = group;
    stages.write(group).then(
      () => this.#wrote(group),
      (error: unknown) => this.#writeFailed(group, error),
    );
  }

  #wrote(group: Group): void {
    this.#writing = null;
    if (this.#isOver) {
      this.#owner.idle();
      return;
    }
    this.#written = group;
    this.#store();
  }

  #store(): void {
    const group = this.#written;
    if (this.#storing !== null || group === null) return;
    this.#written = null;
    this.#storing = group;
    this.#stages.store(group).then(
      () => this.#stored(group),
      (error: unknown) => this.#failed([group], error),
    );
    this.run();
  }

  #stored(group: Group): void {
    this.#storing = null;
    this.#owner.stored(group);
    const failure = this.#writeFailure;
    if (failure !== null) this.#failed([failure.group], failure.error);
    else this.#store();
  }

  #writeFailed(group: Group, error: unknown): void {
    this.#writing = null;
    if (this.#isOver) this.#owner.idle();
    else if (this.#storing === null) this.#failed([group], error);
    else this.#writeFailure = { group, error };
  }

  #failed(groups: Group[], error: unknown): void {
    for (const later of [this.#writeFailure?.group, this.#written, this.#writing]) {
      if (later != null && !groups.includes(later)) groups.push(later);
    }
    this.#storing = null;
    this.#written = null;
    this.#writeFailure = null;
    this.#isOver = this.#owner.failed(groups, error);
    // Otherwise the end of the write in progress calls it.
    if (this.#writing === null) this.#owner.idle();
  }
}
