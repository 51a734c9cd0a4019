import { BrokerlessError } from "./errors.ts";

/**
 * Runtimes that load native modules built for Node but lack parts of the API these call, by their names in
 * `process.versions`.
 */
const OTHERS = { bun: "Bun", deno: "Deno" } as const;

/**
 * Refuses a runtime in which native code would end the process, or wait indefinitely for an event that never comes. To
 * be called right before the first such native call.
 *
 * @param what the feature that needs Node, as the beginning of the message
 * @param versions the versions object of the process
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
