import { inspect } from "node:util";

/** Checks one option and returns its resolved value, or throws a TypeError that names the expected value. */
export type Rule<T> = (value: unknown, name: string) => T;

/** One rule for every option of `T`; a key without a rule is unknown. */
export type Rules<T> = { readonly [K in keyof T]-?: Rule<T[K]> };

/**
 * Checks an options object once, at construction, so that no code below it has to handle `undefined`.
 *
 * @param owner the public name that the options belong to, for the error text
 * @param given the caller's object; it is never changed
 * @returns a new frozen object with every key of `defaults`
 * @throws TypeError for an unknown key, a wrong type or a value out of range
 */
export function resolveOptions<T extends object>(
  owner: string,
  given: unknown,
  spec: { readonly rules: Rules<T>; readonly defaults: T },
): Readonly<T> {
  if (given === undefined) return Object.freeze({ ...spec.defaults });
  if (!isPlain(given)) throw expected(`${owner}: options`, "a plain object", given);
  const resolved = { ...spec.defaults } as Record<string, unknown>;
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(spec.rules, key)) {
      throw unknown(`${owner}: unknown option`, key, Object.keys(spec.rules));
    }
    if (value === undefined) continue;
    resolved[key] = spec.rules[key as keyof T](value, `${owner}: option "${key}"`);
  }
  return Object.freeze(resolved) as Readonly<T>;
}

/**
 * Checks the options object of a call for unknown names. Without an object it costs one comparison.
 *
 * @param known the names of the call's options
 * @throws TypeError for an unknown name, or for a value that is not a plain object
 */
export function checkNames(call: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (!isPlain(options)) throw expected(`${call}: options`, "a plain object", options);
  for (const name in options) {
    if (known.includes(name) || !Object.hasOwn(options, name)) continue;
    throw unknown(`${call}: unknown option`, name, known);
  }
}

/**
 * Whether a value is an object of names and values like an object literal, from any realm. Objects such as a `Map`, a
 * `Headers` or an `AbortSignal` keep their contents elsewhere and would look empty.
 */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The error for an unknown name. @param what the kind of name, and where it was used */
export function unknown(what: string, name: string, known: readonly string[]): TypeError {
  const meant = isName(name) ? nearest(name, known) : null;
  const guess = meant === null ? "" : ` (did you mean ${meant}?)`;
  const names = [...known].sort().join(", ");
  return new TypeError(`${what} ${quoted(name)}${guess}; expected one of ${names}`);
}

/**
 * Most characters that may differ, in one place, between a name and the intended one (count). A missing unit, such as
 * `Ms`, may be longer.
 */
const DIFFERENT_MAX = 2;
/** Fewest characters that both names must have in common (count). */
const ALIKE_MIN = 3;

/** The known name that was probably intended; null where none is close. Pure. */
function nearest(name: string, known: readonly string[]): string | null {
  let meant: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const each of known) {
    const different = differentOf(name.toLowerCase(), each.toLowerCase());
    if (different >= least) continue;
    meant = each;
    least = different;
  }
  return meant;
}

/**
 * @returns how many characters of the longer name are missing in the other (count); infinite where they are not alike
 */
function differentOf(a: string, b: string): number {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  let start = 0;
  while (start < short.length && short[start] === long[start]) start += 1;
  let end = 0;
  while (end < short.length - start && short.at(-1 - end) === long.at(-1 - end)) end += 1;
  const different = long.length - start - end;
  const isNear = different <= DIFFERENT_MAX || start === short.length;
  return isNear && start + end >= ALIKE_MIN ? different : Number.POSITIVE_INFINITY;
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

/** One of a list of strings. */
export function oneOf<const T extends string>(...words: readonly T[]): Rule<T> {
  return (value, name) => {
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    throw expected(name, `one of ${words.map((w) => JSON.stringify(w)).join(", ")}`, value);
  };
}

/** The error for a wrong value: names the expected value and describes the given one, without printing all of it. */
export function expected(name: string, wanted: string, got: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, got ${describe(got)}`);
}

/** Longest text that is printed (characters). Too short for a key; half of a key is of no use. */
const TEXT_CHARS_MAX = 20;
/** Longest name of letters alone that is printed (characters): a key is longer, and has digits and signs. */
const NAME_CHARS_MAX = 32;
/** Longest address that is printed (characters). */
const ADDRESS_CHARS_MAX = 160;
/** Texts that can be an address and cannot contain a key, which has 40 characters, some of them not allowed here. */
const ADDRESS = [
  /^[a-z]{2,8}:\/\/(?!.*[\w-]{40})(?:\[[\w:.%]{0,45}\]|[\w.*-]*)(?::[\w*-]{0,10})?$/,
  /^(?:ipc|inproc):\/\/(?!.*[\w.-]{40})[\w./@-]*$/,
];
const LETTERS = /^[A-Za-z]+$/;

/**
 * Describes a value for an error text: its type, and enough of a number, a short text or an address to locate the
 * fault. A misplaced value may be a secret, so nothing is printed that could be a key or contain one.
 */
export function describe(value: unknown): string {
  if (typeof value === "string") {
    return isInformative(value) ? inspect(value) : `a text of ${value.length} characters`;
  }
  if (typeof value === "symbol") return "a symbol";
  if (typeof value === "function") return `a function ${nameOf(value) ?? ""}`.trim();
  if (typeof value !== "object" || value === null) {
    const text = inspect(value);
    return text.length <= NAME_CHARS_MAX ? text : `a ${typeof value} of ${text.length} characters`;
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name = nameOf(Object.getPrototypeOf(value)?.constructor);
  if (ArrayBuffer.isView(value)) return `a ${name ?? "view"} of ${value.byteLength} bytes`;
  return name === null || name === "Object" ? "an object" : `a ${name}`;
}

/** A name chosen by the application, such as an option's, for an error text: in quotes, or its length only. */
export function quoted(name: string): string {
  return isName(name) ? `"${name}"` : `of ${name.length} characters`;
}

function isInformative(text: string): boolean {
  if (text.length <= TEXT_CHARS_MAX) return true;
  return text.length <= ADDRESS_CHARS_MAX && ADDRESS.some((form) => form.test(text));
}

function isName(text: string): boolean {
  if (text.length <= TEXT_CHARS_MAX) return true;
  return text.length <= NAME_CHARS_MAX && LETTERS.test(text);
}

/** The name of a class or function; null where it has none, or none that may be printed. */
function nameOf(named: unknown): string | null {
  const name = (named as { readonly name?: unknown } | undefined)?.name;
  return typeof name === "string" && name !== "" && isName(name) ? name : null;
}
