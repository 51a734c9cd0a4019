import { randomBytes } from "node:crypto";

/** First characters of a subscription that only announces a subscriber. No topic may begin so. */
export const MARK = "\0brokerless\0";
/** Longest mark that is believed (characters). */
const MARK_CHARS_MAX = 80;
/** Marks that are remembered, so that no peer can make us remember more (count). */
const MARKS_MAX = 65_536;

/**
 * A subscription by which a subscriber says: all that I asked for before has reached you.
 *
 * A subscriber sends its subscriptions in order and this one last. It names the subscriber, counts its
 * prefixes, and matches no topic that is ever published.
 */
export class SubscriberMark {
  readonly #id = randomBytes(12).toString("base64url");
  #change = 0;
  #current: string | null = null;

  /**
   * @param prefixes how many prefixes the subscriber asks for now (count)
   * @returns the mark to ask for, and the one to give up afterwards, if any
   */
  next(prefixes: number): { readonly add: string | null; readonly remove: string | null } {
    const remove = this.#current;
    this.#current = prefixes === 0 ? null : `${MARK}${this.#id}.${++this.#change}.${prefixes}`;
    return { add: this.#current, remove };
  }
}

/** What a subscription message meant. */
export type CensusChange =
  | { readonly type: "subscribe" | "unsubscribe"; readonly prefix: string }
  | { readonly type: "mark" };

/**
 * Counts the subscribers of a publisher whose subscriptions have arrived, from XPUB's messages.
 *
 * XPUB does not say who subscribes. Our subscribers announce themselves with a {@link SubscriberMark};
 * what remains are subscriptions of others, of which each connection is taken to have at least one.
 *
 * Pure. Invariant: `count(peers) <= max(peers, marked subscribers)`.
 */
export class SubscriberCensus {
  /** Prefixes that each marked subscriber asks for (count), by its mark. */
  readonly #marks = new Map<string, number>();
  /** Marks of each subscriber (count): two for a moment, while it replaces one by the next. */
  readonly #subscribers = new Map<string, number>();
  #subscriptions = 0;
  #markedSubscriptions = 0;

  /** @param message a message read from XPUB: 1 or 0, then the prefix; anything else is not for us */
  read(message: Buffer): CensusChange | null {
    const adds = message[0] === 1;
    if (!adds && message[0] !== 0) return null;
    const prefix = message.toString("utf8", 1);
    if (prefix.startsWith(MARK)) {
      this.#mark(prefix, adds);
      return { type: "mark" };
    }
    this.#subscriptions = Math.max(0, this.#subscriptions + (adds ? 1 : -1));
    return { type: adds ? "subscribe" : "unsubscribe", prefix };
  }

  /**
   * @param peers connections that have completed the handshake (count)
   * @returns subscribers that will get what is published from now on (count)
   */
  count(peers: number): number {
    const marked = this.#subscribers.size;
    const others = this.#subscriptions - this.#markedSubscriptions;
    // ZeroMQ may deliver a new connection's subscriptions in any order: then the mark comes too early.
    if (others < 0) return Math.max(0, marked + others);
    return marked + Math.min(Math.max(0, peers - marked), others);
  }

  #mark(mark: string, adds: boolean): void {
    if (mark.length > MARK_CHARS_MAX) return;
    const subscriber = mark.slice(MARK.length, mark.indexOf(".", MARK.length));
    const prefixes = Number(mark.slice(mark.lastIndexOf(".") + 1));
    if (!Number.isSafeInteger(prefixes) || prefixes < 0) return;
    const marks = this.#subscribers.get(subscriber) ?? 0;
    if (adds) {
      if (this.#marks.has(mark) || this.#marks.size >= MARKS_MAX) return;
      this.#marks.set(mark, prefixes);
      this.#subscribers.set(subscriber, marks + 1);
      this.#markedSubscriptions += prefixes;
      return;
    }
    if (!this.#marks.delete(mark)) return;
    this.#markedSubscriptions -= prefixes;
    if (marks > 1) this.#subscribers.set(subscriber, marks - 1);
    else this.#subscribers.delete(subscriber);
  }
}
