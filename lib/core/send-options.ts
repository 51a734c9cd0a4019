import { encodeHeaders, type HeaderLimits, type MessageHeaders } from "../batch/headers.ts";
import { checkNames } from "../options.ts";
import { WAIT_OPTIONS, type WaitOptions } from "../wait.ts";

/** The levels at which a `send` may resolve, weakest first. */
export const CONFIRM_LEVELS = ["queued", "stored", "delivered", "processed"] as const;

/**
 * How far a message has come when `send` resolves.
 *
 * - `queued`: accepted in bounded memory.
 * - `stored`: in this side's journal, at its sync level. Without a journal in memory alone, as `queued`.
 * - `delivered`: a receiver has it in memory, even if that receiver has an inbox. This side keeps the message until it
 *   is processed, so a receiver that dies loses nothing.
 * - `processed`: a receiver has finished with it and, if it has an inbox, has stored that.
 */
export type ConfirmLevel = (typeof CONFIRM_LEVELS)[number];

/** Options of a call that sends a message, with or without an ack layer. */
export interface PlainSendOptions extends WaitOptions {
  /**
   * Names and texts sent beside the value, for programs along the way: a trace id, a tenant. Names have 1 to 255 bytes
   * of UTF-8, texts at most 65,535; the socket's `headersCountMax` and `headersBytesMax` limit them. They are copied at
   * the call. Receivers get them as `headers`. Default: none.
   *
   * @example { headers: { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" } }
   *
   * @see docs/decisions/0076-headers.md
   */
  readonly headers?: MessageHeaders | undefined;
  /** Without an ack layer `send` always resolves at `queued`, in bounded memory. */
  readonly confirm?: "queued" | undefined;
}

/**
 * Options of a call that sends a message or returns `false` where there is no room. It does not wait, and confirms
 * nothing.
 */
export type TrySendOptions = Pick<PlainSendOptions, "headers">;

/** Options of one `send` with an ack layer. */
export interface SendOptions extends Omit<PlainSendOptions, "confirm"> {
  /**
   * The level at which `send` resolves; without an ack layer only `queued` is allowed. Default: the socket's `confirm`.
   */
  readonly confirm?: ConfirmLevel | undefined;
  /**
   * An id for deduplication, with an ack layer. A message with an id that was sent before, even by an earlier process
   * with the same journal, is not sent again: `send` then resolves or rejects with the outcome of the first one. A
   * bounded number of ids is remembered.
   */
  readonly deduplicationId?: string | undefined;
}

/** The names of {@link SendOptions}. */
export const SEND_OPTIONS: readonly string[] = [
  ...WAIT_OPTIONS,
  "confirm",
  "deduplicationId",
  "headers",
];

/** The names of {@link TrySendOptions}. */
const TRY_OPTIONS: readonly string[] = ["headers"];

/**
 * The headers of a call that does not wait, encoded at once.
 *
 * @returns null for none
 * @throws TypeError for an unknown option, or headers that cannot be sent
 */
export function headersOfTry(
  call: string,
  options: TrySendOptions | undefined,
  limits: HeaderLimits,
): Buffer | null {
  if (options === undefined) return null;
  checkNames(call, options, TRY_OPTIONS);
  const { headers } = options;
  return headers === undefined ? null : encodeHeaders(call, headers, limits);
}
