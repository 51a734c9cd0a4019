/** Conformance tests for implementations of the `Journal` interface. */
export type { JournalSubject } from "./journal-check.ts";
export { journalConformance } from "./journal-conformance.ts";
