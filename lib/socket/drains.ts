/** How far a sender has come. */
export interface Progress {
  /** Number of the first call that still waits for room; all before it were admitted, or gave up. */
  readonly waitsFrom: number;
  /** Messages accepted so far (count). */
  readonly accepted: number;
  /** How many of those have left, or failed (count). */
  readonly settled: number;
}

/** One call of `drain`. */
export class Drain {
  readonly resolve: () => void;
  /** Calls up to this number had waited for room when it began; null before. */
  #waits: number | null = null;
  /** How many messages must have settled; null while some of those calls still wait. */
  #accepted: number | null = null;

  constructor(resolve: () => void) {
    this.resolve = resolve;
  }

  /** @param waits calls that have waited for room until now (count) */
  begin(waits: number): void {
    this.#waits = waits;
  }

  isOver({ waitsFrom, accepted, settled }: Progress): boolean {
    if (this.#waits === null) return false;
    if (waitsFrom > this.#waits) this.#accepted ??= accepted;
    return this.#accepted !== null && settled >= this.#accepted;
  }
}

/**
 * The calls of `drain` that wait: each for the messages accepted before it, and for the calls of `send`
 * that waited then, however those end.
 */
export class Drains {
  readonly #open = new Set<Drain>();

  get size(): number {
    return this.#open.size;
  }

  open(resolve: () => void): Drain {
    const drain = new Drain(resolve);
    this.#open.add(drain);
    return drain;
  }

  delete(drain: Drain): void {
    this.#open.delete(drain);
  }

  check(progress: Progress): void {
    for (const drain of this.#open) if (drain.isOver(progress)) this.#end(drain);
  }

  /** Nothing is sent any more. */
  end(): void {
    for (const drain of this.#open) this.#end(drain);
  }

  #end(drain: Drain): void {
    this.#open.delete(drain);
    drain.resolve();
  }
}
