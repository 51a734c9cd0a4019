import { BrokerlessError, type ErrorCode } from "../../errors.ts";
import { cleanError } from "../../peer-text.ts";

/** Events of one code within a second that are emitted; more are only counted (count). */
const EVENTS_MAX = 64;
const SECOND_MS = 1_000;

/** The events of one code in the current second. */
interface Second {
  count: number;
  last: BrokerlessError;
}

/**
 * The `error` events of a socket, rate-limited: of each code the first events in a second are emitted. The rest are
 * counted, and reported together at the end of the second. Peers determine how often some of them happen, and
 * applications log them.
 */
export class ErrorEvents {
  readonly #emit: (error: BrokerlessError) => void;
  readonly #seconds = new Map<ErrorCode, Second>();
  #timer: NodeJS.Timeout | null = null;

  constructor(emit: (error: BrokerlessError) => void) {
    this.#emit = emit;
  }

  report(error: BrokerlessError): void {
    const second = this.#seconds.get(error.code);
    if (second !== undefined && second.count >= EVENTS_MAX) {
      second.count += 1;
      second.last = error;
      return;
    }
    if (second === undefined) this.#seconds.set(error.code, { count: 1, last: error });
    else second.count += 1;
    this.#timer ??= setTimeout(() => this.end(), SECOND_MS).unref();
    cleanError(error);
    this.#emit(error);
  }

  /** Reports the events that were only counted. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const seconds = [...this.#seconds];
    this.#seconds.clear();
    for (const [code, { count, last }] of seconds) {
      if (count <= EVENTS_MAX) continue;
      cleanError(last);
      const message = `${count - EVENTS_MAX} more errors with this code within a second, the last: ${last.message}`;
      this.#emit(new BrokerlessError(code, message, { cause: last }));
    }
  }
}

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
