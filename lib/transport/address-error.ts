import { BrokerlessError } from "../errors.ts";
import { errnoOf } from "./native/errno.ts";

/**
 * @param verb operation on the address, such as `bind`
 * @param cause the error of the system or of zeromq, or the reason as text
 * @returns a `BROKERLESS_ADDRESS`
 */
export function addressError(verb: string, address: string, cause: unknown): BrokerlessError {
  const reason =
    typeof cause === "string" ? cause : `${errnoOf(cause)} ${(cause as Error).message}`;
  const message = `cannot ${verb} ${address}: ${reason.trim()}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message, { cause });
}
