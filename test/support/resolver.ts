import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import type { TestContext } from "node:test";

/** Lets the system's resolver say what `answer` says; with `null` it never answers. */
export function resolver(
  t: TestContext,
  answer: () => { address: string; family: number }[] | null,
): void {
  const mocked = t.mock.method(dns, "lookup", ((_host, _options, done) => {
    const found = answer();
    if (found !== null) setImmediate(() => (done as (...all: unknown[]) => void)(null, found));
  }) as typeof dns.lookup);
  syncBuiltinESMExports();
  t.after(() => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  });
}
