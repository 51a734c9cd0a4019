/** Journals: logs of batches that survive what they are asked to survive, alone or behind a socket. */
export { Batch, EntryCursor } from "../batch/batch.ts";
export { BatchDraft, BatchEncoder, type BatchEncoderOptions } from "../batch/batch-encoder.ts";
export { Entry, type EntryInput, type EntryMeta } from "../batch/entry.ts";
export { Appended } from "./appended.ts";
export { FileJournal } from "./file-journal.ts";
export type { FileJournalOptions, Retention, SyncLevel } from "./file-journal-options.ts";
export type {
  AppendOptions,
  Journal,
  JournalReader,
  JournalStats,
  ReadFrom,
  ReadOptions,
  Values,
  VerifyReport,
} from "./journal.ts";
export { JournalView } from "./journal-view.ts";
export { LmdbJournal, type LmdbJournalOptions } from "./lmdb-journal.ts";
export { MemoryJournal, type MemoryJournalOptions } from "./memory-journal.ts";
export type { RecoveryReport } from "./open-log.ts";
export { type RepairReport, repairJournal } from "./repair.ts";
