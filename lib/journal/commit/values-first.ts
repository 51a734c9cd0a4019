import type { BrokerlessError } from "../../errors.ts";
import type { Commit } from "./appended.ts";
import type { Group } from "./group-queue.ts";

/**
 * Longest time for which entries are refused (ms): acknowledgements are saved again within 20 ms.
 */
const YIELD_MS = 1_000;

/**
 * Gives named values priority on a full disk. They share groups with entries. A program that keeps
 * sending would therefore make each attempt to store an acknowledgement fail with its entries, and
 * nothing would ever be freed. After the second such failure, entries are refused until values have
 * been stored. After the first they are not, because those entries may have been exactly what the
 * disk had no room for.
 */
export class ValuesFirst {
  /** Commits with values that came without entries, or with copies that make room. */
  readonly #waiting = new Set<Commit>();
  /** Whether values have failed since the last ones were stored. */
  #hasFailed = false;
  #since: { readonly error: BrokerlessError; readonly untilMs: number } | null = null;

  /** Registers values that came without entries, or copies that make room. */
  added(commit: Commit): void {
    this.#waiting.add(commit);
  }

  /**
   * @returns the error with which entries are refused for now, or `null`, except while the disk is
   *   full
   */
  get refusal(): BrokerlessError | null {
    if (this.#since !== null && performance.now() > this.#since.untilMs) this.#since = null;
    return this.#since?.error ?? null;
  }

  stored({ commit }: Group): void {
    if (!this.#waiting.delete(commit)) return;
    this.#since = null;
    this.#hasFailed = false;
  }

  /** A full disk has refused the groups. */
  failed(groups: readonly Group[], error: BrokerlessError): void {
    let isHit = false;
    for (const { commit } of groups) if (this.#waiting.delete(commit)) isHit = true;
    if (isHit && this.#hasFailed) this.#since = { error, untilMs: performance.now() + YIELD_MS };
    this.#hasFailed ||= isHit;
  }
}
