const NANOSECONDS_MAX = 999_999_999;
const DATE_MS_MAX = 8.64e15;
const TWO_32 = 0x1_0000_0000;

/** Whether the 8 bytes of a timestamp are those of a `Date`. Pure. @param at their start (byte offset) */
export function isTimestamp64(view: DataView, at: number): boolean {
  const high = view.getUint32(at);
  return isDate((high & 3) * TWO_32 + view.getUint32(at + 4), high >>> 2);
}

/** Whether the 12 bytes of a timestamp are those of a `Date`. Pure. @param at their start (byte offset) */
export function isTimestamp96(view: DataView, at: number): boolean {
  const seconds = view.getInt32(at + 4) * TWO_32 + view.getUint32(at + 8);
  return isDate(seconds, view.getUint32(at));
}

function isDate(seconds: number, nanoseconds: number): boolean {
  const isInRange = Math.abs(seconds * 1000 + nanoseconds / 1e6) <= DATE_MS_MAX;
  return nanoseconds <= NANOSECONDS_MAX && isInRange;
}
