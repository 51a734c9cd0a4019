/**
 * Appends that are stored together: one write, one sync, one promise for all of them.
 *
 * The promise is created on first use, so that a message whose sender does not wait costs none.
 */
export class Commit {
  #outcome: "waiting" | "stored" | "failed" = "waiting";
  #error: unknown = null;
  #promise: Promise<void> | null = null;
  #settle: { resolve(): void; reject(error: unknown): void } | null = null;
  readonly #observed: (() => void) | undefined;

  /** @param observed called once, at the first access to the outcome */
  constructor(observed?: () => void) {
    this.#observed = observed;
  }

  /** Whether anybody has accessed the outcome. */
  get isObserved(): boolean {
    return this.#promise !== null;
  }

  /** Resolves once all appends of the commit are stored at the journal's sync level. */
  get stored(): Promise<void> {
    if (this.#promise !== null) return this.#promise;
    this.#observed?.();
    if (this.#outcome === "stored") this.#promise = Promise.resolve();
    else if (this.#outcome === "failed") this.#promise = Promise.reject(this.#error);
    else {
      this.#promise = new Promise((resolve, reject) => {
        this.#settle = { resolve, reject };
      });
    }
    return this.#promise;
  }

  /** Settles the commit as stored. */
  resolve(): void {
    this.#outcome = "stored";
    this.#settle?.resolve();
  }

  /** Settles the commit as failed: none of its appends counts as stored. */
  reject(error: unknown): void {
    this.#outcome = "failed";
    this.#error = error;
    this.#settle?.reject(error);
  }
}

/**
 * The outcome of an append: a promise of its `seq`. `seq` itself is available at once. The promise
 * resolves when the append is stored at the journal's sync level, and rejects when it failed.
 *
 * An outcome that nobody awaits costs no promise and raises no unhandled rejection:
 * `Journal.sync()` reports its failure.
 *
 * @example
 * ```ts
 * const appended = journal.append(Buffer.from("an entry"));
 * console.log(appended.seq); // known at once
 * await appended; // stored
 * ```
 */
export class Appended implements Promise<number> {
  /** For `Object.prototype.toString`, as for any promise. */
  readonly [Symbol.toStringTag] = "Appended";
  /** The seq of the first entry; without entries, the seq that the next append gets. */
  readonly seq: number;
  /** Number of entries; they have `seq` to `seq + count - 1`. */
  readonly count: number;
  readonly #commit: Commit;

  constructor(seq: number, count: number, commit: Commit) {
    this.seq = seq;
    this.count = count;
    this.#commit = commit;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise, which is made when first asked for
  then<A = number, B = never>(
    onStored?: ((seq: number) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#commit.stored.then(
      onStored ? () => onStored(this.seq) : () => this.seq as unknown as A,
      onFailed,
    );
  }

  catch<B = never>(
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<number | B> {
    return this.then(undefined, onFailed);
  }

  finally(onSettled?: (() => void) | null): Promise<number> {
    return this.then().finally(onSettled);
  }
}
