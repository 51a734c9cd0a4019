/** A member of a {@link WaitQueue}, which alone writes these. */
export interface Queued<T> {
  isQueued: boolean;
  /** Who joined right before it, and right after it; null outside the queue. */
  older: T | null;
  younger: T | null;
}

/** Of a member that has not joined yet. */
export const NOT_QUEUED: Queued<never> = Object.freeze({
  isQueued: false,
  older: null,
  younger: null,
});

/**
 * Those who wait, in the order of their coming. Joining, leaving early and being served take the same
 * short time however many wait; shifting an array of 100,000 takes milliseconds each time.
 *
 * A list, and not a Set: once a Set has been moved to the old objects, each new table of it is made there, and the
 * tables that it has left keep what was in them, until a collection of the whole heap. And who has left keeps nobody.
 */
export class WaitQueue<T extends Queued<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  /** Those who wait (count). */
  get size(): number {
    return this.#size;
  }

  /** Who has waited longest; null when nobody waits. */
  get first(): T | null {
    return this.#first;
  }

  /** @param member one that waits nowhere */
  join(member: T): void {
    const last = this.#last;
    member.isQueued = true;
    member.older = last;
    this.#last = member;
    if (last === null) this.#first = member;
    else last.younger = member;
    this.#size += 1;
  }

  /** @returns false when it was not waiting */
  leave(member: T): boolean {
    if (!member.isQueued) return false;
    const { older, younger } = member;
    if (older === null) this.#first = younger;
    else older.younger = younger;
    if (younger === null) this.#last = older;
    else younger.older = older;
    member.isQueued = false;
    member.older = null;
    member.younger = null;
    this.#size -= 1;
    return true;
  }

  /** Takes who has waited longest off the list; null when nobody waits. */
  next(): T | null {
    const first = this.#first;
    if (first !== null) this.leave(first);
    return first;
  }

  /** Takes everybody off the list. */
  clear(): T[] {
    const everybody: T[] = [];
    for (let member = this.next(); member !== null; member = this.next()) everybody.push(member);
    return everybody;
  }
}
