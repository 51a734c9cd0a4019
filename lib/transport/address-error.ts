import { BrokerlessError } from "../errors.ts";
import { errnoOf } from "./native/native.ts";

/**
 * @param verb what was to be done with the address
 * @param cause the error of the system or of zeromq, or the reason in words
 * @returns a `BROKERLESS_ADDRESS`
 */
export function addressError(verb: string, address: string, cause: unknown): BrokerlessError {
  const reason =
    typeof cause === "string" ? cause : `${errnoOf(cause)} ${(cause as Error).message}`;
  const message = `cannot ${verb} ${address}: ${reason.trim()}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message, { cause });
}
