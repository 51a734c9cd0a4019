/**
 * A set of which the first that was added is found at once.
 *
 * A plain set is walked from its beginning for that, where the places of all that were deleted lately still are.
 */
export class OldestFirst<T> {
  readonly #all = new Set<T>();
  /** What it has passed is deleted, but for `#first`. */
  #walk: Iterator<T> = this.#all.values();
  #first: T | null = null;

  /** The first of those added and not deleted since; null: there is none. */
  get first(): T | null {
    if (this.#first === null && this.#all.size > 0) {
      let next = this.#walk.next();
      if (next.done === true) {
        this.#walk = this.#all.values();
        next = this.#walk.next();
      }
      this.#first = next.value;
    }
    return this.#first;
  }

  /** Adds one behind all others, unless it is there. */
  add(value: T): void {
    this.#all.add(value);
  }

  delete(value: T): void {
    this.#all.delete(value);
    if (this.#first === value) this.#first = null;
  }

  has(value: T): boolean {
    return this.#all.has(value);
  }
}
