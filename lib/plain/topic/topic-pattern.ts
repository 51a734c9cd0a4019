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

  /** @throws TypeError when the pattern is not a string of acceptable length */
  constructor(text: string) {
    checkTopic(text, "subscribe: pattern");
    const words = text.split(SEPARATOR);
    const wild = words.findIndex((word) => word === "*" || word === "#");
    this.#text = text;
    this.#words = wild < 0 ? null : words;
    this.prefix = wild < 0 ? text : literalPrefix(words, wild);
  }

  /** The only topic that it matches; null where it has wildcards. */
  get only(): string | null {
    return this.#words === null ? this.#text : null;
  }

  matches(topic: string): boolean {
    if (this.#words === null) return topic === this.#text;
    return matchWords(this.#words, topic.split(SEPARATOR));
  }
}

/** Half of a surrogate pair. It has no UTF-8 encoding: another topic would arrive. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** @throws TypeError when `topic` is not a well-formed string of 0 to {@link TOPIC_BYTES_MAX} bytes */
export function checkTopic(topic: unknown, name: string): void {
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
