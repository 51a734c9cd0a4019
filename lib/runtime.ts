import { BrokerlessError } from "./errors.ts";

/** Runtimes that load native modules made for Node and lack parts of what those call, by their names in `process.versions`. */
const OTHERS = { bun: "Bun", deno: "Deno" } as const;

/**
 * Refuses a runtime in which native code would end the process, or wait for ever for an event that does not come.
 * To be called right before the first such call.
 *
 * @param what what the caller needs Node for, as the beginning of the message
 * @param versions what the process says of itself
 * @throws BrokerlessError `BROKERLESS_UNSUPPORTED`
 * @see docs/runtimes.md
 */
export function assertNode(
  what: string,
  versions: Readonly<Record<string, string | undefined>> = process.versions,
): void {
  for (const [key, name] of Object.entries(OTHERS)) {
    const version = versions[key];
    if (version === undefined) continue;
    const message = `${what} needs Node.js, and this is ${name} ${version}, whose support for Node's native modules is incomplete: the process would crash or hang. See docs/runtimes.md`;
    throw new BrokerlessError("BROKERLESS_UNSUPPORTED", message);
  }
}
