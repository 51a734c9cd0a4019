import { describe } from "../../options.ts";

/** Separates the words of a topic. */
const SEPARATOR = ".";
/** Longest topic or pattern (bytes of UTF-8). */
export const TOPIC_BYTES_MAX = 1_024;

/**
 * A subscription: words separated by dots, in which `*` stands for one word and `#` for zero or more. Without either it
 * matches exactly one topic.
 *
 * Pure. `matches(t)` implies `t.startsWith(prefix)`, so that ZeroMQ can filter by the prefix.
 */
export class TopicPattern {
  /** The beginning of every matching topic; ZeroMQ filters by it at the publisher. */
  readonly prefix: string;
  readonly #text: string;
  /** Null for a pattern without wildcards. */
  readonly #words: readonly string[] | null;

  /** @throws TypeError as {@link checkPattern} */
  constructor(text: string) {
    checkPattern(text, "subscribe: pattern");
    const words = text.split(SEPARATOR);
    const wild = words.findIndex((word) => word === "*" || word === "#");
    this.#text = text;
    this.#words = wild < 0 ? null : words;
    this.prefix = wild < 0 ? text : literalPrefix(words, wild);
  }

  matches(topic: string): boolean {
    if (this.#words === null) return topic === this.#text;
    return matchWords(this.#words, topic.split(SEPARATOR));
  }
}

/** Half of a surrogate pair. It has no UTF-8 encoding: another topic would arrive. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A word that is a wildcard. */
const WILDCARD_WORD = /(?:^|\.)[*#](?:\.|$)/;
/** A word with a wildcard and something else. */
const WILDCARD_WITHIN = /[^.][*#]|[*#][^.]/;

/**
 * Checks the topic of a message. Words may be empty, or have a wildcard among other characters.
 *
 * @throws TypeError when it is not a well-formed string of 0 to {@link TOPIC_BYTES_MAX} bytes, or has a wildcard as a
 * word
 * @see docs/decisions/0012-topics-at-size.md
 */
export function checkTopic(topic: unknown, name: string): asserts topic is string {
  checkText(topic, name);
  if (!WILDCARD_WORD.test(topic)) return;
  const text = 'must not have "*" or "#" as a word, since these are wildcards of subscriptions';
  throw new TypeError(`${name} ${text}, got ${describe(topic)}`);
}

/**
 * Checks a subscription: wildcards stand alone, and it is no prefix as those of ZeroMQ are.
 *
 * @throws TypeError when it is not a well-formed string of 1 to {@link TOPIC_BYTES_MAX} bytes, has a wildcard within a
 * longer word, or ends with a dot
 * @see docs/decisions/0012-topics-at-size.md
 */
export function checkPattern(pattern: unknown, name: string): asserts pattern is string {
  checkText(pattern, name);
  if (pattern === "") {
    const text = 'must not be empty: a subscription is a pattern, not a prefix; "#" is all topics';
    throw new TypeError(`${name} ${text}`);
  }
  if (WILDCARD_WITHIN.test(pattern)) {
    const text =
      "must not have a wildcard within a longer word: wildcards stand alone between dots";
    const use = 'as in "prices.*" (one word) and "prices.#" (any number of words)';
    throw new TypeError(`${name} ${text}, ${use}, got ${describe(pattern)}`);
  }
  if (pattern.endsWith(SEPARATOR)) {
    const text = "must not end with a dot: a subscription is a pattern, not a prefix";
    const use = '"prices.#" is "prices" and all topics below it';
    throw new TypeError(`${name} ${text}; ${use}; got ${describe(pattern)}`);
  }
}

/** @throws TypeError when `topic` is not a well-formed string of 0 to {@link TOPIC_BYTES_MAX} bytes */
function checkText(topic: unknown, name: string): asserts topic is string {
  if (typeof topic !== "string")
    throw new TypeError(`${name} must be a string, got ${typeof topic}`);
  if (topic.startsWith("\0")) throw new TypeError(`${name} must not begin with a NUL`);
  if (LONE_SURROGATE.test(topic)) {
    throw new TypeError(`${name} must be well-formed: it has half of a surrogate pair`);
  }
  // A character has at most three bytes for each of its UTF-16 units.
  if (topic.length * 3 <= TOPIC_BYTES_MAX) return;
  const bytes = Buffer.byteLength(topic);
  if (bytes <= TOPIC_BYTES_MAX) return;
  throw new TypeError(`${name} must have at most ${TOPIC_BYTES_MAX} bytes, got ${bytes}`);
}

/** `#` may stand for no words at all, so the dot before it is not part of the prefix; before `*` it is. */
function literalPrefix(words: readonly string[], wild: number): string {
  const literal = words.slice(0, wild).join(SEPARATOR);
  return wild > 0 && words[wild] === "*" ? literal + SEPARATOR : literal;
}

/** Wildcard matching with a single backtracking point, so that it takes at most |pattern| x |topic| steps. */
function matchWords(pattern: readonly string[], topic: readonly string[]): boolean {
  let p = 0;
  let t = 0;
  let retryP = -1;
  let retryT = 0;
  while (t < topic.length) {
    if (pattern[p] === "#") {
      retryP = ++p;
      retryT = t;
    } else if (p < pattern.length && (pattern[p] === "*" || pattern[p] === topic[t])) {
      p += 1;
      t += 1;
    } else if (retryP >= 0) {
      p = retryP;
      t = ++retryT;
    } else return false;
  }
  while (pattern[p] === "#") p += 1;
  return p === pattern.length;
}
