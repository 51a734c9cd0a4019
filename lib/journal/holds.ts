import { getU64, putU64 } from "../batch/layout.ts";
import { expected, quoted } from "../options.ts";
import {
  checkName,
  VALUE_HOLD,
  VALUE_SEQ_FIRST,
  type ValueChanges,
  type ValueTable,
} from "./format/values.ts";

/** The named holds among a journal's values: limits that retention must not pass. */
export function readHolds(table: ValueTable): Map<string, number> {
  const holds = new Map<string, number>();
  for (const [name, value] of table.entries()) {
    if (!name.startsWith(VALUE_HOLD) || value === null) continue;
    holds.set(name.slice(VALUE_HOLD.length), getU64(value, 0));
  }
  return holds;
}

/** The lowest seq of all holds; infinite without any. */
export function lowestHold(table: ValueTable): number {
  return Math.min(Number.POSITIVE_INFINITY, ...readHolds(table).values());
}

/** @throws TypeError for an invalid name or seq */
export function holdChange(name: string, seq: number): ValueChanges {
  checkName("name of a hold", name);
  if (!(Number.isSafeInteger(seq) && seq >= 1)) {
    throw expected(`hold ${quoted(name)}`, "a seq from 1", seq);
  }
  return new Map([[VALUE_HOLD + name, seqValue(seq)]]);
}

/** @throws TypeError for an invalid name */
export function releaseChange(name: string): ValueChanges {
  checkName("name of a hold", name);
  return new Map([[VALUE_HOLD + name, null]]);
}

/** The first seq that a journal keeps. */
export function readSeqFirst(table: ValueTable): number {
  const value = table.get(VALUE_SEQ_FIRST);
  return value === null || value.length !== 8 ? 1 : getU64(value, 0);
}

/** The change that stores `seq` as the first kept entry. */
export function seqFirstChange(seq: number): ValueChanges {
  return new Map([[VALUE_SEQ_FIRST, seqValue(seq)]]);
}

function seqValue(seq: number): Uint8Array {
  const bytes = new Uint8Array(8);
  putU64(bytes, 0, seq);
  return bytes;
}
