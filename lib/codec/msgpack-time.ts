const NANOSECONDS_MAX = 999_999_999;
const TWO_32 = 0x1_0000_0000;

/** Most bytes that a timestamp needs, its header included (bytes). */
export const TIMESTAMP_BYTES_MAX = 15;

/**
 * Reads the payload of a MessagePack timestamp; what is finer than a millisecond is dropped.
 *
 * @param length 4, 8 or 12 (bytes)
 * @throws Error for a time that a `Date` cannot hold, and for a second or more of nanoseconds
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type
 */
export function readTimestamp(view: DataView, at: number, length: 4 | 8 | 12): Date {
  let seconds = 0;
  let nanoseconds = 0;
  if (length === 4) seconds = view.getUint32(at);
  else if (length === 8) {
    const high = view.getUint32(at);
    nanoseconds = high >>> 2;
    seconds = (high & 3) * TWO_32 + view.getUint32(at + 4);
  } else {
    nanoseconds = view.getUint32(at);
    seconds = view.getInt32(at + 4) * TWO_32 + view.getUint32(at + 8);
  }
  const date = new Date(seconds * 1000 + nanoseconds / 1e6);
  if (nanoseconds > NANOSECONDS_MAX || Number.isNaN(date.getTime())) {
    throw new Error(`msgpack: the timestamp at byte ${at} is out of range`);
  }
  return date;
}

/**
 * Writes a date with its header, in the shortest of the three forms.
 *
 * @param at where it goes, with room for {@link TIMESTAMP_BYTES_MAX} (byte offset)
 * @returns where it ends (byte offset)
 * @throws TypeError for an invalid date
 */
export function writeTimestamp(date: Date, view: DataView, at: number): number {
  const milliseconds = date.getTime();
  if (Number.isNaN(milliseconds)) throw new TypeError("msgpack: an invalid Date cannot be encoded");
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = (milliseconds - seconds * 1000) * 1e6;
  const high = Math.floor(seconds / TWO_32);
  if (high === 0 && nanoseconds === 0) {
    view.setUint16(at, 0xd6ff);
    view.setUint32(at + 2, seconds);
    return at + 6;
  }
  if (high >= 0 && high < 4) {
    view.setUint16(at, 0xd7ff);
    view.setUint32(at + 2, nanoseconds * 4 + high);
    view.setUint32(at + 6, seconds);
    return at + 10;
  }
  view.setUint16(at, 0xc70c);
  view.setUint8(at + 2, 0xff);
  view.setUint32(at + 3, nanoseconds);
  view.setInt32(at + 7, high);
  view.setUint32(at + 11, seconds);
  return at + 15;
}
