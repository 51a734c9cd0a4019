import type { StandardSchemaV1 } from "@standard-schema/spec";
import { BrokerlessError } from "../errors.ts";
import { thrownText } from "../handler-error.ts";
import { expected, type Rule } from "../options.ts";
import { quiet } from "../wait.ts";

/** A schema of any library that implements Standard Schema: zod, valibot, arktype and others. */
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
 * Checks a value before it is sent. The value itself is sent, not the schema's output: the receiver's schema produces
 * its own, and a transformation must not be applied twice.
 *
 * @param what the value's name in error texts
 * @returns null, or a promise where the schema is asynchronous
 * @throws BrokerlessError `BROKERLESS_SCHEMA` with the issues, or with the error thrown by the schema as its cause; the
 * promise rejects with the same
 */
export function checkOutgoing(
  schema: Schema,
  value: unknown,
  what = "the message to send",
): null | Promise<null> {
  const verdict = judge(schema, value, what);
  // A caller that encodes the value meanwhile may throw, and never await this promise.
  if (verdict instanceof Promise) return quiet(verdict.then(assertFit));
  return assertFit(verdict);
}

/**
 * Keeps the received values that fit the schema, replaced by the schema's output.
 *
 * @param onBad called for each value that does not fit, or at which the schema fails
 * @returns the values, or a promise where the schema is asynchronous; it does not reject
 */
export function filterIncoming<T>(
  schema: Schema,
  values: readonly unknown[],
  onBad: (error: BrokerlessError) => void,
): T[] | Promise<T[]> {
  const kept: T[] = [];
  const verdicts = values.map((value) => judge(schema, value, "a received message"));
  const keep = (verdict: Verdict): void => {
    if (verdict instanceof BrokerlessError) onBad(verdict);
    else kept.push(verdict.value as T);
  };
  if (verdicts.some((verdict) => verdict instanceof Promise)) {
    return Promise.all(verdicts).then((settled) => {
      settled.forEach(keep);
      return kept;
    });
  }
  (verdicts as Verdict[]).forEach(keep);
  return kept;
}

/** A schema's output for a value, or the reason for refusing it. */
type Verdict = { readonly value: unknown } | BrokerlessError;

/**
 * Runs a schema, which is application code: whatever it throws or returns concerns this value alone.
 *
 * @returns the promise does not reject
 */
function judge(schema: Schema, value: unknown, what: string): Verdict | Promise<Verdict> {
  const onFailed = (cause: unknown): BrokerlessError => failedError(what, cause);
  try {
    const result = schema["~standard"].validate(value);
    if (!isThenable(result)) return read(result, what);
    return Promise.resolve(result)
      .then((settled) => read(settled, what))
      .catch(onFailed);
  } catch (error) {
    return onFailed(error);
  }
}

/** @throws the error of a getter of the result; TypeError for a value that is not a schema result */
function read(result: unknown, what: string): Verdict {
  if (typeof result !== "object" || result === null) {
    throw expected("what validate returns", "an object with value or issues", result);
  }
  const { issues, value } = result as { readonly issues?: unknown; readonly value?: unknown };
  if (!issues) return { value };
  if (Array.isArray(issues)) return misfitError(what, issues);
  throw expected("issues", "an array", issues);
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as Partial<PromiseLike<unknown>> | null | undefined)?.then === "function";
}

/** @throws BrokerlessError with the issues, for a value that does not fit */
function assertFit(verdict: Verdict): null {
  if (verdict instanceof BrokerlessError) throw verdict;
  return null;
}

function misfitError(what: string, issues: readonly StandardSchemaV1.Issue[]): BrokerlessError {
  const first = issues[0];
  const path = (first?.path ?? [])
    .map((part) => String(typeof part === "object" ? part.key : part))
    .join(".");
  const where = path === "" ? "" : ` at "${path}"`;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  const message = `${what} does not fit its schema${where}: ${first?.message ?? "no reason given"}${more}`;
  return new BrokerlessError("BROKERLESS_SCHEMA", message, { issues });
}

/** @param cause the value that the schema threw, which can be anything */
function failedError(what: string, cause: unknown): BrokerlessError {
  const message = `the schema failed for ${what}: ${thrownText(cause)}`;
  return new BrokerlessError("BROKERLESS_SCHEMA", message, { cause });
}
