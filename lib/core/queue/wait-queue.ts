/**
 * Those who wait, in the order of their coming. Joining, leaving early and being served take the same
 * short time however many wait; shifting an array of 100,000 takes milliseconds each time.
 */
export class WaitQueue<T extends object> {
  readonly #waiting = new Set<T>();
  /** Stays valid while members come and go; starts afresh when it has come to the end. */
  #order: Iterator<T> = this.#waiting.values();
  #first: T | null = null;

  /** Those who wait (count). */
  get size(): number {
    return this.#waiting.size;
  }

  /** Who has waited longest; null when nobody waits. */
  get first(): T | null {
    if (this.#first !== null) return this.#first;
    let { done, value } = this.#order.next();
    if (done === true) {
      this.#order = this.#waiting.values();
      ({ done, value } = this.#order.next());
    }
    this.#first = done === true ? null : value;
    return this.#first;
  }

  join(member: T): void {
    this.#waiting.add(member);
  }

  /** @returns false when it was not waiting */
  leave(member: T): boolean {
    if (this.#first === member) this.#first = null;
    return this.#waiting.delete(member);
  }

  /** Takes who has waited longest off the list; null when nobody waits. */
  next(): T | null {
    const { first } = this;
    if (first !== null) this.leave(first);
    return first;
  }

  /** Takes everybody off the list. */
  clear(): T[] {
    const everybody = [...this.#waiting];
    this.#waiting.clear();
    this.#first = null;
    return everybody;
  }
}
