/**
 * A set that finds the element added first at once.
 *
 * A plain set would be iterated from its start each time, over the places of all recently deleted elements.
 */
export class OldestFirst<T> {
  readonly #all = new Set<T>();
  /** All elements it has passed are deleted, except `#first`. */
  #walk: Iterator<T> = this.#all.values();
  #first: T | null = null;

  /** The first of the elements added and not deleted since; null if there is none. */
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

  /** Adds an element behind all others, unless it is present. */
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
