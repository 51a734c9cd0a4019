import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";

/**
 * Whether bounds on time and memory are checked: only by `npm run bounds`, on a machine that does nothing else.
 * `npm test` and `.ci/run` must not depend on how busy a machine is.
 */
export const BOUNDS_CHECKED: boolean = process.env.BROKERLESS_BOUNDS === "1";

/** Upper bounds of measured values, by their names. */
type Bounds<T> = { readonly [K in keyof T]?: number };

/** Asserts that each value is within its bound, where bounds are checked. */
export function assertWithin<T extends object>(measured: T, bounds: Bounds<T>, what = ""): void {
  if (!BOUNDS_CHECKED) return;
  for (const key of Object.keys(bounds) as (keyof T & string)[]) {
    const value = measured[key] as number;
    const bound = bounds[key]!;
    assert.ok(value <= bound, `${what} ${key}: ${value}, at most ${bound}`);
  }
}

/** A test of nothing but bounds, such as their negative control. */
export function boundsTest(name: string, body: (t: TestContext) => Promise<void>): void {
  if (BOUNDS_CHECKED) test(name, body);
}
