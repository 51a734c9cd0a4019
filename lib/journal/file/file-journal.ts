import type { BrokerlessError } from "../../errors.ts";
import type { Group } from "../commit/group-queue.ts";
import type { DirectoryLock } from "../disk/directory-lock.ts";
import { replaceFile } from "../disk/disk.ts";
import { diskFailure, isFullDisk, isOutOfDescriptors } from "../disk/disk-errors.ts";
import { ensureDirectory } from "../disk/ensure-directory.ts";
import { CHECKPOINT_NAME } from "../disk/file-names.ts";
import { journalPlace } from "../disk/journal-place.ts";
import { type JournalPorts, nodePorts } from "../disk/ports.ts";
import { encodeCheckpoint } from "../format/checkpoint.ts";
import { readSeqFirst, seqFirstChange } from "../holds.ts";
import type { JournalStats, VerifyReport } from "../journal.ts";
import { LocalJournal } from "../local-journal.ts";
import { openLog, type RecoveryReport } from "../recovery/open-log.ts";
import { verifyLog } from "../recovery/verify.ts";
import { seqAtTime } from "../segment/seek-time.ts";
import { type LogView, SegmentCursor } from "../segment/segment-cursor.ts";
import { SegmentLog, type Written } from "../segment/segment-log.ts";
import {
  type FileJournalOptions,
  type ResolvedFileJournalOptions,
  resolveFileJournalOptions,
} from "./file-journal-options.ts";
import { bytesFrom, retainFrom } from "./retention.ts";

/** Longest commit: a longer one only adds latency (bytes). */
const COMMIT_BYTES_MAX = 2 ** 22;
/** Interval at which the mark for other processes is written under load (ms). */
const MARK_INTERVAL_MS = 20;

/** Resolved arguments of an open. */
interface World {
  readonly place: string;
  readonly ports: JournalPorts;
  readonly resolved: ResolvedFileJournalOptions;
  readonly lock: DirectoryLock;
}

/**
 * A journal in a directory of its own: segments of batches, committed in groups.
 *
 * @example
 * ```ts
 * await using journal = await FileJournal.open("log");
 * await journal.append(Buffer.from("an entry")); // resolves when it is on disk
 * for await (const { seq, value } of journal.read({ from: 1 })) console.log(seq, String(value));
 * ```
 *
 * @see docs/journal-format.md for the byte layout, and the table of rules that it keeps
 */
export class FileJournal extends LocalJournal {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  /** Result of the recovery at open: a clean close, or the consequences of a crash. */
  readonly recovery: RecoveryReport;
  readonly #directory: string;
  readonly #ports: JournalPorts;
  readonly #options: ResolvedFileJournalOptions;
  readonly #log: SegmentLog;
  readonly #lock: DirectoryLock;
  readonly #timer: NodeJS.Timeout | null = null;
  /** Result of the newest `write`, for `store`. */
  #written: Written | null = null;
  #markedAt = 0;
  #drops: Promise<void> = Promise.resolve();
  #failure: BrokerlessError | null = null;
  /** A failure that nobody was waiting for; `sync` or `close` reports it. */
  #unreported: BrokerlessError | null = null;

  /**
   * Opens the journal in a directory, or creates it. After a crash it is recovered first.
   *
   * @param directory path; missing parents are created
   * @throws TypeError for an invalid option
   * @throws BrokerlessError BROKERLESS_LOCKED while another writer has it, BROKERLESS_CORRUPT,
   *   BROKERLESS_VERSION, BROKERLESS_NO_SPACE, BROKERLESS_JOURNAL_FAILED
   */
  static open(directory: string, options?: FileJournalOptions): Promise<FileJournal> {
    return FileJournal.openWith(nodePorts, directory, options);
  }

  /** Like `open`, with replaced ports: for tests. */
  static async openWith(
    ports: JournalPorts,
    directory: string,
    options?: FileJournalOptions,
  ): Promise<FileJournal> {
    const place = journalPlace("FileJournal", directory);
    const resolved = resolveFileJournalOptions(options);
    let lock: DirectoryLock | null = null;
    try {
      await ensureDirectory(ports.disk, place);
      lock = await ports.lock(place);
      return await FileJournal.#open({ place, ports, resolved, lock });
    } catch (error) {
      await lock?.release();
      throw diskFailure(error, `open the journal in ${place}`);
    }
  }

