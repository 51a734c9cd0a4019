import { dirname } from "node:path";
import type { BatchDraft } from "../batch/batch-encoder.ts";
import { BrokerlessError } from "../errors.ts";
import { expected } from "../options.ts";
import { appendDraftTo, appendTo, toChanges } from "./append-arguments.ts";
import type { Appended } from "./appended.ts";
import { CHECKPOINT_NAME, encodeCheckpoint, replaceFile } from "./checkpoint.ts";
import type { DirectoryLock } from "./directory-lock.ts";
import type { Disk } from "./disk.ts";
import { diskFailure } from "./failure.ts";
import {
  type FileJournalOptions,
  type ResolvedFileJournalOptions,
  resolveFileJournalOptions,
} from "./file-journal-options.ts";
import type { Group } from "./group-queue.ts";
import { holdChange, lowestHold, readHolds, readSeqValue, seqValue } from "./holds.ts";
import { Intake } from "./intake.ts";
import type {
  AppendOptions,
  Journal,
  JournalReader,
  JournalStats,
  ReadOptions,
  Values,
  VerifyReport,
} from "./journal.ts";
import { openLog, type RecoveryReport } from "./open-log.ts";
import { type JournalPorts, nodePorts } from "./ports.ts";
import { type BatchSource, SourceReader, StoredSignal } from "./reader.ts";
import { retainFrom } from "./retention.ts";
import { seqAtTime } from "./seek-time.ts";
import { type LogView, SegmentCursor } from "./segment-cursor.ts";
import { SegmentLog, type Written } from "./segment-log.ts";
import { VALUE_SEQ_FIRST } from "./values.ts";
import { verifyLog } from "./verify.ts";

/** Commits take at most this much at once: longer ones only add latency (bytes). */
const COMMIT_BYTES_MAX = 2 ** 22;
/** Under load the mark for other processes is written this often (ms). */
const MARK_INTERVAL_MS = 20;

/**
 * A stream in a directory of its own: segments of batches, committed in groups.
 *
 * @see docs/journal-format.md for the bytes, and the table of rules that it keeps
 */
export class FileJournal implements Journal {
  readonly stream: string;
  /** What opening found: a clean close, or what a crash left. */
  readonly recovery: RecoveryReport;
  readonly #directory: string;
  readonly #ports: JournalPorts;
  readonly #options: ResolvedFileJournalOptions;
  readonly #log: SegmentLog;
  readonly #lock: DirectoryLock;
  readonly #intake: Intake;
  readonly #signal = new StoredSignal();
  readonly #timer: NodeJS.Timeout | null;
  /** What the newest `write` left for `store`. */
  #written: Written | null = null;
  #markedAt = 0;
  #drops: Promise<void> = Promise.resolve();
  #failure: BrokerlessError | null = null;
  #closing: Promise<void> | null = null;

  /**
   * Opens or makes the journal of a directory, and recovers it where it was not closed.
   *
   * @throws TypeError for a wrong option
   * @throws BrokerlessError BROKERLESS_LOCKED, BROKERLESS_CORRUPT, BROKERLESS_VERSION,
   *   BROKERLESS_NO_SPACE, BROKERLESS_JOURNAL_FAILED
   */
  static open(directory: string, options?: FileJournalOptions): Promise<FileJournal> {
    return FileJournal.openWith(nodePorts, directory, options);
  }

  /** The same in a world of the caller's making: for tests. */
  static async openWith(
    ports: JournalPorts,
    directory: string,
    options?: FileJournalOptions,
  ): Promise<FileJournal> {
    if (typeof directory !== "string" || directory === "") {
      throw expected("FileJournal: directory", "a path", directory);
    }
    const resolved = resolveFileJournalOptions(options);
    const place = directory.length > 1 ? directory.replace(/\/+$/, "") : directory;
    let lock: DirectoryLock | null = null;
    try {
      await ensureDirectory(ports.disk, place);
      lock = await ports.lock(place);
      const { recovery } = resolved;
      const opened = await openLog({ directory: place, ports, recovery });
      const log = new SegmentLog(opened.parts, {
        syncCommits: resolved.sync === "always",
        segmentBytes: resolved.segmentBytes,
      });
      if (opened.raiseEpoch) await log.roll(log.newest.header.epoch + 1);
      else await opened.parts.mark.putDurably(log.mark());
      const journal = new FileJournal({ place, ports, resolved, log, lock }, opened.report);
      await journal.#retain();
      return journal;
    } catch (error) {
      await lock?.release();
      throw diskFailure(error, `open the journal in ${place}`);
    }
  }

