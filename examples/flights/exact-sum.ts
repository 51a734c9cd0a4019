/** Numbers from this size on are left out of a sum, so that it cannot overflow, whatever else is in it. */
const SUMMAND_MAX = 2 ** 960;

/**
 * A sum of floating-point numbers that does not depend on the order and grouping of additions.
 *
 * A pipeline adds in the order of arrival, a single process in the order of the file. With `+` they would differ in the
 * last digits, and comparing them would prove nothing. Invariant: the parts do not overlap, grow in magnitude, and
 * their mathematical sum is exactly the sum of the added numbers.
 *
 * @see J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997; Python's math.fsum
 */
export class ExactSum {
  #parts: number[] = [];
  #complete = true;

  /** Adds one number. */
  add(value: number): void {
    if (Math.abs(value) >= SUMMAND_MAX) {
      this.#complete = false;
      return;
    }
    let x = value;
    let kept = 0;
    for (const part of this.#parts) {
      const [large, small] = Math.abs(x) < Math.abs(part) ? [part, x] : [x, part];
      const high = large + small;
      const low = small - (high - large);
      if (low !== 0) this.#parts[kept++] = low;
      x = high;
    }
    this.#parts.length = kept;
    if (x !== 0) this.#parts.push(x);
  }

  /** Adds the contents of another sum, from its `snapshot`. */
  merge(other: readonly (number | null)[]): void {
    for (const part of other) {
      if (part === null) this.#complete = false;
      else this.add(part);
    }
  }

  /** @returns the whole state as plain data; a `null` in it means that a number was left out */
  snapshot(): (number | null)[] {
    return this.#complete ? [...this.#parts] : [...this.#parts, null];
  }

  /** @returns the double nearest to the exact sum; `null` when a number was too large to add */
  value(): number | null {
    if (!this.#complete) return null;
    const parts = [...this.#parts];
    let high = parts.pop() ?? 0;
    let low = 0;
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const before = high;
      high = before + part;
      low = part - (high - before);
      if (low !== 0) break;
    }
    // Half-way between two doubles, the lower parts decide.
    const below = parts.at(-1) ?? 0;
    if ((low < 0 && below < 0) || (low > 0 && below > 0)) {
      const twice = low * 2;
      const rounded = high + twice;
      if (twice === rounded - high) high = rounded;
    }
    return high;
  }
}
