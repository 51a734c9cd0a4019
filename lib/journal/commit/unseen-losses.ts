import type { BrokerlessError } from "../../errors.ts";
import { Appended, Commit } from "./appended.ts";

/**
 * Remembers what failed while nobody was looking, so that a program that awaits no append hears of
 * it from the next `sync`.
 */
export class UnseenLosses {
  #lost: BrokerlessError | null = null;
  #refused: { count: number; error: BrokerlessError | null } = { count: 0, error: null };

  /** Everything in a commit is lost; who awaits one of its appends is told. */
  lose(commit: Commit, error: BrokerlessError): void {
    if (!commit.isObserved) this.#lost ??= error;
    commit.reject(error);
  }

  /**
   * @param when `"later"`: rejected in the next turn of the loop, so that who tries again at once
   *   does not keep everybody else from running
   * @returns an append that changed nothing; only while nobody looks at it is it a loss
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

  /** @returns the first loss since the last call of which nobody was told, or `null` */
  take(): BrokerlessError | null {
    const loss = this.#lost ?? (this.#refused.count > 0 ? this.#refused.error : null);
    this.#lost = null;
    this.#refused = { count: 0, error: null };
    return loss;
  }
}