  private constructor(
    parts: {
      readonly place: string;
      readonly ports: JournalPorts;
      readonly resolved: ResolvedFileJournalOptions;
      readonly log: SegmentLog;
      readonly lock: DirectoryLock;
    },
    recovery: RecoveryReport,
  ) {
    const { resolved, log } = parts;
    this.#directory = parts.place;
    this.#ports = parts.ports;
    this.#options = resolved;
    this.#log = log;
    this.#lock = parts.lock;
    this.recovery = recovery;
    this.stream = log.newest.header.stream;
    this.#intake = new Intake({
      aheadBytes: parts.ports.aheadBytes,
      recycles: true,
      seqNext: log.seqNext,
      batchBytesMax: resolved.batchBytesMax,
      commitBytesMax: COMMIT_BYTES_MAX,
      pendingBytesMax: resolved.pendingBytesMax,
      write: (group) => this.#write(group),
      store: (group) => this.#store(group),
      idle: () => this.#putMark(),
    });
    this.#timer = resolved.sync === "interval" ? this.#startTimer(resolved.syncIntervalMs) : null;
  }

  get epoch(): number {
    return this.#log.newest.header.epoch;
  }

  get seqFirst(): number {
    return readSeqValue(this.#log.table.get(VALUE_SEQ_FIRST), 1);
  }

  get seqStored(): number {
    return this.#intake.seqStored;
  }

  get seqNext(): number {
    return this.#intake.seqNext;
  }

  get pendingBytes(): number {
    return this.#intake.pendingBytes;
  }

  get full(): boolean {
    return this.#intake.full;
  }

  append(entries: Parameters<Journal["append"]>[0], options?: AppendOptions): Appended {
    return appendTo({ intake: this.#intake, table: this.#log.table }, entries, options);
  }

  appendDraft(draft: BatchDraft, options?: AppendOptions): Appended {
    return appendDraftTo({ intake: this.#intake, table: this.#log.table }, draft, options);
  }

  set(values: Values): Appended {
    return this.#intake.appendAll([], toChanges(this.#log.table, values));
  }

  get(name: string): Uint8Array | null {
    return this.#log.table.get(name);
  }

  room(): Promise<void> {
    return this.#intake.room();
  }

  async sync(): Promise<void> {
    await this.#intake.settled();
    if (this.#failure !== null) throw this.#failure;
    if (this.#log.isDirty) await this.#guard(() => this.#log.sync());
    // So that other processes see all of it, too.
    await this.#log.putMark();
  }

  read(options?: ReadOptions): JournalReader {
    this.#assertOpen();
    return new SourceReader(this.#source(), options);
  }

  async hold(name: string, seq: number): Promise<void> {
    await this.#intake.appendAll([], holdChange(name, seq));
  }

  async release(name: string): Promise<void> {
    await this.#intake.appendAll([], holdChange(name, null));
  }

  holds(): ReadonlyMap<string, number> {
    return readHolds(this.#log.table);
  }

  async truncateBefore(seq: number): Promise<number> {
    if (!Number.isSafeInteger(seq) || seq < 1) throw expected("truncateBefore", "a seq", seq);
    const wanted = Math.min(seq, lowestHold(this.#log.table), this.seqStored + 1);
    if (wanted > this.seqFirst) {
      await this.#intake.appendAll([], new Map([[VALUE_SEQ_FIRST, seqValue(wanted)]]));
      await this.#drop();
    }
    return this.seqFirst;
  }

  verify(): Promise<VerifyReport> {
    this.#assertOpen();
    return verifyLog(this.#view());
  }

  stats(): JournalStats {
    const { commits, syncs, bytesWritten, bytesKept, segments } = this.#log;
    const { pendingBytes } = this;
    const entriesKept = this.seqStored + 1 - Math.max(this.seqFirst, segments[0]!.header.seqBase);
    return { entriesKept, bytesKept, bytesWritten, commits, syncs, pendingBytes };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#intake.refuse(this.#failure ?? closedError());
    if (this.#timer !== null) clearInterval(this.#timer);
    try {
      await this.#intake.settled();
    } finally {
      await this.#drops;
      this.#signal.notify();
      try {
        if (this.#failure === null) await this.#finish();
        else await this.#log.release();
      } finally {
        await this.#lock.release();
      }
    }
  }

  /** The end of a clean close: the next open starts from the checkpoint and reads nothing else. */
  async #finish(): Promise<void> {
    const log = this.#log;
    try {
      await log.close();
      const { header, end } = log.newest;
      const { stream, epoch, number: segment } = header;
      const { seqNext, timeMs } = log;
      const values = log.table.entries();
      const state = { segment, stream, epoch, offset: end, seqNext, timeMs, values };
      const place = { directory: this.#directory, name: CHECKPOINT_NAME };
      await replaceFile(this.#ports.disk, place, encodeCheckpoint(state));
    } catch (error) {
      await log.release();
      throw diskFailure(error, `close the journal in ${this.#directory}`);
    }
  }

  async #write(group: Group): Promise<void> {
    this.#written = await this.#guard(() => this.#log.write(group.units, group.bytes));
  }

  async #store(_: Group): Promise<void> {
    const written = this.#written!;
    await this.#guard(() => this.#log.commit(written));
    const now = this.#ports.now();
    if (now - this.#markedAt >= MARK_INTERVAL_MS) this.#putMark();
    // `seqStored` moves when this promise has resolved; only then look those who follow.
    process.nextTick(() => this.#signal.notify());
    if (written.rolled) this.#retain().catch(() => {});
  }

  /** After a failure that is not a full disk nothing may be written any more. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    try {
      return await work();
    } catch (error) {
      const failure = diskFailure(error, `write the journal in ${this.#directory}`);
      if (failure.code !== "BROKERLESS_NO_SPACE") {
        this.#failure = failure;
        this.#intake.refuse(failure);
      }
      throw failure;
    }
  }

  /** Removes what was freed, one removal after the other, once it is durable that it was freed. */
  #drop(): Promise<void> {
    const remove = async () => {
      if (this.#log.isDirty) await this.#log.sync();
      await this.#log.dropBefore(this.seqFirst);
    };
    const drop = this.#drops.then(() => this.#guard(remove));
    this.#drops = drop.catch(() => {});
    return drop;
  }

  async #retain(): Promise<void> {
    const { segments, seqNext } = this.#log;
    const state = { segments, seqNext, nowMs: this.#ports.now() };
    const seq = retainFrom(this.#options.retention, state);
    if (seq !== null && seq > this.seqFirst) await this.truncateBefore(seq);
    else await this.#drop();
  }

  #putMark(): void {
    if (this.#failure !== null) return;
    this.#markedAt = this.#ports.now();
    void this.#log.putMark();
  }

  #startTimer(intervalMs: number): NodeJS.Timeout {
    const tick = () => {
      if (this.#failure === null && this.#log.isDirty) {
        this.#guard(() => this.#log.sync()).catch(() => {});
      }
    };
    return setInterval(tick, intervalMs).unref();
  }

  #view(): LogView {
    const journal = this;
    const { segments } = this.#log;
    return {
      disk: this.#ports.disk,
      directory: this.#directory,
      segments,
      get seqFirst() {
        return journal.seqFirst;
      },
    };
  }

  #source(): BatchSource {
    const journal = this;
    const view = this.#view();
    return {
      get seqFirst() {
        return journal.seqFirst;
      },
      get seqStored() {
        return journal.seqStored;
      },
      seqAt: (timeMs) => seqAtTime(view, timeMs, journal.seqStored + 1),
      open: async (seq) => new SegmentCursor(view, seq),
      async stored(seq) {
        while (journal.#closing === null && journal.seqStored <= seq) await journal.#signal.wait();
        return journal.seqStored > seq ? "stored" : "closed";
      },
    };
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError();
  }
}

/** Makes a directory and what is missing above it, each durable before the next. */
async function ensureDirectory(disk: Disk, path: string): Promise<void> {
  const parent = dirname(path);
  try {
    if (await disk.makeDirectory(path)) await disk.syncDirectory(parent);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === path) throw error;
    await ensureDirectory(disk, parent);
    await ensureDirectory(disk, path);
  }
}

function closedError(): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CLOSED", "the journal is closed");
}
