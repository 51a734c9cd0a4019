import { BrokerlessError } from "../errors.ts";
import { errnoOf } from "./native/errno.ts";

/**
 * @param verb operation on the address, such as `bind`
 * @param cause the error of the system or of zeromq, or the reason as text
 * @returns a `BROKERLESS_ADDRESS`
 */
export function addressError(verb: string, address: string, cause: unknown): BrokerlessError {
  const message = `cannot ${verb} ${address}: ${reasonOf(cause)}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message, { cause });
}

/** The system's code, which is in the texts of Node already and not in those of zeromq, and the text. */
function reasonOf(cause: unknown): string {
  if (typeof cause === "string") return cause;
  const { message } = cause as Error;
  const code = errnoOf(cause);
  return message.includes(code) ? message : `${code} ${message}`;
}
