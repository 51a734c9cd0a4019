import { BrokerlessError } from "../../errors.ts";

/** What the system says where a process, or all of them together, may open no more. */
const CODES: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE"]);

/**
 * Makes what takes descriptors at once: a native socket, its monitor.
 *
 * @throws BrokerlessError `BROKERLESS_NO_SPACE` where none is left; else what `make` throws
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
