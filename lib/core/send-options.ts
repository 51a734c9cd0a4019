import { encodeHeaders, type HeaderLimits, type MessageHeaders } from "../batch/headers.ts";
import { checkNames } from "../options.ts";
import { WAIT_OPTIONS, type WaitOptions } from "../wait.ts";

/** The levels at which a `send` may resolve, weakest first. */
export const CONFIRM_LEVELS = ["queued", "stored", "delivered", "processed"] as const;

/**
 * `queued`: accepted in bounded memory. `stored`: in this side's journal, at its sync level; without one in memory
 * alone, as `queued`. `delivered`: a receiver holds it, in its memory, with an inbox too: this side keeps the message
 * until it is processed, so that a receiver that dies loses nothing. `processed`: a receiver has finished with it, and
 * with an inbox has that stored.
 */
export type ConfirmLevel = (typeof CONFIRM_LEVELS)[number];

/** Options of a call that sends a message, with or without an ack layer. */
export interface PlainSendOptions extends WaitOptions {
  /**
   * Names and texts beside the value, for programs on the way: a trace id, a tenant. Names have 1 to 255 bytes of UTF-8,
   * texts at most 65,535; the socket's `headersCountMax` and `headersBytesMax` bound them. What they are at the call is
   * sent, and receivers get it as `headers`. Default: none.
   *
   * @example { headers: { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" } }
   */
  readonly headers?: MessageHeaders | undefined;
  /** Without an ack layer a send is confirmed when it is in bounded memory. */
  readonly confirm?: "queued" | undefined;
}

/** Options of a call that sends a message or says that there is no room: it does not wait, and confirms nothing. */
export type TrySendOptions = Pick<PlainSendOptions, "headers">;

/** Options of one `send` with an ack layer. */
export interface SendOptions extends Omit<PlainSendOptions, "confirm"> {
  /** The level at which `send` resolves; without an ack layer there is only `queued`. */
  readonly confirm?: ConfirmLevel | undefined;
  /**
   * A message with an id that was sent before, perhaps by a process before this one, is not sent again: `send`
   * then resolves, or rejects, with what becomes of the first. With an ack layer; a bounded number of ids is remembered.
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
 * The headers of a call that does not wait, encoded as they are now.
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
