/**
 * Checks the options object of a call for names that nobody knows.
 *
 * @throws TypeError for an unknown name, or what is no object
 */
export function checkNames(call: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`${call}: options must be an object`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    // It may be a secret in the wrong place.
    const shown = /^[A-Za-z]{1,32}$/.test(name) ? `"${name}"` : `of ${name.length} characters`;
    throw new TypeError(`${call}: unknown option ${shown}; expected one of ${known.join(", ")}`);
  }
}
