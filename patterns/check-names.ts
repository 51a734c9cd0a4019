import type { ValueOptions } from "../lib/index.ts";

/** The names of the options that a sender and a receiver of values share; a missing one does not compile. */
export const VALUE_NAMES: Readonly<Record<keyof ValueOptions<unknown>, true>> = {
  batch: true,
  codec: true,
  connectionsMax: true,
  gate: true,
  headersBytesMax: true,
  headersCountMax: true,
  heartbeatMs: true,
  lingerMs: true,
  logger: true,
  messageBytesMax: true,
  messageElementsMax: true,
  name: true,
  peerFramesMax: true,
  queueBytesMax: true,
  schema: true,
  security: true,
};

/** @throws TypeError unless it is an object like an object literal: a `Map` or an `AbortSignal` would look empty */
export function checkPlain(call: string, options: unknown): asserts options is object {
  const isObject = typeof options === "object" && options !== null;
  const prototype: unknown = isObject ? Object.getPrototypeOf(options) : undefined;
  const isPlain = isObject && (prototype === null || Object.getPrototypeOf(prototype) === null);
  if (!isPlain) throw new TypeError(`${call}: options must be a plain object`);
}

/** @throws TypeError where one of the options that are functions is not one; omitted ones are skipped */
export function checkFunctions(call: string, functions: Readonly<Record<string, unknown>>): void {
  for (const [name, given] of Object.entries(functions)) {
    if (typeof given === "function") continue;
    throw new TypeError(`${call}: option "${name}" must be a function, got a ${typeof given}`);
  }
}

/**
 * Checks the options object of a call for unknown names.
 *
 * @throws TypeError for an unknown name, or a value that is not a plain object
 */
export function checkNames(call: string, options: unknown, known: readonly string[]): void {
  checkPlain(call, options);
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    // A misplaced value may be a secret.
    const shown = /^[A-Za-z]{1,32}$/.test(name) ? `"${name}"` : `of ${name.length} characters`;
    // A missing unit is the most frequent mistake.
    const start = name.toLowerCase();
    const meant = known.find((each) => start.length > 2 && each.toLowerCase().startsWith(start));
    const guess = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    const names = [...known].sort().join(", ");
    throw new TypeError(`${call}: unknown option ${shown}${guess}; expected one of ${names}`);
  }
}
