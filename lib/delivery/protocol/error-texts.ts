import type { HandlerError } from "../../handler-error.ts";
import { peerMessage, peerText } from "../../peer-text.ts";
import { type LinkMessage, REJECT_FLAG, TEXT_BYTES_MAX } from "./link-message.ts";

/** Longest text of a reason or an error in a link message (characters). */
export const ERROR_TEXT_LENGTH_MAX = 1_000;

/** Why a receiver rejected a message. */
export interface Rejection {
  readonly reason: string;
  /** The handler's error; null where none is reported. */
  readonly error: HandlerError | null;
}

/** Encodes the text of a nack: JSON `{ name, message, code }`; its texts are shortened until it fits. Pure. */
export function encodeError(error: HandlerError): string {
  return fitting((lengthMax) => shortened(error, lengthMax));
}

/**
 * Decodes the text of a nack, made safe for a log. Pure; never throws.
 *
 * @returns null if the text is empty; a text that is not a JSON object is used as the error's message
 */
export function decodeError(text: string): HandlerError | null {
  if (text === "") return null;
  return errorOf(parse(text)) ?? { name: "Error", message: peerMessage(text), code: null };
}

/** Encodes the text of a reject: the reason alone, or, with a flag, JSON `{ reason, error }`. Pure. */
export function encodeRejection({ reason, error }: Rejection): { text: string; flags: number } {
  if (error === null) return { text: reason, flags: 0 };
  const text = fitting((lengthMax) => {
    return { reason: reason.slice(0, lengthMax), error: shortened(error, lengthMax) };
  });
  return { text, flags: REJECT_FLAG.error };
}

/** Decodes the text of a reject, made safe for a log. Pure; never throws. */
export function decodeRejection({ text, flags }: Pick<LinkMessage, "text" | "flags">): Rejection {
  const parsed = (flags & REJECT_FLAG.error) === 0 ? null : parse(text);
  if (typeof parsed?.reason !== "string") return { reason: peerMessage(text), error: null };
  return { reason: peerMessage(parsed.reason), error: errorOf(parsed.error) };
}

/** An error in one line, in the format of Node: `Error [ENOENT]: no such file`, or `Error: ENOENT: no such file`. */
function errorText({ name, message, code }: HandlerError): string {
  const head = code === null || message.startsWith(`${code}:`) ? name : `${name} [${code}]`;
  return message === "" ? head : `${head}: ${message}`;
}

/** Why a message is a dead letter, in one line. Pure. */
export function deadLetterText({ reason, error }: Rejection): string {
  if (error === null) return reason;
  return error.message === reason ? errorText(error) : `${reason}: ${errorText(error)}`;
}

function errorOf(value: unknown): HandlerError | null {
  if (typeof value !== "object" || value === null) return null;
  const { name, message, code } = value as Record<string, unknown>;
  return {
    name: typeof name === "string" ? peerText(name) : "Error",
    message: typeof message === "string" ? peerMessage(message) : "",
    code: typeof code === "string" ? peerText(code) : null,
  };
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function shortened({ name, message, code }: HandlerError, lengthMax: number): HandlerError {
  const cut = (text: string) => text.slice(0, lengthMax);
  return { name: cut(name), message: cut(message), code: code === null ? null : cut(code) };
}

/** Calls `make` with shorter and shorter lengths until its result, as JSON, fits the text of a link message. */
function fitting(make: (lengthMax: number) => object): string {
  for (let lengthMax = ERROR_TEXT_LENGTH_MAX; ; lengthMax >>= 1) {
    const text = JSON.stringify(make(lengthMax));
    if (Buffer.byteLength(text) <= TEXT_BYTES_MAX) return text;
  }
}
