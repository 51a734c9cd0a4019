/** A member of a {@link WaitQueue}; only the queue writes these fields. */
export interface Queued<T> {
  isQueued: boolean;
  /** The members that joined right before and right after it; null outside the queue. */
  older: T | null;
  younger: T | null;
}

/** The fields of a member that has not joined yet. */
export const NOT_QUEUED: Queued<never> = Object.freeze({
  isQueued: false,
  older: null,
  younger: null,
});

/**
 * Waiting members in the order of their arrival. Joining, leaving early and being served take the same short time
 * however many wait; shifting an array of 100,000 takes milliseconds each time.
 *
 * A linked list, not a Set: once a Set has been moved to the old generation, each new table of it is allocated there,
 * and its former tables keep their contents alive until a collection of the whole heap. A member that has left keeps no
 * other member alive.
 *
 * @see docs/decisions/0081-garbage-kept-by-old-objects.md
 */
export class WaitQueue<T extends Queued<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  /** Waiting members (count). */
  get size(): number {
    return this.#size;
  }

  /** The member that has waited longest; null when none waits. */
  get first(): T | null {
    return this.#first;
  }

  /** @param member a member that is in no queue */
  join(member: T): void {
    const last = this.#last;
    member.isQueued = true;
    member.older = last;
    this.#last = member;
    if (last === null) this.#first = member;
    else last.younger = member;
    this.#size += 1;
  }

  /** @returns false when the member was not waiting */
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

  /** Removes and returns the member that has waited longest; null when none waits. */
  next(): T | null {
    const first = this.#first;
    if (first !== null) this.leave(first);
    return first;
  }

  /** Removes and returns all members. */
  clear(): T[] {
    const everybody: T[] = [];
    for (let member = this.next(); member !== null; member = this.next()) everybody.push(member);
    return everybody;
  }
}
