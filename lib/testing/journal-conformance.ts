import { test } from "node:test";
import { APPEND_CHECKS } from "./journal-append-checks.ts";
import type { JournalSubject } from "./journal-check.ts";
import { KEEP_CHECKS } from "./journal-keep-checks.ts";
import { READ_CHECKS } from "./journal-read-checks.ts";

const CHECKS = { ...APPEND_CHECKS, ...READ_CHECKS, ...KEEP_CHECKS };

/**
 * Registers conformance tests for an implementation of `Journal` with node:test.
 *
 * @example
 * ```ts
 * import { journalConformance } from "brokerless/testing";
 *
 * journalConformance({
 *   name: "MyJournal",
 *   create: () => MyJournal.open(newPlace()),
 *   reopen: (closed) => MyJournal.open((closed as MyJournal).place),
 * });
 * ```
 *
 * @see Journal for the promises that are tested
 */
export function journalConformance(subject: JournalSubject): void {
  for (const [claim, check] of Object.entries(CHECKS)) {
    test(`${subject.name}: ${claim}`, async (t) => {
      const open = async () => {
        const journal = await subject.create(t);
        t.after(() => journal.close().catch(() => {}));
        return journal;
      };
      await check(open, subject);
    });
  }
}
