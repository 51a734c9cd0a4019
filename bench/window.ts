/** How long a closed window waits for progress, even on a busy machine, until its messages count as lost (ms). */
const PATIENCE_MS = 20_000;

/**
 * Keeps a sender from running more than so many messages ahead of its slowest receiver, in the same way for every
 * system, so that a pattern that may drop messages has no reason to.
 *
 * A window that stays closed means that the last messages were lost: it then opens by itself, and the run counts the
 * loss instead of hanging.
 */
export class Window {
  readonly #messagesMax: number;
  #received = 0;
  #wake: (() => void) | null = null;

  /** @param messagesMax how far the sender may run ahead (count) */
  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  /** Whether message `seq` has to wait; if so, await {@link opened}. */
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

  /** To be called when the slowest receiver has all messages before `next`. */
  advance(next: number): void {
    if (next <= this.#received) return;
    this.#received = next;
    this.#wake?.();
    this.#wake = null;
  }
}
