import { createHash } from "node:crypto";
import { ExactSum } from "./exact-sum.ts";
import type { Cell } from "./table.ts";

/** What is known of one field, as plain data. */
export interface FieldPart {
  /** How many values there were of each type. */
  readonly types: readonly (readonly [type: string, count: number])[];
  /** The smallest and the largest number; `null` without one. */
  readonly range: readonly [min: number, max: number] | null;
  readonly sum: readonly (number | null)[];
  /** The different strings and booleans; `null` when there are more than are kept. */
  readonly distinct: readonly string[] | null;
}

/** Strings that are kept to count the different ones; a batch's part travels with them. */
const DISTINCT_MAX = 100;
/** So many different values are shown by themselves instead of by their number. */
const SHOWN_MAX = 4;
const STRING_CHARS_MAX = 64;

/** Types, range, mean and different values of one field. */
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
    const names = types.map(([name, n]) => (types.length === 1 ? name : `${name} ${n}`)).join(", ");
    const numbers = this.#types.get("number") ?? 0;
    if (numbers === 0) return [count, names, null, null, null, this.#distinctCell()];
    const sum = this.#sum.value();
    const mean = sum === null ? null : sum / numbers;
    // Adding zero makes -0 and 0, which are equal but not the same, one value.
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

/** @returns the string itself or, for a long one, its start and a hash: as different as the strings are */
function key(text: string): string {
  const whole = wellFormed(text);
  if (whole.length <= STRING_CHARS_MAX) return whole;
  const hash = createHash("sha1").update(whole).digest("base64url").slice(0, 16);
  return `${whole.slice(0, STRING_CHARS_MAX - 20)}\u2026${hash}`;
}

/** @returns `text` as it arrives in another process: UTF-8 cannot carry half of a surrogate pair, JSON can */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
