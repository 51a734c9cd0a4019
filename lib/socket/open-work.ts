import { type WaitOptions, wait } from "../wait.ts";

/** A call of `drain` that waits. */
interface Drain {
  /** Number of the last work that it waits for. */
  readonly until: number;
  /** How much of that is open (count). */
  open: number;
  readonly resolve: () => void;
}

/** Work that begins and ends in any order, and those who wait for what is open now, but not for later work. */
export class OpenWork {
  readonly #drains = new Set<Drain>();
  #begun = 0;
  #open = 0;

  /** Begun and not ended (count). */
  get count(): number {
    return this.#open;
  }

  /** @returns the number of this work, for {@link end} */
  begin(): number {
    this.#open += 1;
    this.#begun += 1;
    return this.#begun;
  }

  end(number: number): void {
    this.#open -= 1;
    for (const drain of this.#drains) {
      if (number > drain.until) continue;
      drain.open -= 1;
      if (drain.open === 0) this.#over(drain);
    }
  }

  /** Resolves when all that is open now has ended. */
  drain(options: WaitOptions | undefined): Promise<void> {
    return wait<void>("drain", options, ({ resolve }) => {
      const drain = { until: this.#begun, open: this.#open, resolve };
      if (drain.open === 0) resolve();
      else this.#drains.add(drain);
      return () => this.#drains.delete(drain);
    });
  }

  /** Nobody shall wait any longer. */
  stop(): void {
    for (const drain of this.#drains) this.#over(drain);
  }

  #over(drain: Drain): void {
    this.#drains.delete(drain);
    drain.resolve();
  }
}
