import type { Group } from "./group-queue.ts";

/** What stores a group. */
export interface CommitStages {
  /**
   * Writes a group, so that `store` has only to make it durable; called with one at a time, in
   * order, while the one before may still be in `store`. When it rejects with
   * `BROKERLESS_NO_SPACE`, nothing of the group is written; after another error all is over.
   */
  write?(group: Group): Promise<void>;
  /**
   * Stores a group, which `write` has taken where there is one; one at a time, in order. It may
   * reject with `BROKERLESS_NO_SPACE` only where there is no `write`.
   */
  store(group: Group): Promise<void>;
}

/** Where groups come from, and who is told what became of them. */
export interface CommitOwner {
  /** Whether so much waits that it is written while the group before is still being stored. */
  readonly isAheadWorth: boolean;
  /** @returns the next group, or `null` */
  take(): Group | null;
  stored(group: Group): void;
  /** What was in flight is lost with `error`, in order. @returns whether all is over */
  failed(groups: readonly Group[], error: unknown): boolean;
  /** Nothing is in flight and nothing waits. */
  idle(): void;
}

/**
 * Takes groups through `write` and `store`, one in each at a time and in order, so that the next
 * one is encoded and written while the disk makes the one before durable.
 *
 * @see docs/decisions/0022-group-commit.md
 */
export class CommitPipeline {
  readonly #stages: CommitStages;
  readonly #owner: CommitOwner;
  #writing: Group | null = null;
  /** Waits for the one in `store`. */
  #written: Group | null = null;
  #storing: Group | null = null;
  /** What was written before is still being stored: the failure comes after it. */
  #writeFailure: { readonly group: Group; readonly error: unknown } | null = null;
  #isOver = false;

  constructor(stages: CommitStages, owner: CommitOwner) {
    this.#stages = stages;
    this.#owner = owner;
  }

  get isIdle(): boolean {
    return this.#storing === null && this.#writing === null && this.#written === null;
  }

  /** Takes what waits, unless it is better to wait for more. */
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
    // A write that is still going on ends it later.
    if (this.#writing === null) this.#owner.idle();
  }
}
