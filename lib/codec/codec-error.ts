import { BrokerlessError } from "../errors.ts";
import { thrownText } from "../handler-error.ts";

/** A value has no encoding. @param cause what the codec threw */
export function notEncoded(codec: { readonly name: string }, cause: unknown): BrokerlessError {
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

function codecError(text: string, cause: unknown): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CODEC", `${text}: ${thrownText(cause)}`, { cause });
}
