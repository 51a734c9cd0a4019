import type { Batch, EntryCursor } from "../batch/batch.ts";
import { Batch as BatchView } from "../batch/batch.ts";
import { sliceBatch } from "../batch/batch-split.ts";
import type { Entry } from "../batch/entry.ts";
import { BrokerlessError } from "../errors.ts";
import { onAbort } from "../on-abort.ts";
import { boolean, checkNames, expected } from "../options.ts";
import { checkWaitOptions } from "../wait.ts";
import type { JournalReader, MissingEntries, ReadFrom, ReadOptions } from "./journal.ts";

const READ_OPTIONS = ["from", "follow", "signal", "onMissing"];

/** The source of a reader's batches, implemented by each kind of journal. */
export interface BatchSource {
  readonly seqFirst: number;
  readonly seqStored: number;
  /**
   * First seq of the first batch sealed at or after a time; the seq after the last entry where
   * there is none.
   */
  seqAt(timeMs: number): Promise<number>;
  /** A cursor whose first batch contains `seq`, or is an earlier one. */
  open(seq: number): Promise<BatchCursor>;
  /** Resolves when an entry after `seq` is stored, or the journal is closed. */
  stored(seq: number): Promise<"stored" | "closed">;
  /** Updates the range of kept entries, where another process frees them. */
  refresh?(): Promise<void>;
}

/** Iterates over stored batches. */
export interface BatchCursor {
  /** @returns the next batch, or `null` where nothing more is stored yet */
  next(): Promise<Batch | null>;
  /**
   * Moves past the place where `next` failed, to the next readable batch.
   *
   * @returns the seq that comes next, or `null` where nothing readable is stored after it
   */
  seekReadable?(): Promise<number | null>;
  close(): Promise<void>;
}

