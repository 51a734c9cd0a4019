/** So many failures of one address in a row, without a word about why, are news (count): fewer may be a server that restarts. */
const FAILURES_TOLD = 3;
/** An address is told no more often than this (milliseconds). */
const TELL_MS_MIN = 5_000;

/**
 * Counts the connections to an address of which tcp, or ipc, was made and the handshake was not, one after the other.
 *
 * libzmq says no more of a wrong `serverKey` than that the peer has hung up, as one that restarts does. So it is told
 * when it has happened some times in a row, and then now and then.
 *
 * Pure. Bounded by the addresses that a socket is connected to.
 *
 * @see docs/decisions/0057-failed-handshakes-at-the-connecting-side.md
 */
export class FailedHandshakes {
  readonly #failed = new Map<string, { count: number; toldMs: number }>();

  /** Whether the newest connection to an address ended before its handshake. */
  has(address: string): boolean {
    return this.#failed.has(address);
  }

  /** A connection ended before its handshake. */
  add(address: string): void {
    const failed = this.#failed.get(address);
    if (failed === undefined) {
      this.#failed.set(address, { count: 1, toldMs: Number.NEGATIVE_INFINITY });
    } else failed.count += 1;
  }

  /** Whether a failure that is about to be added, and has no cause that is known, is to be told now. */
  isNews(address: string, nowMs: number): boolean {
    const failed = this.#failed.get(address);
    if (failed === undefined || failed.count + 1 < FAILURES_TOLD) return false;
    if (nowMs - failed.toldMs < TELL_MS_MIN) return false;
    failed.toldMs = nowMs;
    return true;
  }

  /** A handshake was completed, or nobody wants the address any more. */
  forget(address: string): void {
    this.#failed.delete(address);
  }
}
