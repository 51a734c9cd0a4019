import { type FieldPart, FieldSummary, wellFormed } from "./field-summary.ts";
import type { Cell, Table } from "./table.ts";

/** The partial summary of each field, by name. */
export interface ShapePart {
  readonly records: number;
  readonly fields: readonly (readonly [name: string, part: FieldPart])[];
}

/** Most fields that are shown: of a file with more, those that come first in the alphabet (count). */
const FIELDS_MAX = 200;

/** The name under which records that are not objects are listed. */
const WHOLE_RECORD = "(the record)";

/** The fields of any records: their frequency, types and values. */
export class ShapeSummary {
  readonly #fields = new Map<string, FieldSummary>();
  #records = 0;

  add(record: unknown): void {
    this.#records++;
    if (typeof record !== "object" || record === null || Array.isArray(record)) {
      this.#field(WHOLE_RECORD).add(record);
      return;
    }
    for (const [name, value] of Object.entries(record)) {
      this.#field(wellFormed(name)).add(value);
    }
  }

  merge(part: ShapePart): void {
    this.#records += part.records;
    for (const [name, field] of part.fields) this.#field(name).merge(field);
  }

  part(): ShapePart {
    const fields = [...this.#fields].map(([name, field]) => [name, field.part()] as const);
    return { records: this.#records, fields };
  }

  table(): Table {
    const names = [...this.#fields.keys()].sort();
    const total: Cell[] = ["(all records)", this.#records, "", null, null, null, ""];
    return {
      columns: ["field", "count", "types", "min", "max", "mean", "distinct"],
      rows: [...names.map((name) => [name, ...this.#field(name).cells()]), total],
    };
  }

  #field(name: string): FieldSummary {
    const known = this.#fields.get(name);
    if (known !== undefined) return known;
    const field = new FieldSummary();
    this.#fields.set(name, field);
    // Drops the last name in the alphabet, not the newest. The result is then the same in every order of records: a
    // name among the first at the end was among the first all the time.
    if (this.#fields.size > FIELDS_MAX) {
      const last = [...this.#fields.keys()].sort().at(-1)!;
      this.#fields.delete(last);
    }
    return field;
  }
}
