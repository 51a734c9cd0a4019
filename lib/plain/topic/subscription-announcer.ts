import { randomBytes } from "node:crypto";
import { MARK } from "./subscriber-counter.ts";

/** The native socket of a subscriber. */
export interface AnnouncerTarget {
  subscribe(prefix: string): void;
  unsubscribe(prefix: string): void;
}

/**
 * Asks publishers for the prefixes of one subscriber, and tells them how many there are.
 *
 * Changes gather until `flush`. Then a mark goes ahead of new prefixes, and another follows prefixes
 * that are given up: so a mark never announces fewer than a publisher has, and a publisher that has as
 * many as announced has all. The first mark comes before the first prefix, because ZeroMQ repeats them
 * to a new connection in that order; but for the empty prefix, which comes before all, and which makes
 * the others superfluous.
 *
 * @see docs/decisions/0005-knowing-subscribers.md
 */
export class SubscriptionAnnouncer {
  readonly #target: AnnouncerTarget;
  readonly #id: string = randomBytes(12).toString("base64url");
  /** Behind every mark: how the subscriber is called. */
  readonly #name: string;
  readonly #wanted = new Set<string>();
  /** What the target was asked for. */
  readonly #asked = new Set<string>();
  readonly #marks: string[] = [];
  #markCount = 0;

  /** @param name how the subscriber is called; null: it has no name */
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

  /** Asks for what was added since the last call, and gives up what was removed. */
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
    const mark = `${MARK}${this.#id}.${this.#markCount}.${prefixes}${this.#name}`;
    this.#marks.push(mark);
    this.#target.subscribe(mark);
  }
}
