import type { StandardSchemaV1 } from "@standard-schema/spec";
import { BrokerlessError } from "../errors.ts";
import { expected, type Rule } from "../options.ts";
import { quiet } from "../wait.ts";

/** Any Standard Schema: zod, valibot, arktype and others. */
export type Schema = StandardSchemaV1<unknown, unknown>;

/** Accepts a Standard Schema. */
export const schemaOption: Rule<Schema> = (value, name) => {
  const standard =
    (typeof value === "object" || typeof value === "function") && value !== null
      ? (value as Partial<Schema>)["~standard"]
      : undefined;
  if (typeof standard?.validate === "function") return value as Schema;
  throw expected(name, "a Standard Schema (zod, valibot, arktype, ...)", value);
};

/**
 * Checks a value that is about to be sent. The value itself goes out, not the schema's output: the
 * receiver's schema makes its own, and a transformation must not happen twice.
 *
 * @returns null, or a promise where the schema is asynchronous
 * @throws BrokerlessError `BROKERLESS_SCHEMA` with the issues; the promise rejects with the same
 */
export function checkOutgoing(schema: Schema, value: unknown): null | Promise<null> {
  const result = schema["~standard"].validate(value);
  if (result instanceof Promise) {
    // A caller that encodes the value meanwhile may throw, and never look at it.
    const checked = result.then((settled) => {
      if (settled.issues) throw schemaError("the message to send", settled.issues);
      return null;
    });
    return quiet(checked);
  }
  if (result.issues) throw schemaError("the message to send", result.issues);
  return null;
}

/**
 * Keeps the received values that fit the schema, as the schema gives them out.
 *
 * @param onBad told of each value that does not fit
 * @returns the values, or a promise where the schema is asynchronous
 */
export function filterIncoming<T>(
  schema: Schema,
  values: readonly unknown[],
  onBad: (error: BrokerlessError) => void,
): T[] | Promise<T[]> {
  const kept: T[] = [];
  const results = values.map((value) => schema["~standard"].validate(value));
  const keep = (result: StandardSchemaV1.Result<unknown>): void => {
    if (result.issues) onBad(schemaError("a received message", result.issues));
    else kept.push(result.value as T);
  };
  if (results.some((result) => result instanceof Promise)) {
    return Promise.all(results).then((settled) => {
      settled.forEach(keep);
      return kept;
    });
  }
  (results as StandardSchemaV1.Result<unknown>[]).forEach(keep);
  return kept;
}

function schemaError(what: string, issues: readonly StandardSchemaV1.Issue[]): BrokerlessError {
  const first = issues[0];
  const path = (first?.path ?? [])
    .map((part) => String(typeof part === "object" ? part.key : part))
    .join(".");
  const where = path === "" ? "" : ` at "${path}"`;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  const message = `${what} does not fit the schema${where}: ${first?.message ?? "no reason given"}${more}`;
  return new BrokerlessError("BROKERLESS_SCHEMA", message, { issues });
}
