/**
 * The size of a message, as the credit counts it: the average of its batch, headers included, rounded up by at
 * most a sixteenth, so that ranges of messages that are much alike stay one range.
 *
 * Pure.
 *
 * @param bytes of a batch, less than 2^32
 * @param count its messages
 * @returns bytes
 */
export function messageBytes(bytes: number, count: number): number {
  const each = Math.ceil(bytes / count);
  const step = 2 ** Math.max(0, 27 - Math.clz32(each));
  return Math.ceil(each / step) * step;
}
