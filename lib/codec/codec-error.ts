import { types } from "node:util";
import { BrokerlessError } from "../errors.ts";
import { thrownText } from "../handler-error.ts";
import { quiet } from "../wait.ts";

/**
 * The error for a value that cannot be encoded, or is too large to be. @param cause error that the
 * codec threw
 */
export function notEncoded(codec: { readonly name: string }, cause: unknown): BrokerlessError {
  if (cause instanceof BrokerlessError && cause.code === "BROKERLESS_TOO_LARGE") return cause;
  return codecError(`codec ${codec.name} cannot encode the value`, cause);
}

/**
 * The error for a value that is sent while its socket encodes another one: by a getter or `toJSON` of
 * that one, or by the codec. Both would be written to the same place.
 */
export function encodesAlready(): BrokerlessError {
  const message =
    "the socket is encoding another value, whose getter, toJSON or codec made this call; make it afterwards";
  return new BrokerlessError("BROKERLESS_CODEC", message);
}

/**
 * The error for bytes that cannot be decoded.
 *
 * @param what owner of the bytes
 * @param cause error that the codec threw
 */
export function notDecoded(
  codec: { readonly name: string },
  what: "frame" | "message",
  cause: unknown,
): BrokerlessError {
  return codecError(`codec ${codec.name} cannot decode the ${what}`, cause);
}

/**
 * Checks the result of `encode` or `decode`. A codec must be synchronous: later values would
 * overtake one that waits.
 *
 * @throws TypeError for a promise; its rejection, if any, is then ignored
 */
export function refusePromise(what: "encode" | "decode", returned: unknown): void {
  // This check of one property excludes nearly all other values at a tenth of the cost.
  if ((returned as Partial<Promise<unknown>> | null)?.then === undefined) return;
  if (!types.isPromise(returned)) return;
  quiet(returned);
  throw new TypeError(`${what} returned a promise; it must not be asynchronous`);
}

function codecError(text: string, cause: unknown): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CODEC", `${text}: ${thrownText(cause)}`, { cause });
}
