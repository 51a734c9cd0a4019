import type { BatchDraft } from "../batch/batch-encoder.ts";
import { BrokerlessError } from "../errors.ts";
import { checkNames, expected } from "../options.ts";
import { toChanges, toEntries } from "./append-arguments.ts";
import type { Appended } from "./commit/appended.ts";
import { Intake, type IntakeOptions } from "./commit/intake.ts";
import type { ValueTable } from "./format/values.ts";
import { holdChange, lowestHold, readHolds, releaseChange } from "./holds.ts";
import type {
  AppendOptions,
  DraftOptions,
  Journal,
  JournalReader,
  JournalStats,
  ReadOptions,
  Values,
  VerifyReport,
} from "./journal.ts";
import { type BatchCursor, SourceReader, StoredSignal } from "./reader.ts";

const APPEND_OPTIONS = ["values"];
const DRAFT_OPTIONS = ["values", "makesRoom"];

/**
 * The common part of the journals of this package: intake, named values and holds, following reads,
 * and closing. Each journal adds the storage of groups and the source of batches.
 */
export abstract class LocalJournal implements Journal {
  abstract readonly stream: string;
  abstract readonly epoch: number;
  protected readonly intake: Intake;
  /** The stored values. */
  protected readonly table: ValueTable;
  /** Notified after `seqStored` has moved, for each stored group. */
  protected readonly signal: StoredSignal = new StoredSignal();
  #closing: Promise<void> | null = null;
  /** It is closing, and all appends are stored or failed. */
  #isSettled = false;

  protected constructor(table: ValueTable, options: IntakeOptions) {
    this.table = table;
    this.intake = new Intake(options);
  }

  abstract get seqFirst(): number;

  get seqStored(): number {
    return this.intake.seqStored;
  }

  get seqNext(): number {
    return this.intake.seqNext;
  }

  get pendingBytes(): number {
    return this.intake.pendingBytes;
  }

  get full(): boolean {
    return this.intake.full;
  }

  append(entries: Parameters<Journal["append"]>[0], options?: AppendOptions): Appended {
    if (options === undefined && entries instanceof Uint8Array) return this.intake.append(entries);
    checkNames("append", options, APPEND_OPTIONS);
    return this.intake.appendAll(toEntries(entries), toChanges(this.table, options?.values));
  }

  appendDraft(draft: BatchDraft, options?: DraftOptions): Appended {
    checkNames("appendDraft", options, DRAFT_OPTIONS);
    if (typeof draft?.seal !== "function") throw expected("draft", "a BatchDraft", draft);
    if (draft.count < 1) throw expected("draft", "at least one entry", draft.count);
    const makesRoom = options?.makesRoom ?? false;
    if (typeof makesRoom !== "boolean") throw expected("makesRoom", "a boolean", makesRoom);
    return this.intake.appendDraft(draft, toChanges(this.table, options?.values), makesRoom);
  }

  set(values: Values): Appended {
    if (values === undefined) throw expected("set: values", "a plain object", values);
    return this.intake.appendAll([], toChanges(this.table, values));
  }

  get(name: string): Uint8Array | null {
    if (typeof name !== "string") throw expected("get: name of a value", "a text", name);
    return this.table.get(name);
  }

  room(): Promise<void> {
    return this.intake.room();
  }

  async sync(): Promise<void> {
    this.#assertOpen();
    await this.intake.settled();
  }

  read(options?: ReadOptions): JournalReader {
    this.#assertOpen();
    const journal = this;
    const source = {
      get seqFirst() {
        return journal.seqFirst;
      },
      get seqStored() {
        return journal.seqStored;
      },
      seqAt: (timeMs: number) => journal.seqAt(timeMs),
      open: async (seq: number) => journal.cursorAt(seq),
      stored: (seq: number) => journal.#stored(seq),
    };
    return new SourceReader(source, options);
  }

  async hold(name: string, seq: number): Promise<void> {
    await this.intake.appendAll([], holdChange(name, seq));
  }

  async release(name: string): Promise<void> {
    await this.intake.appendAll([], releaseChange(name));
  }

  holds(): ReadonlyMap<string, number> {
    return readHolds(this.table);
  }

  async truncateBefore(seq: number): Promise<number> {
    if (!Number.isSafeInteger(seq) || seq < 1) throw expected("truncateBefore", "a seq", seq);
    this.#assertOpen();
    const wanted = Math.min(seq, lowestHold(this.table), this.seqStored + 1);
    if (wanted > this.seqFirst) await this.freeBefore(wanted);
    return this.seqFirst;
  }

  async verify(): Promise<VerifyReport> {
    this.#assertOpen();
    return this.check();
  }

  abstract stats(): JournalStats;

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Like `BatchSource.seqAt`. */
  protected abstract seqAt(timeMs: number): Promise<number>;

  /** Like `BatchSource.open`. */
  protected abstract cursorAt(seq: number): BatchCursor;

  /** Frees entries below `seq`, once the new first seq is stored. */
  protected abstract freeBefore(seq: number): Promise<void>;

  /** Like `Journal.verify`, for an open journal. */
  protected abstract check(): Promise<VerifyReport>;

  /** Releases all resources; nothing is appended any more, and nothing waits. */
  protected abstract letGo(): Promise<void>;

  async #close(): Promise<void> {
    this.intake.refuse(journalClosedError());
    try {
      await this.intake.settled();
    } finally {
      this.#isSettled = true;
      this.signal.notify();
      await this.letGo();
    }
  }

  async #stored(seq: number): Promise<"stored" | "closed"> {
    while (!this.#isSettled && this.seqStored <= seq) await this.signal.wait();
    return this.seqStored > seq ? "stored" : "closed";
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw journalClosedError();
  }
}

/** The error for calls and reads of a closed journal; `when` adds details. */
export function journalClosedError(when = ""): BrokerlessError {
  const message = when === "" ? "the journal is closed" : `the journal was closed ${when}`;
  return new BrokerlessError("BROKERLESS_CLOSED", message);
}
