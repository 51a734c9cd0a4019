/** Gathered values of one key, in order. */
export interface GatheredValues {
  /** End of each value, relative to the start of the first one (bytes); may be longer than `count`. */
  readonly ends: readonly number[];
  readonly count: number;
  /** Encoded headers of each value; null where none has any. */
  readonly headers: readonly Buffer[] | null;
}

/** Limits of one frame. */
export interface FrameLimits {
  /** Values and headers together; a longer message gets a frame of its own (bytes). */
  readonly batchBytesMax: number;
  /** Values (count). */
  readonly batchCountMax: number;
  /** Headers, unless they are of one message (bytes). */
  readonly headersBytesMax: number;
}

/**
 * Divides gathered values into one share for each peer, and splits a share that is too long into
 * several frames. The remainder of an uneven division goes to a different peer each time.
 *
 * ZeroMQ gives each frame to the next peer in turn: with equal shares, in as many frames for each,
 * all peers get the same.
 *
 * @see docs/decisions/0002-adaptive-batching.md
 */
export class FrameDivision {
  readonly #limits: FrameLimits;
  /**
   * Offset, from the peer whose turn it is, of the first peer that gets a part of the remainder
   * (count).
   */
  #favoured = 0;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /**
   * Calls back for each frame, in order.
   *
   * @param peers at least 1 (count)
   * @param onFrame takes the values from index `first` to before index `next`
   */
  divide(
    gathered: GatheredValues,
    peers: number,
    onFrame: (first: number, next: number) => void,
  ): void {
    const { count } = gathered;
    const shares = Math.min(count, peers * this.#framesEach(gathered, peers));
    const extras = count % shares;
    const each = (count - extras) / shares;
    const favoured = this.#favoured % shares;
    let frames = 0;
    let first = 0;
    for (let share = 0; share < shares; share++) {
      const last = first + each + ((share - favoured + shares) % shares < extras ? 1 : 0);
      while (first < last) {
        const next = this.#cutBefore(gathered, first, last);
        onFrame(first, next);
        first = next;
        frames += 1;
      }
    }
    this.#favoured = (((this.#favoured + extras - frames) % peers) + peers) % peers;
  }

  /** Frames for each peer, so that none is too long (count). */
  #framesEach(gathered: GatheredValues, peers: number): number {
    const { count } = gathered;
    if (peers === 1 || peers >= count) return 1;
    let most = 1;
    let first = 0;
    for (let share = 1; share <= peers; share++) {
      const last = Math.floor((count * share) / peers);
      let frames = 0;
      for (; first < last; frames++) first = this.#cutBefore(gathered, first, last);
      if (frames > most) most = frames;
    }
    return most;
  }

  /** @returns the index after the last value that still fits into a frame that starts at `first` */
  #cutBefore(gathered: GatheredValues, first: number, last: number): number {
    const { ends, headers } = gathered;
    const begin = beginOf(ends, first);
    const most = Math.min(last, first + this.#limits.batchCountMax);
    if (headers !== null) return this.#cutHeadedBefore(ends, headers, first, most);
    const limit = begin + this.#limits.batchBytesMax;
    if (ends[most - 1]! <= limit) return most;
    let next = first + 1;
    while (next < most && ends[next]! <= limit) next += 1;
    return next;
  }

  /** Like `cutBefore`, with headers counted too, which have a limit of their own. */
  #cutHeadedBefore(
    ends: readonly number[],
    headers: readonly Buffer[],
    first: number,
    most: number,
  ): number {
    const { batchBytesMax, headersBytesMax } = this.#limits;
    const begin = beginOf(ends, first);
    let beside = headers[first]!.length;
    let next = first + 1;
    while (next < most) {
      beside += headers[next]!.length;
      if (ends[next]! - begin + beside > batchBytesMax) break;
      if (beside > headersBytesMax) break;
      next += 1;
    }
    return next;
  }
}

/** Start of the value at `index`, relative to the start of the first one (bytes). */
export function beginOf(ends: readonly number[], index: number): number {
  return index === 0 ? 0 : ends[index - 1]!;
}
