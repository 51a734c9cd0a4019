import { TopicPattern } from "./topic-pattern.ts";

/** Receives the changes of subscriptions at ZeroMQ. */
export interface PrefixListener {
  add(prefix: string): void;
  remove(prefix: string): void;
}

/** Most topics whose match is cached; beyond it the cache is cleared (count). */
const VERDICTS_MAX = 4_096;

/**
 * The patterns of one subscriber. Each prefix is subscribed at ZeroMQ once, however many patterns share it.
 *
 * Invariant: a topic that matches some pattern begins with some prefix that was added and not removed.
 */
export class Subscriptions {
  readonly #listener: PrefixListener;
  readonly #patterns = new Map<string, TopicPattern>();
  readonly #prefixes = new Map<string, number>();
  readonly #verdicts = new Map<string, boolean>();

  constructor(listener: PrefixListener) {
    this.#listener = listener;
  }

  /** Prefixes subscribed at ZeroMQ (count). */
  get prefixes(): number {
    return this.#prefixes.size;
  }

  /**
   * @returns false when the pattern had been added before
   * @throws TypeError for a malformed pattern
   */
  add(text: string): boolean {
    if (this.#patterns.has(text)) return false;
    const pattern = new TopicPattern(text);
    this.#patterns.set(text, pattern);
    this.#verdicts.clear();
    const users = this.#prefixes.get(pattern.prefix) ?? 0;
    this.#prefixes.set(pattern.prefix, users + 1);
    if (users === 0) this.#listener.add(pattern.prefix);
    return true;
  }

  /** @returns false when the pattern had not been added */
  remove(text: string): boolean {
    const pattern = this.#patterns.get(text);
    if (pattern === undefined) return false;
    this.#patterns.delete(text);
    this.#verdicts.clear();
    const users = this.#prefixes.get(pattern.prefix)! - 1;
    if (users > 0) {
      this.#prefixes.set(pattern.prefix, users);
      return true;
    }
    this.#prefixes.delete(pattern.prefix);
    this.#listener.remove(pattern.prefix);
    return true;
  }

  /** Whether some pattern matches. The result is cached, since publishers repeat their topics. */
  match(topic: string): boolean {
    const known = this.#verdicts.get(topic);
    if (known !== undefined) return known;
    let verdict = false;
    for (const pattern of this.#patterns.values()) {
      if (!pattern.matches(topic)) continue;
      verdict = true;
      break;
    }
    if (this.#verdicts.size >= VERDICTS_MAX) this.#verdicts.clear();
    this.#verdicts.set(topic, verdict);
    return verdict;
  }
}
