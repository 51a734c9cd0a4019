import type { EntryInput } from "../batch/entry.ts";
import { expected, isPlain, quoted } from "../options.ts";
import { checkName, type ValueChanges, type ValueTable } from "./format/values.ts";
import type { Journal, Values } from "./journal.ts";

/** @throws TypeError for anything but bytes or an entry */
export function toEntries(entries: Parameters<Journal["append"]>[0]): EntryInput[] {
  const list = entries instanceof Uint8Array || !Array.isArray(entries) ? [entries] : entries;
  return list.map(toEntry);
}

/**
 * Checks named values and copies them.
 *
 * @throws TypeError for an invalid name, or a value that is not bytes
 * @throws BrokerlessError BROKERLESS_TOO_LARGE above 1 MiB of values
 */
export function toChanges(table: ValueTable, values: Values | undefined): ValueChanges | null {
  if (values === undefined) return null;
  if (!isPlain(values)) throw expected("values", "a plain object of names and bytes", values);
  const changes = new Map<string, Uint8Array | null>();
  for (const [name, value] of Object.entries(values)) {
    checkName("name of a value", name);
    if (value !== null) checkBytes(`value ${quoted(name)}`, value);
    changes.set(name, value === null ? null : Buffer.from(value));
  }
  table.assertRoom(changes);
  return changes;
}

function toEntry(entry: Uint8Array | EntryInput): EntryInput {
  if (entry instanceof Uint8Array) return { value: entry };
  if (typeof entry !== "object" || entry === null) {
    throw expected("entry", "a Buffer, a Uint8Array or { value }", entry);
  }
  checkBytes("entry value", entry.value);
  return entry;
}

function checkBytes(what: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw expected(what, "a Buffer or Uint8Array", value);
}
