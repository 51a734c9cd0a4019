import assert from "node:assert/strict";

/** Calls by name, each with one argument that is in question. */
export type Calls = Readonly<Record<string, (given: never) => unknown>>;

/**
 * Each call refuses each of the given with a TypeError, whether it throws or rejects.
 *
 * @param text what it must say, by the first word of the call's name
 */
export async function assertRefused(
  calls: Calls,
  given: readonly unknown[],
  text: (call: string) => RegExp,
): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    for (const each of given) {
      const message = text(name.split(" ")[0]!);
      await assert.rejects(async () => call(each as never), { name: "TypeError", message });
    }
  }
}
