/** A cell. A number is right-aligned and grouped; `null` is an empty cell. */
export type Cell = string | number | null;

/** A result to print, and to compare with another one. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

const CELL_CHARS_MAX = 44;

/** @returns the table as text, in lines without trailing space */
export function formatTable(table: Table): string {
  const cells = [table.columns, ...table.rows].map((row) => row.map(formatCell));
  const widths = table.columns.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const isNumeric = table.columns.map((_, column) =>
    table.rows.every((row) => typeof row[column] !== "string"),
  );
  const pad = (text: string, column: number) =>
    isNumeric[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
  const lines = cells.map((row) => row.map(pad).join("  ").trimEnd());
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

/** @returns a text about the first cell in which two tables differ; `null` when they are the same */
export function findDifference(actual: Table, expected: Table): string | null {
  if (actual.rows.length !== expected.rows.length) {
    return `${actual.rows.length} rows instead of ${expected.rows.length}`;
  }
  for (const [index, row] of expected.rows.entries()) {
    for (const [column, cell] of row.entries()) {
      const got = actual.rows[index]?.[column];
      if (Object.is(got, cell)) continue;
      return `row ${index + 1}, ${expected.columns[column]}: ${String(got)} instead of ${String(cell)}`;
    }
  }
  return null;
}

/** @returns a number formatted for people: grouped, and without useless digits */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e15)) return value.toPrecision(4);
  return value.toLocaleString("en-US", { maximumFractionDigits: size < 10 ? 3 : 2 });
}

function formatCell(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return formatNumber(cell);
  // Text from a file may contain escape sequences of a terminal.
  const text = cell.replace(/\p{C}/gu, "\u00b7");
  return text.length <= CELL_CHARS_MAX ? text : `${text.slice(0, CELL_CHARS_MAX - 3)}...`;
}
