/** Pauses before a connection is dialled again grow from this (milliseconds). */
const PAUSE_MS = 100;
/** Longest pause, to which up to as much is added at random: 2 s, as with libzmq (milliseconds). */
const PAUSE_MS_MAX = 1_000;

/**
 * Dials connections again that libzmq gives up for good: after a protocol error (a wrong greeting,
 * mechanism or socket type, a refused key, a frame over the limit) it never does so itself.
 *
 * Its monitor does not say which it was; but where libzmq does dial again, it announces that in the same
 * moment as the loss. Pauses grow and are jittered, as libzmq's own.
 *
 * @see docs/decisions/0004-security.md
 */
export class Redialer {
  readonly #dial: (address: string) => void;
  /** How often each address was dialled in vain, and the next time. */
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

  /** Whether `address` is going to be dialled. */
  isDue(address: string): boolean {
    return (this.#lost.get(address)?.timer ?? null) !== null;
  }

  /** libzmq dials `address` by itself. */
  onRetry(address: string): void {
    const lost = this.#lost.get(address);
    if (lost === undefined || lost.timer === null) return;
    clearTimeout(lost.timer);
    lost.timer = null;
  }

  /** The connection to `address` stands, or nobody wants it any more. */
  forget(address: string): void {
    this.onRetry(address);
    this.#lost.delete(address);
  }

  close(): void {
    for (const address of [...this.#lost.keys()]) this.forget(address);
  }
}
