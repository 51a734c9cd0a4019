/** Where a frame stands among those of its publisher: a decoded order frame, see `order-frame.ts`. */
export interface RoundPlace {
  readonly publisher: string;
  readonly round: number;
  /** Positions (count); 0 where the frame is a round of its own. */
  readonly count: number;
  /** Whether values that come after their round are delivered all the same, instead of dropped. */
  readonly keepsLate: boolean;
  positionOf(index: number): number;
}

/** Values of a received frame. */
export interface RoundValues<V> {
  /** They are handed on as they are, where the frame is a round of its own. */
  readonly values: V[];
  /** Index in its frame of each value; null where none is missing. */
  readonly indexes: readonly number[] | null;
  readonly place: RoundPlace;
  /** Whether the subscriber expects a later frame of the round. */
  readonly hasLater: boolean;
  /** Length of the frame. */
  readonly bytes: number;
}

/** A round of which frames are still expected. */
interface OpenRound<V> {
  readonly publisher: string;
  readonly round: number;
  readonly values: V[];
  readonly positions: number[];
  bytes: number;
  /** When the rest is no longer expected (monotonic milliseconds). */
  dueMs: number;
}

/** A round whose next frame does not come for so long is delivered as it is (milliseconds). */
export const ROUND_MS_MAX = 1_000;
/** Most bytes of the frames of open rounds; beyond it the longest round is delivered as it is. */
export const HELD_BYTES_MAX: number = 8 * 2 ** 20;
/** Most open rounds (count); beyond it the longest one is delivered too. */
export const OPEN_MAX = 1_024;
/** Most publishers whose last round is remembered (count). */
const PUBLISHERS_MAX = 4_096;

/**
 * Restores the order over all topics of each publisher. Pure.
 *
 * A frame of a round is held until the last frame of the round that the subscriber expects; then the values of the
 * round are delivered in their order. The rest of a round is no longer expected when a frame of a later round has come,
 * or after {@link ROUND_MS_MAX}: a publisher drops frames for a slow subscriber, and a subscription may be newer than
 * the round. A frame that comes still later is dropped, since its values are no longer in order.
 *
 * @see docs/decisions/0082-rounds-of-topics.md
 */
export class Rounds<V> {
  /** Open rounds by publisher, oldest first. */
  readonly #open = new Map<string, OpenRound<V>>();
  /** The last delivered round of each publisher. */
  readonly #delivered = new Map<string, number>();
  #bytes = 0;
  #dropped = 0;

  /** Values that came after their round (count). */
  get dropped(): number {
    return this.#dropped;
  }

  /** When the earliest open round is due (monotonic milliseconds); infinity for none. */
  get dueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const round of this.#open.values()) dueMs = Math.min(dueMs, round.dueMs);
    return dueMs;
  }

  /**
   * Takes the values of a frame.
   *
   * @returns the values that can be delivered, round by round
   */
  take(frame: RoundValues<V>, nowMs: number): V[][] {
    const { publisher, round } = frame.place;
    const ready: V[][] = [];
    const open = this.#open.get(publisher);
    if (open !== undefined && open.round < round) this.#deliver(open, ready);
    if (round <= (this.#delivered.get(publisher) ?? -1)) {
      if (!frame.place.keepsLate) this.#dropped += frame.values.length;
      else if (frame.values.length > 0) ready.push(frame.values);
      return ready;
    }
    if (frame.place.count === 0) {
      this.#remember(publisher, round);
      if (frame.values.length > 0) ready.push(frame.values);
      return ready;
    }
    const held = this.#hold(frame, nowMs);
    if (!frame.hasLater) this.#deliver(held, ready);
    while (this.#bytes > HELD_BYTES_MAX || this.#open.size > OPEN_MAX) {
      this.#deliver(this.#longest(), ready);
    }
    return ready;
  }

  /** @returns the values of the rounds that are due */
  expire(nowMs: number): V[][] {
    const ready: V[][] = [];
    for (const round of [...this.#open.values()]) {
      if (round.dueMs <= nowMs) this.#deliver(round, ready);
    }
    return ready;
  }

  #hold(frame: RoundValues<V>, nowMs: number): OpenRound<V> {
    const { publisher, round } = frame.place;
    let open = this.#open.get(publisher);
    if (open === undefined) {
      open = { publisher, round, values: [], positions: [], bytes: 0, dueMs: 0 };
      this.#open.set(publisher, open);
    }
    open.dueMs = nowMs + ROUND_MS_MAX;
    open.bytes += frame.bytes;
    this.#bytes += frame.bytes;
    const { values, indexes, place } = frame;
    for (let at = 0; at < values.length; at++) {
      open.values.push(values[at]!);
      open.positions.push(place.positionOf(indexes === null ? at : indexes[at]!));
    }
    return open;
  }

  #longest(): OpenRound<V> {
    return [...this.#open.values()].reduce((longest, round) =>
      round.bytes > longest.bytes ? round : longest,
    );
  }

  #deliver(round: OpenRound<V>, ready: V[][]): void {
    this.#open.delete(round.publisher);
    this.#bytes -= round.bytes;
    this.#remember(round.publisher, round.round);
    if (round.values.length > 0) ready.push(inOrder(round));
  }

  #remember(publisher: string, round: number): void {
    this.#delivered.delete(publisher);
    this.#delivered.set(publisher, round);
    if (this.#delivered.size <= PUBLISHERS_MAX) return;
    const [oldest] = this.#delivered.keys();
    this.#delivered.delete(oldest!);
  }
}

/** The values by position. Of two with one position the first is kept: the same frame came twice. */
function inOrder<V>({ values, positions }: OpenRound<V>): V[] {
  let last = 0;
  for (const position of positions) last = Math.max(last, position);
  const indexes = new Uint32Array(last + 1);
  for (let at = values.length; at > 0; at--) indexes[positions[at - 1]!] = at;
  const ordered: V[] = [];
  for (const at of indexes) if (at > 0) ordered.push(values[at - 1]!);
  return ordered;
}
