import type { TestContext } from "node:test";
import { BrokerlessError } from "../errors.ts";
import type { Journal, ReadOptions } from "../journal/journal.ts";

/** A kind of journal to be tested. */
export interface JournalSubject {
  /** How it is called in the names of the tests. */
  readonly name: string;
  /** Opens a journal in a place where none was; the suite closes it. */
  create(t: TestContext): Promise<Journal>;
  /** Opens the place of a closed journal again; `null` for one that does not outlive its closing. */
  readonly reopen: ((closed: Journal) => Promise<Journal>) | null;
}

/** Tests one promise on journals that `open` makes. */
export type JournalCheck = (open: () => Promise<Journal>, subject: JournalSubject) => Promise<void>;

/** A value that can be read in a failure's message. */
export function bytes(text: string): Buffer {
  return Buffer.from(text);
}

/** For `assert.rejects` and `assert.throws`. */
export function rejectsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof BrokerlessError && error.code === code;
}

/** Everything that a read gives, as pairs of seq and text. */
export async function texts(journal: Journal, options?: ReadOptions): Promise<[number, string][]> {
  const read: [number, string][] = [];
  for await (const entry of journal.read(options)) read.push([entry.seq, String(entry.value)]);
  return read;
}
