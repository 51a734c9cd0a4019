/** A topic of a publisher, and how many of its values were published. */
export interface NumberedTopic {
  /** The topic in UTF-8. */
  readonly bytes: Buffer;
  /** Number of this numbering among all of the publisher, u32. */
  readonly numbering: number;
  /** Values published since the numbering began (count). */
  count: number;
  /** When the last order frame was written (monotonic milliseconds); minus infinity before the first one. */
  orderedMs: number;
}

/** Most topics that are used before the oldest are forgotten (count). */
export const TOPICS_MAX = 4_096;

/**
 * The topics of a publisher: their bytes, and the number of the next value of each. Pure.
 *
 * At least the {@link TOPICS_MAX} topics used last are remembered, and at most twice as many. A topic that was forgotten
 * begins a new numbering, so that a subscriber does not compare numbers that belong to different ones.
 */
export class NumberedTopics {
  /** Topics used since the last turn, and those of the turn before: a topic used in neither is forgotten. */
  #recent = new Map<string, NumberedTopic>();
  #former = new Map<string, NumberedTopic>();
  #numberings = 0;

  /** Whether the topic is remembered. */
  has(topic: string): boolean {
    return this.#recent.has(topic) || this.#former.has(topic);
  }

  get(topic: string): NumberedTopic {
    return this.#recent.get(topic) ?? this.#use(topic);
  }

  #use(topic: string): NumberedTopic {
    const numbered = this.#former.get(topic) ?? this.#begin(topic);
    if (this.#recent.size >= TOPICS_MAX) {
      this.#former = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(topic, numbered);
    return numbered;
  }

  #begin(topic: string): NumberedTopic {
    this.#numberings = (this.#numberings + 1) >>> 0;
    return {
      bytes: Buffer.from(topic),
      numbering: this.#numberings,
      count: 0,
      orderedMs: Number.NEGATIVE_INFINITY,
    };
  }
}
