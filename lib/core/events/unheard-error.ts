import type { BrokerlessError } from "../../errors.ts";

/**
 * Says on stderr, as a warning of the process, that a socket has told an error and nobody listened.
 *
 * @param role whose socket it is
 */
export function warnOfUnheard(role: string, error: BrokerlessError): void {
  const message = `${role}: ${error.code}: ${error.message}`;
  const detail =
    'Nobody listens to the "error" events of this socket, so this is said once: socket.on("error", (error) => ...) hears them all.';
  process.emitWarning(message, { type: "BrokerlessWarning", code: error.code, detail });
}
