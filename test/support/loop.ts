import type { TestContext } from "node:test";

/** Keeps the processor busy for a millisecond. */
export function compute(): void {
  const endMs = performance.now() + 1;
  while (performance.now() < endMs);
}

/** @returns the most that happened between two turns of the event loop since this call (count) */
export function mostBetweenTurns(t: TestContext, count: () => number): () => number {
  let last = count();
  let most = 0;
  let timer = setImmediate(function turn() {
    most = Math.max(most, count() - last);
    last = count();
    timer = setImmediate(turn);
  });
  t.after(() => clearImmediate(timer));
  return () => Math.max(most, count() - last);
}
