/** First pause before a connection is dialled again (milliseconds). */
const PAUSE_MS = 100;
/** Longest pause, to which up to as much is added at random: 2 s, as with libzmq (milliseconds). */
const PAUSE_MS_MAX = 1_000;

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
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** lost.tries) * (1 + Math.random());
    lost.timer = setTimeout(() => {
      lost.timer = null;
      lost.tries += 1;
      this.#dial(address);
    }, pauseMs);
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
