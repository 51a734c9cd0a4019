import { inspect } from "node:util";

/** Checks one option and gives its resolved value, or throws a TypeError that says what was expected. */
export type Rule<T> = (value: unknown, name: string) => T;

/** A rule for every option of `T`; a key without a rule is unknown. */
export type Rules<T> = { readonly [K in keyof T]-?: Rule<T[K]> };

/**
 * Checks an options object once, at construction, so that nothing below it sees `undefined`.
 *
 * @param owner the public name the options belong to, for the error text
 * @param given what the caller passed; it is never changed
 * @returns a new frozen object with every key of `defaults`
 * @throws TypeError for an unknown key, a wrong type or a value out of range
 */
export function resolveOptions<T extends object>(
  owner: string,
  given: unknown,
  spec: { readonly rules: Rules<T>; readonly defaults: T },
): Readonly<T> {
  if (given === undefined) return Object.freeze({ ...spec.defaults });
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new TypeError(`${owner}: options must be an object, got ${describe(given)}`);
  }
  const resolved = { ...spec.defaults } as Record<string, unknown>;
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(spec.rules, key)) {
      const known = Object.keys(spec.rules).sort().join(", ");
      throw new TypeError(`${owner}: unknown option "${key}"; expected one of ${known}`);
    }
    if (value === undefined) continue;
    resolved[key] = spec.rules[key as keyof T](value, `${owner}: option "${key}"`);
  }
  return Object.freeze(resolved) as Readonly<T>;
}

/** A whole number from `min` to `max`, both included. */
export function integer(min: number, max: number): Rule<number> {
  return (value, name) => {
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
      return value;
    }
    throw expected(name, `a whole number from ${min} to ${max}`, value);
  };
}

/** `true` or `false`. */
export const boolean: Rule<boolean> = (value, name) => {
  if (typeof value === "boolean") return value;
  throw expected(name, "true or false", value);
};

/** One of a list of words. */
export function oneOf<const T extends string>(...words: readonly T[]): Rule<T> {
  return (value, name) => {
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    throw expected(name, `one of ${words.map((w) => JSON.stringify(w)).join(", ")}`, value);
  };
}

/** What was expected and what came, without printing a whole value. */
export function expected(name: string, wanted: string, got: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, got ${describe(got)}`);
}

/** A value in at most 60 characters, for an error text. */
export function describe(value: unknown): string {
  const text = inspect(value, {
    depth: 0,
    maxStringLength: 40,
    breakLength: Number.POSITIVE_INFINITY,
  });
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
