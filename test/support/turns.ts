import type { TestContext } from "node:test";

/** @returns how often the event loop has turned since */
export function countTurns(t: TestContext): () => number {
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  t.after(() => clearImmediate(next));
  return () => turns;
}
