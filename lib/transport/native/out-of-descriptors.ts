import { BrokerlessError } from "../../errors.ts";

/**
 * The system's error codes when a process, or all processes together, cannot open any more files.
 */
const CODES: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE"]);

/**
 * Calls a function that opens descriptors: for a native socket, or its monitor.
 *
 * @throws BrokerlessError `BROKERLESS_NO_SPACE` where none is left; otherwise the error of `make`
 */
export function takingDescriptors<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && CODES.has(cause.code))) throw cause;
    throw new BrokerlessError(
      "BROKERLESS_NO_SPACE",
      `no file descriptor is left for a socket (${cause.code}): close others, or raise "ulimit -n"`,
      { cause },
    );
  }
}
