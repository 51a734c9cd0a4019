import type { BrokerlessError } from "../../errors.ts";
import type { Commit } from "./appended.ts";
import type { Group } from "./group-queue.ts";

/** How long entries are refused at most (ms): acknowledgements are saved again within 20. */
const YIELD_MS = 1_000;

/**
 * Lets named values through on a full disk. They share groups with entries; so whoever sends on and
 * on would take each attempt to store an acknowledgement down with its own, and nothing would ever
 * be freed. Once that has happened twice, entries are refused until values have been stored: once, it may
 * have been the very entries that the disk had no room for.
 */
export class ValuesFirst {
  /** Commits that carry values which came without entries, or copies that make room. */
  readonly #waiting = new Set<Commit>();
  /** Whether values failed since some were stored. */
  #hasFailed = false;
  #since: { readonly error: BrokerlessError; readonly untilMs: number } | null = null;

  /** Values came without entries, or copies that make room. */
  added(commit: Commit): void {
    this.#waiting.add(commit);
  }

  /** @returns why entries have to wait, or `null`: on all days but those when the disk is full */
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