/** Wakes following readers. */
export class StoredSignal {
  #waiters: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  notify(): void {
    if (this.#waiters.length === 0) return;
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** The reader over any source: positions, gaps, following, and cutting the first batch. */
export class SourceReader implements JournalReader {
  readonly #source: BatchSource;
  readonly #from: ReadFrom;
  readonly #follow: boolean;
  readonly #signal: AbortSignal | null;
  readonly #onMissing: ((missing: MissingEntries) => void) | null;
  #cursor: BatchCursor | null = null;
  #closed = false;
  /** Whether an entry was delivered: from then on every missing entry is reported. */
  #hasBegun = false;
  #wake: (() => void) | null = null;

  /** @throws TypeError for an invalid position, or an unknown option */
  constructor(source: BatchSource, options: ReadOptions = {}) {
    checkReadOptions(options);
    this.#source = source;
    this.#from = checkFrom(options.from === undefined ? "start" : options.from);
    this.#follow = options.follow ?? false;
    this.#signal = options.signal ?? null;
    this.#onMissing = options.onMissing ?? null;
  }

  async *batches(): AsyncGenerator<Batch, void, undefined> {
    const source = this.#source;
    this.#signal?.throwIfAborted();
    let seq = await this.#start();
    const seqEnd = this.#follow ? Number.POSITIVE_INFINITY : source.seqStored;
    this.#cursor = await source.open(seq);
    try {
      while (!this.#closed && seq <= seqEnd) {
        this.#signal?.throwIfAborted();
        const batch = await this.#next(this.#cursor, seq);
        if (typeof batch === "number") seq = batch;
        else if (batch === null) {
          if (!this.#follow || (await this.#wait(seq)) === "closed") return;
        } else if (batch.seqLast >= seq) {
          const cut = cutBatch(batch, seq, seqEnd);
          seq = cut.seqLast + 1;
          this.#hasBegun = true;
          yield cut;
        }
      }
    } finally {
      await this.close();
    }
  }

  /** Written by hand rather than as a generator: an entry costs one resolved promise, not three. */
  [Symbol.asyncIterator](): AsyncIterator<Entry> {
    const batches = this.batches();
    let cursor: EntryCursor | null = null;
    const more = async (): Promise<IteratorResult<Entry>> => {
      for (;;) {
        const next = await batches.next();
        if (next.done === true) return { done: true, value: undefined };
        cursor = next.value.cursor();
        if (cursor.next()) return { done: false, value: cursor.entry };
      }
    };
    return {
      next(): Promise<IteratorResult<Entry>> {
        if (cursor?.next()) return Promise.resolve({ done: false, value: cursor.entry });
        return more();
      },
      async return(): Promise<IteratorResult<Entry>> {
        await batches.return();
        return { done: true, value: undefined };
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    const cursor = this.#cursor;
    this.#cursor = null;
    await cursor?.close();
  }

  async #start(): Promise<number> {
    const source = this.#source;
    const from = this.#from;
    if (from === "start") return source.seqFirst;
    if (from === "end") return source.seqStored + 1;
    if (typeof from === "object" && "time" in from) {
      return Math.max(source.seqFirst, await source.seqAt(Number(from.time)));
    }
    const seq = typeof from === "number" ? from : from.seq;
    const { seqFirst } = source;
    if (seq < seqFirst && this.#onMissing !== null) {
      this.#onMissing({ seqFirst: seq, seqLast: seqFirst - 1, error: gap(seq, seqFirst) });
      return seqFirst;
    }
    if (seq < seqFirst) throw gap(seq, seqFirst);
    if (seq > source.seqStored + 1) {
      const message = `read from seq ${seq}, and the stream ends at ${source.seqStored}`;
      throw new BrokerlessError("BROKERLESS_DIVERGED", message);
    }
    return seq;
  }

  /**
   * @returns the next batch, `null` where there is none yet, or the seq after the missing entries
   */
  async #next(cursor: BatchCursor, seq: number): Promise<Batch | number | null> {
    try {
      return await cursor.next();
    } catch (thrown) {
      const error = await this.#now(thrown, seq);
      const { seqFirst, seqStored } = this.#source;
      const isFreed = isGap(error) && seqFirst > seq;
      if (isFreed && this.#from === "start" && !this.#hasBegun) return this.#restart(seqFirst);
      if (this.#onMissing === null || !isMissing(error) || cursor.seekReadable === undefined)
        throw error;
      const seqNext = await cursor.seekReadable();
      if (seqNext === null && this.#follow) throw error;
      // Where nothing readable follows, all entries are missing that were stored at the time of the
      // check.
      const next = seqNext ?? seqStored + 1;
      if (next > seq) this.#onMissing({ seqFirst: seq, seqLast: next - 1, error });
      return Math.max(seq, next);
    }
  }

  /** The error in the current state: more may have been freed since it was thrown. */
  async #now(error: unknown, seq: number): Promise<unknown> {
    if (!isGap(error)) return error;
    await this.#source.refresh?.();
    const { seqFirst } = this.#source;
    return seqFirst > seq ? gap(seq, seqFirst) : error;
  }

  /** Starts again at the first kept entry, which has changed meanwhile. */
  async #restart(seq: number): Promise<number> {
    await this.#cursor?.close();
    const cursor = await this.#source.open(seq);
    if (this.#closed) await cursor.close();
    else this.#cursor = cursor;
    return seq;
  }

  async #wait(seq: number): Promise<"stored" | "closed"> {
    const signal = this.#signal;
    let unlisten = (): void => {};
    const ended = new Promise<"closed">((resolve) => {
      this.#wake = () => resolve("closed");
      if (signal !== null && !signal.aborted) unlisten = onAbort(signal, this.#wake);
    });
    try {
      const outcome = await Promise.race([this.#source.stored(seq - 1), ended]);
      signal?.throwIfAborted();
      return outcome;
    } finally {
      unlisten();
      this.#wake = null;
    }
  }
}

function isGap(error: unknown): error is BrokerlessError {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_GAP";
}

function isMissing(error: unknown): error is BrokerlessError {
  if (isGap(error)) return true;
  return error instanceof BrokerlessError && error.code === "BROKERLESS_CORRUPT";
}

/** The error for a position that is no longer kept. */
export function gap(seq: number, seqFirst: number): BrokerlessError {
  const message = `read from seq ${seq}, and the journal keeps ${seqFirst} and later ones only`;
  return new BrokerlessError("BROKERLESS_GAP", message);
}

function cutBatch(batch: Batch, from: number, to: number): Batch {
  if (batch.seqFirst >= from && batch.seqLast <= to) return batch;
  const seqFirst = Math.max(from, batch.seqFirst);
  return new BatchView(sliceBatch(batch, { seqFirst, seqLast: Math.min(to, batch.seqLast) }));
}

function checkReadOptions(options: ReadOptions): void {
  checkNames("read", options, READ_OPTIONS);
  const { follow, onMissing } = options;
  if (follow !== undefined) boolean(follow, "read: follow");
  checkWaitOptions("read", { signal: options.signal });
  if (onMissing !== undefined && typeof onMissing !== "function") {
    throw expected("read: onMissing", "a function", onMissing);
  }
}

function checkFrom(from: ReadFrom): ReadFrom {
  if (from === "start" || from === "end") return from;
  if (typeof from === "object" && from !== null && "time" in from) {
    if (Number.isFinite(Number(from.time))) return from;
  } else {
    const seq = typeof from === "object" && from !== null ? from.seq : from;
    if (Number.isSafeInteger(seq) && (seq as number) >= 1) return from;
  }
  const wanted = '"start", "end", a seq from 1, { seq } or { time }';
  throw expected('read: option "from"', wanted, from);
}
