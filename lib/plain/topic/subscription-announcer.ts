import { randomBytes } from "node:crypto";
import { MARK } from "./subscriber-counter.ts";

/** The native socket of a subscriber. */
export interface AnnouncerTarget {
  subscribe(prefix: string): void;
  unsubscribe(prefix: string): void;
}

/**
 * Subscribes one subscriber to prefixes at its publishers, and announces their number.
 *
 * Changes are collected until `flush`. Then a mark is sent before new prefixes, and another after cancelled prefixes.
 * So a mark never announces fewer prefixes than a publisher has, and a publisher that has as many as announced has all
 * of them. The first mark precedes the first prefix, because ZeroMQ repeats subscriptions to a new connection in that
 * order. The exception is the empty prefix, which precedes all, and which makes the others superfluous.
 *
 * @see docs/decisions/0005-knowing-subscribers.md
 */
export class SubscriptionAnnouncer {
  readonly #target: AnnouncerTarget;
  /** The id by which the subscriber announces itself. */
  readonly id: string = randomBytes(12).toString("base64url");
  /** The end of every mark: a space and the subscriber's name, or nothing. */
  readonly #name: string;
  readonly #wanted = new Set<string>();
  /** Prefixes to which the target is subscribed. */
  readonly #asked = new Set<string>();
  readonly #marks: string[] = [];
  #markCount = 0;

  /** @param name the subscriber's name; null where it has none */
  constructor(target: AnnouncerTarget, name: string | null = null) {
    this.#target = target;
    this.#name = name === null ? "" : ` ${name}`;
  }

  add(prefix: string): void {
    this.#wanted.add(prefix);
  }

  remove(prefix: string): void {
    this.#wanted.delete(prefix);
  }

  /** Subscribes to the prefixes added since the last call, and cancels the removed ones. */
  flush(): void {
    const wanted = this.#wanted.has("") ? new Set([""]) : this.#wanted;
    const added = [...wanted].filter((prefix) => !this.#asked.has(prefix));
    const removed = [...this.#asked].filter((prefix) => !wanted.has(prefix));
    for (const prefix of added) this.#asked.add(prefix);
    if (added.length > 0) this.#mark();
    for (const prefix of added) this.#target.subscribe(prefix);
    for (const prefix of removed) {
      this.#asked.delete(prefix);
      this.#target.unsubscribe(prefix);
    }
    if (removed.length > 0 && this.#asked.size > 0) this.#mark();
    const outdated = this.#marks.length - (this.#asked.size > 0 ? 1 : 0);
    for (const mark of this.#marks.splice(0, outdated)) this.#target.unsubscribe(mark);
  }

  #mark(): void {
    this.#markCount += 1;
    const all = this.#asked.has("");
    const prefixes = all ? `${this.#asked.size - 1}.*` : String(this.#asked.size);
    const mark = `${MARK}${this.id}.${this.#markCount}.${prefixes}${this.#name}`;
    this.#marks.push(mark);
    this.#target.subscribe(mark);
  }
}
