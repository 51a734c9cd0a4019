/** Limits of the time before a failed message is retried. */
export interface BackOffLimits {
  /** Longest back-off after the first failure (milliseconds). */
  readonly retryMs: number;
  /** Longest back-off after any failure (milliseconds). */
  readonly retryMsMax: number;
}

/**
 * Exponential back-off with full jitter: between 0 and `min(retryMsMax, retryMs * 2^(attempt-1))`.
 *
 * Pure.
 *
 * @param attempt how often the message has failed, from 1 (count)
 * @param random from 0 up to, not including, 1
 * @returns the back-off (whole milliseconds)
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backOffMs(limits: BackOffLimits, attempt: number, random: number): number {
  const exponent = Math.min(Math.max(attempt - 1, 0), 52);
  const most = Math.min(limits.retryMsMax, limits.retryMs * 2 ** exponent);
  return Math.floor(random * (most + 1));
}
