import type { BrokerlessError } from "../../errors.ts";
import { Appended, Commit } from "./appended.ts";

/**
 * Records failures that nobody has observed, so that the next `sync` reports them to a program that
 * awaits no append.
 */
export class UnseenLosses {
  #lost: BrokerlessError | null = null;
  #refused: { count: number; error: BrokerlessError | null } = { count: 0, error: null };

  /** Fails a commit; those who await one of its appends are notified. */
  lose(commit: Commit, error: BrokerlessError): void {
    if (!commit.isObserved) this.#lost ??= error;
    commit.reject(error);
  }

  /**
   * @param when `"later"`: rejected in the next turn of the event loop, so that a caller that
   *   retries at once does not block everybody else
   * @returns an append that changed nothing; it counts as a failure to report only while nobody
   *   observes it
   */
  refuse(seqNext: number, error: BrokerlessError, when: "now" | "later" = "now"): Appended {
    const refused = this.#refused;
    refused.count++;
    refused.error ??= error;
    const commit = new Commit(() => {
      refused.count--;
    });
    if (when === "now") commit.reject(error);
    else setImmediate(() => commit.reject(error));
    return new Appended(seqNext, 0, commit);
  }

  /** @returns the first failure since the last call that nobody has observed, or `null` */
  take(): BrokerlessError | null {
    const loss = this.#lost ?? (this.#refused.count > 0 ? this.#refused.error : null);
    this.#lost = null;
    this.#refused = { count: 0, error: null };
    return loss;
  }
}
