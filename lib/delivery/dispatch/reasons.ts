import type { DeadLetterRecord } from "./dead-letter-record.ts";

/** Why a message became a dead letter, as texts. */
type Cause = Pick<DeadLetterRecord, "reason" | "error">;

/** Replaces the rest of a text that was cut. */
const ELLIPSIS = "…";
const ELLIPSIS_BYTES = 3;

/**
 * The maximum length of texts with which all of them fit together: short texts stay whole, and the long ones share the
 * remaining room equally. Pure.
 *
 * @param lengths of the texts (bytes)
 * @returns the length to which longer texts must be cut (bytes); infinite if all fit whole
 */
export function fairLength(lengths: Iterable<number>, bytesMax: number): number {
  const sorted = [...lengths].sort((a, b) => a - b);
  let left = bytesMax;
  for (const [index, length] of sorted.entries()) {
    const share = Math.floor(left / (sorted.length - index));
    if (length > share) return share;
    left -= length;
  }
  return Number.POSITIVE_INFINITY;
}

/** Pure. @returns the text, or as much of its beginning as fits, followed by an ellipsis */
export function cutText(text: string, bytesMax: number): string {
  // A UTF-16 unit has three bytes at most.
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  if (bytesMax < ELLIPSIS_BYTES) return "";
  let end = bytesMax - ELLIPSIS_BYTES;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end) + ELLIPSIS;
}

/** Whether two dead letters have the same cause. Pure. */
export function isSameCause(a: Cause, b: Cause): boolean {
  if (a.reason !== b.reason) return false;
  if (a.error === b.error) return true;
  if (a.error === null || b.error === null) return false;
  const { name, message, code } = a.error;
  return name === b.error.name && message === b.error.message && code === b.error.code;
}

/** The texts of a cause. Pure. */
export function textsOf({ reason, error }: Cause): string[] {
  if (error === null) return [reason];
  const { name, message, code } = error;
  return code === null ? [reason, name, message] : [reason, name, message, code];
}

/** A cause with each text replaced by `change`. Pure except for `change`. */
export function mapTexts({ reason, error }: Cause, change: (text: string) => string): Cause {
  if (error === null) return { reason: change(reason), error };
  const { name, message, code } = error;
  const changed = { name: change(name), message: change(message) };
  return {
    reason: change(reason),
    error: { ...changed, code: code === null ? null : change(code) },
  };
}
