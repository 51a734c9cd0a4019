import type { Clock } from "../../../clock.ts";

/** Rest before room is looked for, doubled each time that none was made (milliseconds). */
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 30_000;

/** Dependencies of {@link RoomSeeker}. */
export interface RoomSeekerOptions {
  readonly clock: Clock;
  /** Frees what can be freed. @returns whether that made room; it never rejects */
  readonly seek: () => Promise<boolean>;
}

/**
 * Knows that a journal's disk is full, and has what can be freed freed, now and then: on a full disk nothing more is
 * settled that would be a reason to.
 *
 * @see docs/decisions/0029-limits-of-a-disk.md
 */
export class RoomSeeker {
  readonly #options: RoomSeekerOptions;
  #isShort = false;
  #pauseMs = PAUSE_MS;
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: RoomSeekerOptions) {
    this.#options = options;
  }

  /** Whether the disk was full when it was last written to. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** Whether room is looked for soon. */
  get isWaiting(): boolean {
    return this.#cancel !== null;
  }

  /** A full disk has refused something. */
  shortage(): void {
    this.#isShort = true;
    if (this.#stopped) return;
    this.#cancel ??= this.#options.clock.after(this.#pauseMs, () => void this.#seek());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  async #seek(): Promise<void> {
    this.#cancel = null;
    // What is refused while it looks is a reason to look again.
    this.#isShort = true;
    const hasMade = await this.#options.seek();
    this.#pauseMs = hasMade ? PAUSE_MS : Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    if (this.#cancel === null) this.#isShort = false;
  }
}
