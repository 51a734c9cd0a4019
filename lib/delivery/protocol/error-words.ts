import type { HandlerError } from "../../handler-error.ts";
import { peerMessage, peerText } from "../../peer-text.ts";
import { type LinkMessage, REJECT_FLAG, TEXT_BYTES_MAX } from "./link-message.ts";

/** Longest text of a reason or an error that is said (characters). */
export const SAID_LENGTH_MAX = 1_000;

/** Why a receiver never wants to see a message again. */
export interface Rejection {
  readonly reason: string;
  /** What its handler had failed with; null where it says none. */
  readonly error: HandlerError | null;
}

/** The text of a nack: JSON `{ name, message, code }`; texts are shortened until it fits. Pure. */
export function encodeError(error: HandlerError): string {
  return fitting((lengthMax) => shortened(error, lengthMax));
}

/**
 * Reads the text of a nack, fit for a log. Pure; never throws.
 *
 * @returns null where there is none; a text that is no JSON of an object is a message
 */
export function decodeError(text: string): HandlerError | null {
  if (text === "") return null;
  return errorOf(parse(text)) ?? { name: "Error", message: peerMessage(text), code: null };
}

/** The text of a reject: the reason; with an error, and a flag, JSON `{ reason, error }`. Pure. */
export function encodeRejection({ reason, error }: Rejection): { text: string; flags: number } {
  if (error === null) return { text: reason, flags: 0 };
  const text = fitting((lengthMax) => {
    return { reason: reason.slice(0, lengthMax), error: shortened(error, lengthMax) };
  });
  return { text, flags: REJECT_FLAG.error };
}

/** Reads the text of a reject, fit for a log. Pure; never throws. */
export function decodeRejection({ text, flags }: Pick<LinkMessage, "text" | "flags">): Rejection {
  const said = (flags & REJECT_FLAG.error) === 0 ? null : parse(text);
  if (typeof said?.reason !== "string") return { reason: peerMessage(text), error: null };
  return { reason: peerMessage(said.reason), error: errorOf(said.error) };
}

/** An error in one line, as Node shows one: `Error [ENOENT]: no such file`. */
function errorText({ name, message, code }: HandlerError): string {
  const head = code === null ? name : `${name} [${code}]`;
  return message === "" ? head : `${head}: ${message}`;
}

/** Why a message is dead, in one line. Pure. */
export function deathText({ reason, error }: Rejection): string {
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

/** The first that fits the text of a link message, as JSON, of what `make` makes with shorter and shorter texts. */
function fitting(make: (lengthMax: number) => object): string {
  for (let lengthMax = SAID_LENGTH_MAX; ; lengthMax >>= 1) {
    const text = JSON.stringify(make(lengthMax));
    if (Buffer.byteLength(text) <= TEXT_BYTES_MAX) return text;
  }
}
