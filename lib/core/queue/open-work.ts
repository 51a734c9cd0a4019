import type { WaitOptions } from "../../wait.ts";
import { DrainTracker } from "./drain-tracker.ts";

/** Work that begins and ends in any order, and drains that wait for the work open at their call, not for later work. */
export class OpenWork {
  /** Their conditions receive the number of the work that has ended. */
  readonly #drains = new DrainTracker<number>();
  #begun = 0;
  #open = 0;

  /** Work that has begun and not ended (count). */
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
    this.#drains.check(number);
  }

  /** Resolves when all work that is open now has ended. */
  drain(options: WaitOptions | undefined): Promise<void> {
    const until = this.#begun;
    let open = this.#open;
    const drained = this.#drains.until((number) => {
      if (number <= until) open -= 1;
      return open === 0;
    }, options);
    // Where nothing is open, the drain is over at once.
    if (open === 0) this.#drains.check(Number.POSITIVE_INFINITY);
    return drained;
  }

  /** Rejects every pending drain with `BROKERLESS_CLOSED`, and every later one. */
  stop(): void {
    this.#drains.close();
  }
}
