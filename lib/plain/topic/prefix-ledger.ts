/** The part of one announcement that waits in a {@link PrefixLedger}. */
export interface Claim {
  /** Announced prefixes that may not have arrived (count). */
  awaited: number;
  /** Prefixes that had arrived in total when it was announced (count). */
  from: number;
}

/**
 * The prefixes of one kind at a publisher: how many are present, how many were announced, and how many of those are
 * missing. XPUB does not report whose a prefix is, so a prefix that arrives is taken to be a missing one.
 *
 * Pure. Invariant: the sum awaited by all claims is the sum of the prefixes that arrived for them and those missing.
 */
export class PrefixLedger {
  #here = 0;
  #needed = 0;
  #missing = 0;
  /** Prefixes that have arrived, in total (count). */
  #arrived = 0;
  /** Prefixes that arrived for unsettled claims, not known for which (count). */
  #unsettled = 0;

  get missing(): number {
    return this.#missing;
  }

  /** Prefixes that no subscriber has announced (count). */
  get others(): number {
    return Math.max(0, this.#here - (this.#needed - this.#missing));
  }

  /** To be called when a prefix has arrived. @returns whether it was missing */
  arrive(): boolean {
    this.#here += 1;
    this.#arrived += 1;
    if (this.#missing === 0) return false;
    this.#missing -= 1;
    this.#unsettled += 1;
    return true;
  }

  /** To be called when a prefix was cancelled. */
  leave(): void {
    this.#here = Math.max(0, this.#here - 1);
  }

  /**
   * To be called when a subscriber announces `now` prefixes, after `before` in its previous announcement.
   *
   * @param here how many of them are already present (count)
   */
  announce(
    claim: Claim,
    { before, now, here }: { readonly before: number; readonly now: number; readonly here: number },
  ): void {
    if (claim.awaited === 0) claim.from = this.#arrived;
    const more = Math.max(0, now - before - here);
    this.#needed += now - before;
    this.#missing += more;
    claim.awaited += more;
    // It has cancelled some, and those had arrived before.
    const fewer = Math.max(0, claim.awaited - now);
    claim.awaited -= fewer;
    const settled = Math.min(fewer, this.#unsettled);
    this.#unsettled -= settled;
    this.#missing = Math.max(0, this.#missing - (fewer - settled));
  }

  /** Whether enough prefixes have arrived since the claim was made for it to be complete. */
  covers({ awaited, from }: Claim): boolean {
    return awaited <= this.#unsettled && awaited <= this.#arrived - from;
  }

  /** To be called when the prefixes of the claim have arrived: takes its share of the arrived ones. */
  settle(claim: Claim): void {
    this.#unsettled = Math.max(0, this.#unsettled - claim.awaited);
    claim.awaited = 0;
  }

  /**
   * Stops waiting for the missing prefixes of the claim. As many of all missing ones as possible are taken to be its
   * own.
   *
   * @returns how many were missing (count)
   */
  strike(claim: Claim): number {
    const missing = Math.min(claim.awaited, this.#missing);
    this.#needed -= missing;
    this.#missing -= missing;
    this.settle({ ...claim, awaited: claim.awaited - missing });
    claim.awaited = 0;
    return missing;
  }

  /** To be called when announced prefixes are no longer announced (count). */
  withdraw(count: number): void {
    this.#needed -= count;
  }
}
