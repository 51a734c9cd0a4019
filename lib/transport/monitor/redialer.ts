import { retryPauseMs } from "../native/retry-pause.ts";

/**
 * Reconnects where libzmq gives up permanently: after a protocol error (a wrong greeting, mechanism
 * or socket type, a refused key, a frame over the limit) it never does so itself.
 *
 * Its monitor does not report the reason; but where libzmq does reconnect, it announces that
 * together with the loss. Pauses grow and are jittered, as libzmq's own.
 *
 * @see docs/decisions/0004-security.md
 */
export class Redialer {
  readonly #dial: (address: string) => void;
  /** Failed attempts of each address, and the timer of the next one. */
  readonly #lost = new Map<string, { tries: number; timer: NodeJS.Timeout | null }>();

  /** @param dial connects to the address once more */
  constructor(dial: (address: string) => void) {
    this.#dial = dial;
  }

  /** The connection to `address` has ended. */
  onLost(address: string): void {
    const lost = this.#lost.get(address) ?? { tries: 0, timer: null };
    this.#lost.set(address, lost);
    if (lost.timer !== null) return;
    const waitMs = retryPauseMs(lost.tries);
    lost.timer = setTimeout(() => {
      lost.timer = null;
      lost.tries += 1;
      this.#dial(address);
    }, waitMs);
  }

  /** Whether a dial of `address` is scheduled. */
  isDue(address: string): boolean {
    return (this.#lost.get(address)?.timer ?? null) !== null;
  }

  /** libzmq reconnects to `address` by itself. */
  onRetry(address: string): void {
    const lost = this.#lost.get(address);
    if (lost === undefined || lost.timer === null) return;
    clearTimeout(lost.timer);
    lost.timer = null;
  }

  /** The connection to `address` is up, or the address was released. */
  forget(address: string): void {
    this.onRetry(address);
    this.#lost.delete(address);
  }

  close(): void {
    for (const address of [...this.#lost.keys()]) this.forget(address);
  }
}
