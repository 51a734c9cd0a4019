import type { Clock } from "../../clock.ts";

/** Where a message stands among those of its topic: a decoded order frame, see `order-frame.ts`. */
export interface TopicPlace {
  readonly publisher: string;
  readonly topic: string;
  /** Number of the topic's numbering, u32: it grows whenever the publisher numbers the topic anew. */
  readonly numbering: number;
  /** Values of the topic before this message, since its numbering began (count). */
  readonly before: number;
}

/** A cancelled subscription: the topics to which it belonged. */
export interface CancelledPattern {
  /** The only topic that it matches; null where it has wildcards. */
  readonly only: string | null;
  matches(topic: string): boolean;
}

/** What is known of a topic of one publisher. */
interface Known {
  readonly publisher: string;
  numbering: number;
  /** Values of the topic before the message after the last one with a number (count). */
  next: number;
  /** Values of the topic that came without a number since then, of this publisher or of others (count). */
  unnumbered: number;
  /** The same topic of another publisher. */
  other: Known | null;
}

/** Topics that are remembered before the oldest are forgotten (count, those of several publishers several times). */
export const KNOWN_MAX = 8_192;
/** Most publishers of one topic that are told apart (count). */
export const PUBLISHERS_MAX = 64;
/**
 * For so long after a subscription was cancelled, its topics are not compared (milliseconds): messages from before and
 * from after the time without it would look like a gap.
 */
export const SETTLE_MS = 10_000;
/** Most cancelled patterns that are told apart in that time (count); with more, no topic is compared. */
export const CANCELLED_MAX = 64;

/**
 * Finds out how many values a subscriber has missed, by the numbers of those that came. Pure.
 *
 * A topic's values are numbered by their publisher, and some messages have the number, so a gap between two of these is
 * proof, whatever else the subscriber has subscribed to. Not a gap are: the first message of a topic that comes here, another publisher or
 * another life of one, the same message over a second connection, and a topic that was cancelled. Where something was
 * forgotten, on either side, or several publishers send to one topic, less is found, never more.
 *
 * Invariant: at most 2 * {@link KNOWN_MAX} topics are remembered.
 *
 * @see docs/decisions/0083-missed-and-stale-messages.md
 */
export class Gaps {
  readonly #clock: Clock;
  #recent = new Map<string, Known>();
  #former = new Map<string, Known>();
  /** Entries of `#recent`, those of other publishers too (count). */
  #count = 0;
  #cancelled: { readonly pattern: CancelledPattern; readonly untilMs: number }[] = [];
  #allUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * To be called for each message without a number: its publisher is not known, so it may be of any that sends to the
   * topic.
   *
   * @param count its values; null where it could not be read
   */
  pass(topic: string, count: number | null): void {
    if (count === null) this.#forget(topic);
    let known = this.#recent.get(topic) ?? this.#former.get(topic) ?? null;
    for (; known !== null; known = known.other) known.unnumbered += count ?? 0;
  }

  /**
   * To be called for each message with a number, in the order of their arrival.
   *
   * @param count its values; null where it could not be read
   * @returns values that are missing between it and the last one of its topic (count)
   */
  take(place: TopicPlace, count: number | null): number {
    const { publisher, topic, numbering, before } = place;
    if (this.#isSettling && this.#isUnsettled(topic)) {
      this.#forget(topic);
      return 0;
    }
    let known: Known | null = this.#recent.get(topic) ?? this.#use(topic);
    while (known !== null && known.publisher !== publisher) known = known.other;
    if (known === null) {
      if (count !== null) this.#learn(place, count);
      return 0;
    }
    let between: number;
    if (known.numbering === numbering) between = before - known.next;
    else between = (numbering - known.numbering) >>> 0 < 2 ** 31 ? before : -1;
    // It came over a second connection, too.
    if (between < 0) return 0;
    const missed = Math.max(0, between - known.unnumbered);
    known.numbering = numbering;
    known.next = before + (count ?? 0);
    known.unnumbered = 0;
    // What its message had is not known, so the next one proves nothing.
    if (count === null) this.#forget(topic);
    return missed;
  }

  /** To be called when a subscription was cancelled. Takes time for each topic that is remembered, if it has wildcards. */
  cancel(pattern: CancelledPattern): void {
    const nowMs = this.#clock.nowMs();
    const untilMs = nowMs + SETTLE_MS;
    this.#cancelled = this.#cancelled.filter((each) => each.untilMs > nowMs);
    if (this.#cancelled.length >= CANCELLED_MAX) {
      this.#cancelled = [];
      this.#allUntilMs = untilMs;
    }
    if (this.#allUntilMs > nowMs) {
      this.#allUntilMs = untilMs;
      this.#clear();
      return;
    }
    this.#cancelled.push({ pattern, untilMs });
    if (pattern.only !== null) this.#forget(pattern.only);
    else {
      for (const topic of [...this.#recent.keys(), ...this.#former.keys()]) {
        if (pattern.matches(topic)) this.#forget(topic);
      }
    }
  }

  get #isSettling(): boolean {
    return this.#cancelled.length > 0 || this.#allUntilMs > 0;
  }

  #isUnsettled(topic: string): boolean {
    const nowMs = this.#clock.nowMs();
    if (this.#allUntilMs > nowMs) return true;
    this.#allUntilMs = Number.NEGATIVE_INFINITY;
    if ((this.#cancelled[0]?.untilMs ?? nowMs) <= nowMs) {
      this.#cancelled = this.#cancelled.filter(({ untilMs }) => untilMs > nowMs);
    }
    return this.#cancelled.some(({ pattern }) => pattern.matches(topic));
  }

  /** Moves what was used before to what is used now. */
  #use(topic: string): Known | null {
    const known = this.#former.get(topic);
    if (known === undefined) return null;
    this.#former.delete(topic);
    let entries = 0;
    for (let each: Known | null = known; each !== null; each = each.other) entries += 1;
    this.#makeRoom(entries);
    this.#recent.set(topic, known);
    return known;
  }

  #learn({ publisher, topic, numbering, before }: TopicPlace, count: number): void {
    this.#makeRoom(1);
    let other = this.#recent.get(topic) ?? null;
    let others = 0;
    for (let each = other; each !== null; each = each.other) others += 1;
    if (others >= PUBLISHERS_MAX) other = null;
    this.#recent.set(topic, { publisher, numbering, next: before + count, unnumbered: 0, other });
  }

  #makeRoom(entries: number): void {
    if (this.#count + entries > KNOWN_MAX) {
      this.#former = this.#recent;
      this.#recent = new Map();
      this.#count = 0;
    }
    this.#count += entries;
  }

  #forget(topic: string): void {
    this.#recent.delete(topic);
    this.#former.delete(topic);
  }

  #clear(): void {
    this.#recent = new Map();
    this.#former = new Map();
    this.#count = 0;
  }
}
