import type { BrokerlessError } from "../../errors.ts";

/**
 * Emits a process warning, which Node prints to stderr: a socket has reported an error and has no listener.
 *
 * @param role the role of the socket
 */
export function warnOfUnheard(role: string, error: BrokerlessError): void {
  const message = `${role}: ${error.code}: ${error.message}`;
  const detail =
    'Nobody listens to the "error" events of this socket, so this is said once: socket.on("error", (error) => ...) hears them all.';
  process.emitWarning(message, { type: "BrokerlessWarning", code: error.code, detail });
}
