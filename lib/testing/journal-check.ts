import type { TestContext } from "node:test";
import { BrokerlessError } from "../errors.ts";
import type { Journal, ReadOptions } from "../journal/journal.ts";

/** A journal implementation under test. */
export interface JournalSubject {
  /** Name of the implementation in the names of the tests. */
  readonly name: string;
  /** Opens a journal in a new, empty place; the suite closes it. */
  create(t: TestContext): Promise<Journal>;
  /**
   * Opens the place of a closed journal again; `null` for a journal that does not outlive `close`.
   */
  readonly reopen: ((closed: Journal) => Promise<Journal>) | null;
}

/** Tests one promise with journals from `open`. */
export type JournalCheck = (open: () => Promise<Journal>, subject: JournalSubject) => Promise<void>;

/** A value that is readable in a failure's message. */
export function bytes(text: string): Buffer {
  return Buffer.from(text);
}

/** A check for `assert.rejects` and `assert.throws`. */
export function rejectsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof BrokerlessError && error.code === code;
}

/** All entries of a read, as pairs of seq and text. */
export async function texts(journal: Journal, options?: ReadOptions): Promise<[number, string][]> {
  const read: [number, string][] = [];
  for await (const entry of journal.read(options)) read.push([entry.seq, String(entry.value)]);
  return read;
}
