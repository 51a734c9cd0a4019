/** How long a shut window waits for progress before it takes what is outstanding for lost (ms). */
const PATIENCE_MS = 2_000;

/**
 * Keeps a sender from running more than so many messages ahead of its slowest receiver, the same
 * way for every system, so that a pattern that may drop messages has no reason to.
 *
 * A window that stays shut means a loss at the tail: it opens by itself, and the run counts the loss
 * instead of hanging.
 */
export class Window {
  readonly #messagesMax: number;
  #received = 0;
  #wake: (() => void) | null = null;

  /** @param messagesMax how far the sender may be ahead (count) */
  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  /** Whether message `seq` has to wait; then await {@link opened}. */
  isShut(seq: number): boolean {
    return seq - this.#received >= this.#messagesMax;
  }

  /** Resolves when message `seq` may be sent. */
  async opened(seq: number): Promise<void> {
    while (this.isShut(seq)) {
      const progress = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE_MS, false);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      if (!progress) this.#received = seq;
    }
  }

  /** The slowest receiver has seen every message before `next`. */
  advance(next: number): void {
    if (next <= this.#received) return;
    this.#received = next;
    this.#wake?.();
    this.#wake = null;
  }
}
