import { types } from "node:util";
import { BrokerlessError } from "../errors.ts";
import { thrownText } from "../handler-error.ts";
import { quiet } from "../wait.ts";

/** A value has no encoding, or is too large for one. @param cause what the codec threw */
export function notEncoded(codec: { readonly name: string }, cause: unknown): BrokerlessError {
  if (cause instanceof BrokerlessError && cause.code === "BROKERLESS_TOO_LARGE") return cause;
  return codecError(`codec ${codec.name} cannot encode the value`, cause);
}

/**
 * Bytes are no encoding.
 *
 * @param what whose bytes they are
 * @param cause what the codec threw
 */
export function notDecoded(
  codec: { readonly name: string },
  what: "frame" | "message",
  cause: unknown,
): BrokerlessError {
  return codecError(`codec ${codec.name} cannot decode the ${what}`, cause);
}

/**
 * What `encode` or `decode` has returned. Nothing waits for a codec: the values behind this one would overtake it.
 *
 * @throws TypeError for a promise, whose rejection then harms no process
 */
export function refusePromise(what: "encode" | "decode", returned: unknown): void {
  // The property tells nearly all others apart for a tenth of the price.
  if ((returned as Partial<Promise<unknown>> | null)?.then === undefined) return;
  if (!types.isPromise(returned)) return;
  quiet(returned);
  throw new TypeError(`${what} returned a promise; it must not be asynchronous`);
}

function codecError(text: string, cause: unknown): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CODEC", `${text}: ${thrownText(cause)}`, { cause });
}
