/** What an implementer of one of our ports needs to test it. */
export { type JournalSubject, journalConformance } from "./journal-conformance.ts";
