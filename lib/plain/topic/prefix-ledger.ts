/** The part of one announcement that waits in a {@link PrefixLedger}. */
export interface Claim {
  /** Prefixes that it announced and that may not be here (count). */
  awaited: number;
  /** Prefixes that had arrived when it was announced, over all time (count). */
  from: number;
}

/**
 * Prefixes of one kind that a publisher has: how many are here, how many were announced, and how many of those are
 * missing. XPUB does not say whose a prefix is, so what arrives is taken to be what is missing.
 *
 * Pure. Invariant: what all claims await together is what has arrived for them and what is missing.
 */
export class PrefixLedger {
  #here = 0;
  #needed = 0;
  #missing = 0;
  /** Over all time (count). */
  #arrived = 0;
  /** Arrived for claims that are not settled, nobody knows for which (count). */
  #unsettled = 0;

  get missing(): number {
    return this.#missing;
  }

  /** Prefixes that nobody has announced (count). */
  get others(): number {
    return Math.max(0, this.#here - (this.#needed - this.#missing));
  }

  /** A prefix has arrived. @returns whether it was missing */
  arrive(): boolean {
    this.#here += 1;
    this.#arrived += 1;
    if (this.#missing === 0) return false;
    this.#missing -= 1;
    this.#unsettled += 1;
    return true;
  }

  /** A prefix was given up. */
  leave(): void {
    this.#here = Math.max(0, this.#here - 1);
  }

  /**
   * A subscriber announces `now` prefixes, where it had announced `before`.
   *
   * @param here how many of them are here by now (count)
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
    // It has given some up, and those have arrived before.
    const fewer = Math.max(0, claim.awaited - now);
    claim.awaited -= fewer;
    const settled = Math.min(fewer, this.#unsettled);
    this.#unsettled -= settled;
    this.#missing = Math.max(0, this.#missing - (fewer - settled));
  }

  /** Whether enough has arrived since the claim was made for it to be complete. */
  covers({ awaited, from }: Claim): boolean {
    return awaited <= this.#unsettled && awaited <= this.#arrived - from;
  }

  /** What the claim awaits is here: of what has arrived, so much is its own. */
  settle(claim: Claim): void {
    this.#unsettled = Math.max(0, this.#unsettled - claim.awaited);
    claim.awaited = 0;
  }

  /**
   * Nobody waits for what is missing of the claim any more. It is taken to be what lacks of all, as far as it can.
   *
   * @returns what was missing (count)
   */
  strike(claim: Claim): number {
    const missing = Math.min(claim.awaited, this.#missing);
    this.#needed -= missing;
    this.#missing -= missing;
    this.settle({ ...claim, awaited: claim.awaited - missing });
    claim.awaited = 0;
    return missing;
  }

  /** What was announced is announced no more (count). */
  withdraw(count: number): void {
    this.#needed -= count;
  }
}
