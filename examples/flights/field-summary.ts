import { createHash } from "node:crypto";
import { ExactSum } from "./exact-sum.ts";
import { type Cell, formatNumber } from "./table.ts";

/** The summary of one field, as plain data. */
export interface FieldPart {
  /** Number of values of each type. */
  readonly types: readonly (readonly [type: string, count: number])[];
  /** The smallest and the largest number; `null` without one. */
  readonly range: readonly [min: number, max: number] | null;
  readonly sum: readonly (number | null)[];
  /** The distinct strings and booleans; `null` when there are more than are kept. */
  readonly distinct: readonly string[] | null;
}

/** Most distinct strings that are kept, and sent with a batch's part (count). */
const DISTINCT_MAX = 100;
/** Most distinct values that are shown one by one, not by their number (count). */
const SHOWN_MAX = 4;
const STRING_CHARS_MAX = 64;

/** Types, range, mean and distinct values of one field. */
export class FieldSummary {
  readonly #types = new Map<string, number>();
  readonly #sum = new ExactSum();
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #distinct: Set<string> | null = new Set();

  add(value: unknown): void {
    const type = typeOf(value);
    this.#types.set(type, (this.#types.get(type) ?? 0) + 1);
    if (typeof value === "number") {
      this.#min = Math.min(this.#min, value);
      this.#max = Math.max(this.#max, value);
      this.#sum.add(value);
    } else if (typeof value === "string") {
      this.#remember(key(value));
    } else if (typeof value === "boolean") {
      this.#remember(String(value));
    }
  }

  merge(part: FieldPart): void {
    for (const [type, count] of part.types) {
      this.#types.set(type, (this.#types.get(type) ?? 0) + count);
    }
    if (part.range !== null) {
      this.#min = Math.min(this.#min, part.range[0]);
      this.#max = Math.max(this.#max, part.range[1]);
    }
    this.#sum.merge(part.sum);
    if (part.distinct === null) this.#distinct = null;
    else for (const value of part.distinct) this.#remember(value);
  }

  part(): FieldPart {
    return {
      types: [...this.#types],
      range: this.#min <= this.#max ? [this.#min, this.#max] : null,
      sum: this.#sum.snapshot(),
      distinct: this.#distinct === null ? null : [...this.#distinct],
    };
  }

  /** @returns count, types, min, max, mean, distinct */
  cells(): Cell[] {
    const types = [...this.#types].sort(([a], [b]) => (a < b ? -1 : 1));
    const count = types.reduce((sum, [, n]) => sum + n, 0);
    const names = types
      .map(([name, n]) => (types.length === 1 ? name : `${name} ${formatNumber(n)}`))
      .join(", ");
    const numbers = this.#types.get("number") ?? 0;
    if (numbers === 0) return [count, names, null, null, null, this.#distinctCell()];
    const sum = this.#sum.value();
    const mean = sum === null ? null : sum / numbers;
    // Adding zero turns -0 into 0, so that the two are one value.
    return [count, names, this.#min + 0, this.#max + 0, mean, this.#distinctCell()];
  }

  #distinctCell(): string {
    if (this.#distinct === null) return `more than ${DISTINCT_MAX}`;
    if (this.#distinct.size === 0) return "";
    if (this.#distinct.size > SHOWN_MAX) return String(this.#distinct.size);
    return [...this.#distinct].sort().join(", ");
  }

  #remember(value: string): void {
    if (this.#distinct === null) return;
    this.#distinct.add(value);
    if (this.#distinct.size > DISTINCT_MAX) this.#distinct = null;
  }
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** @returns the string itself or, for a long one, its start and a hash, so that distinct strings stay distinct */
function key(text: string): string {
  const whole = wellFormed(text);
  if (whole.length <= STRING_CHARS_MAX) return whole;
  const hash = createHash("sha1").update(whole).digest("base64url").slice(0, 16);
  return `${whole.slice(0, STRING_CHARS_MAX - 20)}\u2026${hash}`;
}

/** @returns `text` as it arrives in another process: UTF-8 cannot encode half of a surrogate pair, JSON can */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
