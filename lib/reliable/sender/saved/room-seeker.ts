import type { Clock } from "../../../clock.ts";

/** Pause before room is sought, doubled after each attempt that made none (milliseconds). */
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 30_000;

/** Dependencies of {@link RoomSeeker}. */
export interface RoomSeekerOptions {
  readonly clock: Clock;
  /** Frees what can be freed. @returns whether that made room; it never rejects */
  readonly seek: () => Promise<boolean>;
}

/**
 * Remembers that a journal's disk is full, and at intervals triggers freeing: on a full disk no further messages are
 * settled that would trigger it.
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

  /** Whether the disk was full at the last write. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** Whether an attempt to make room is scheduled. */
  get isWaiting(): boolean {
    return this.#cancel !== null;
  }

  /** A full disk has refused a write. */
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
    // A write refused during the attempt schedules another one.
    this.#isShort = true;
    const hasMade = await this.#options.seek();
    this.#pauseMs = hasMade ? PAUSE_MS : Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    if (this.#cancel === null) this.#isShort = false;
  }
}