  static async #open(world: World): Promise<FileJournal> {
    const { place: directory, ports, resolved, lock } = world;
    const { recovery, sync, segmentBytes } = resolved;
    const opened = await openLog({ directory, ports, recovery });
    const log = new SegmentLog(opened.parts, {
      syncCommits: sync === "always",
      segmentBytes,
      lock,
    });
    try {
      if (opened.raiseEpoch) await log.roll(log.newest.header.epoch + 1);
      else await opened.parts.mark.putDurably(log.mark());
      const journal = new FileJournal(world, log, opened.report);
      await journal.#retain();
      return journal;
    } catch (error) {
      await log.release();
      throw error;
    }
  }

  private constructor(world: World, log: SegmentLog, recovery: RecoveryReport) {
    const { resolved, ports } = world;
    super(log.table, {
      aheadBytes: ports.aheadBytes,
      recycles: true,
      seqNext: log.seqNext,
      batchBytesMax: resolved.batchBytesMax,
      commitBytesMax: COMMIT_BYTES_MAX,
      pendingBytesMax: resolved.pendingBytesMax,
      write: (group) => this.#write(group),
      store: () => this.#store(),
      idle: () => this.#putMark(),
    });
    this.#directory = world.place;
    this.#ports = ports;
    this.#options = resolved;
    this.#log = log;
    this.#lock = world.lock;
    this.recovery = recovery;
    this.stream = log.newest.header.stream;
    if (resolved.sync === "interval") this.#timer = this.#startTimer(resolved.syncIntervalMs);
  }

  /** The epoch of new entries; it rises after stored entries were lost. */
  get epoch(): number {
    return this.#log.newest.header.epoch;
  }

  /** The first seq that is kept. */
  get seqFirst(): number {
    return readSeqFirst(this.table);
  }

  /**
   * Makes all earlier appends durable, whatever the sync level, and visible to other processes.
   *
   * @throws BrokerlessError the failure of an earlier append that nobody awaited;
   *   `BROKERLESS_JOURNAL_FAILED`
   */
  override async sync(): Promise<void> {
    await super.sync();
    if (this.#failure !== null) {
      this.#unreported = null;
      throw this.#failure;
    }
    if (this.#log.isDirty) await this.#guard(() => this.#log.sync());
    else await this.#guard(async () => this.#lock.assertHeld());
    // Makes all of it visible to other processes.
    await this.#log.putMark();
  }

  /** Counters and gauges. Cheap. */
  stats(): JournalStats {
    const { commits, syncs, bytesWritten, bytesKept, segments } = this.#log;
    const { pendingBytes, seqFirst } = this;
    const entriesKept = this.seqStored + 1 - Math.max(seqFirst, segments[0]!.header.seqBase);
    const bytesNeeded = bytesFrom(seqFirst, this.#log);
    return { entriesKept, bytesKept, bytesNeeded, bytesWritten, commits, syncs, pendingBytes };
  }

  protected seqAt(timeMs: number): Promise<number> {
    return seqAtTime(this.#view(), timeMs, this.seqStored + 1);
  }

  protected cursorAt(seq: number): SegmentCursor {
    return new SegmentCursor(this.#view(), seq);
  }

  protected async freeBefore(seq: number): Promise<void> {
    await this.intake.appendAll([], seqFirstChange(seq));
    await this.#drop();
  }

  protected check(): Promise<VerifyReport> {
    return verifyLog(this.#view());
  }

  protected async letGo(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#drops;
    try {
      if (this.#failure === null) await this.#finish();
      else await this.#log.release();
    } finally {
      await this.#lock.release();
    }
    if (this.#unreported !== null) throw this.#unreported;
  }

  /** Ends a clean close: the next open starts from the checkpoint and reads nothing else. */
  async #finish(): Promise<void> {
    const log = this.#log;
    try {
      await log.close();
      this.#lock.assertHeld();
      await this.#putCheckpoint();
    } catch (error) {
      await log.release();
      throw diskFailure(error, `close the journal in ${this.#directory}`);
    }
  }

  async #putCheckpoint(): Promise<void> {
    const { newest, seqNext, timeMs } = this.#log;
    const { stream, epoch, number: segment } = newest.header;
    const values = this.table.entries();
    const state = { segment, stream, epoch, offset: newest.end, seqNext, timeMs, values };
    const place = { directory: this.#directory, name: CHECKPOINT_NAME };
    try {
      await replaceFile(this.#ports.disk, place, encodeCheckpoint(state));
    } catch (error) {
      // Everything is stored; without the checkpoint the next open reads the log.
      if (!isFullDisk(error) && !isOutOfDescriptors(error)) throw error;
    }
  }

  async #write(group: Group): Promise<void> {
    this.#written = await this.#guard(() => this.#log.write(group.units, group.bytes));
  }

  async #store(): Promise<void> {
    const written = this.#written!;
    await this.#guard(() => this.#log.commit(written));
    // The clock may have been set back since.
    const isMarkDue = Math.abs(this.#ports.now() - this.#markedAt) >= MARK_INTERVAL_MS;
    if (isMarkDue) {
      await this.#guard(async () => this.#lock.assertHeld());
      this.#putMark();
    }
    // `seqStored` moves when this promise has resolved; only then do following readers look.
    process.nextTick(() => this.signal.notify());
    if (written.rolled) this.#inBackground(this.#retain());
  }

  /** After any failure other than a full disk, nothing may be written any more. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    try {
      return await work();
    } catch (error) {
      const failure = diskFailure(error, `write the journal in ${this.#directory}`);
      if (failure.code !== "BROKERLESS_NO_SPACE") {
        this.#failure = failure;
        this.intake.refuse(failure);
      }
      throw failure;
    }
  }

  /** Removes freed segments, one after another, once the new first seq is durable. */
  #drop(): Promise<void> {
    const remove = async () => {
      // Read before the sync, which does not cover entries that are freed while it runs.
      const { seqFirst } = this;
      if (this.#log.isDirty) await this.#log.sync();
      await this.#log.dropBefore(seqFirst);
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

  /**
   * Runs work that nobody waits for: the next `sync`, or `close`, reports a failure that ends the
   * journal.
   */
  #inBackground(work: Promise<unknown>): void {
    work.catch(() => {
      this.#unreported ??= this.#failure;
    });
  }

  #putMark(): void {
    if (this.#failure !== null) return;
    this.#markedAt = this.#ports.now();
    void this.#log.putMark();
  }

  #startTimer(intervalMs: number): NodeJS.Timeout {
    const tick = () => {
      if (this.#failure === null && this.#log.isDirty) {
        this.#inBackground(this.#guard(() => this.#log.sync()));
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
}
