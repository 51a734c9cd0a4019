/**
 * Journals: append-only logs of batches in files, in LMDB or in memory, alone or behind a socket.
 */
export { Batch, EntryCursor, type EntryEnd } from "../batch/batch.ts";
export {
  BatchDraft,
  BatchEncoder,
  type BatchEncoderOptions,
  type BatchSeal,
} from "../batch/batch-encoder.ts";
export { Entry, type EntryInput, type EntryMeta } from "../batch/entry.ts";
export type { HeaderLimits } from "../batch/headers.ts";
export type { Damage } from "../errors.ts";
export { type BackupReport, backupJournal } from "./backup/backup.ts";
export { Appended } from "./commit/appended.ts";
export { FileJournal } from "./file/file-journal.ts";
export type { FileJournalOptions, Retention, SyncLevel } from "./file/file-journal-options.ts";
export { JournalView } from "./file/journal-view.ts";
export type {
  AppendOptions,
  DraftOptions,
  Journal,
  JournalReader,
  JournalStats,
  MissingEntries,
  ReadFrom,
  ReadOptions,
  Values,
  VerifyReport,
} from "./journal.ts";
export { LmdbJournal, type LmdbJournalOptions } from "./lmdb/lmdb-journal.ts";
export { MemoryJournal, type MemoryJournalOptions } from "./memory-journal.ts";
export type { TornTail } from "./recovery/judge-segment.ts";
export type { RecoveryReport } from "./recovery/open-log.ts";
export { type RepairOptions, type RepairReport, repairJournal } from "./recovery/repair.ts";
