/** What an implementer of one of our ports needs to test it. */
export type { JournalSubject } from "./journal-check.ts";
export { journalConformance } from "./journal-conformance.ts";
