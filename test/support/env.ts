/**
 * A whole number from the environment: with `NaN` rounds a test would pass without having looked at anything.
 *
 * @returns its value, or `fallback` where it is not set
 * @throws Error naming the variable
 */
export function integerFrom(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new Error(`${name} must be an integer from 0, got ${JSON.stringify(text)}`);
}
