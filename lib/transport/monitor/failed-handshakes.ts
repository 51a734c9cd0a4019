/**
 * Consecutive unexplained failures of one address that are reported (count); fewer may be a server
 * that restarts.
 */
const FAILURES_TOLD = 3;
/** Shortest time between two reports of an address (milliseconds). */
const REPORT_MS_MIN = 5_000;

/**
 * Counts the consecutive connections to an address that were made over tcp or ipc but ended before
 * the handshake.
 *
 * For a wrong `serverKey`, libzmq reports only that the peer has hung up, as for one that restarts.
 * Therefore it is reported after several consecutive failures, and then at intervals.
 *
 * Pure. Bounded by the addresses to which a socket is connected.
 *
 * @see docs/decisions/0057-failed-handshakes-at-the-connecting-side.md
 */
export class FailedHandshakes {
  readonly #failed = new Map<string, { count: number; reportedMs: number }>();

  /** Whether the newest connection to an address ended before its handshake. */
  has(address: string): boolean {
    return this.#failed.has(address);
  }

  /** A connection ended before its handshake. */
  add(address: string): void {
    const failed = this.#failed.get(address);
    if (failed === undefined) {
      this.#failed.set(address, { count: 1, reportedMs: Number.NEGATIVE_INFINITY });
    } else failed.count += 1;
  }

  /** Whether a failure of unknown cause that is about to be added should be reported now. */
  isNews(address: string, nowMs: number): boolean {
    const failed = this.#failed.get(address);
    if (failed === undefined || failed.count + 1 < FAILURES_TOLD) return false;
    if (nowMs - failed.reportedMs < REPORT_MS_MIN) return false;
    failed.reportedMs = nowMs;
    return true;
  }

  /** A handshake was completed, or the address was released. */
  forget(address: string): void {
    this.#failed.delete(address);
  }
}
