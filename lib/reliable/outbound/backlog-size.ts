import type { SeqRange } from "../../delivery/range/range.ts";
import { BatchRuns, type BatchSize } from "./batch-runs.ts";

/** Messages of an earlier process whose batches have not been read yet. */
interface Unread extends SeqRange {
  /** Their approximate upper size. */
  readonly bytes: number;
}

/**
 * The size of the part of a journal that is appended and not settled. Messages are settled in any order, bytes run by
 * run: the reported bytes are those of the backlog, and at most 0.1 % more.
 *
 * The messages left by an earlier process are estimated until their batches are read: from the journal's total, or from
 * the mean of the batches already read, whichever is less. So no call waits, and no message is dropped, because of
 * bytes that do not exist.
 *
 * Invariant: memory grows with the logarithm of the backlog. When every seq is settled, the size is 0 bytes.
 */
export class BacklogSize {
  /** Batches of an earlier process, as far as they have been read. */
  readonly #read = new BatchRuns();
  readonly #appended = new BatchRuns();
  #unread: Unread | null = null;
  /** Totals of the batches read. */
  #readBytes = 0;
  #readCount = 0;
  #count = 0;

  /** Size of all batches that may still be needed in part (bytes). */
  get bytes(): number {
    return this.#read.bytes + this.#unreadBytes + this.#appended.bytes;
  }

  /** Messages that are not settled (count). */
  get count(): number {
    return this.#count;
  }

  /** Runs of sizes (count): a measure of memory. */
  get runs(): number {
    return this.#read.size + this.#appended.size;
  }

  /**
   * Adds what an earlier process has left; to be called before anything else.
   *
   * @param left from the first message that is not settled to the last one, with their approximate size (bytes)
   * @param count those of them that are not settled
   */
  restored(left: SeqRange & { readonly bytes: number }, count: number): void {
    this.#count += count;
    this.#keepUnread(left);
  }

  /**
   * A batch was read: if an earlier process has left it, its size is known from now on.
   *
   * @returns whether an earlier process has left it
   */
  read({ first, last }: SeqRange, bytes: number): boolean {
    const unread = this.#unread;
    if (unread === null || last < unread.first || last > unread.last) return false;
    // The messages of the first batch that were settled before do not count.
    const count = last + 1 - Math.max(first, unread.first);
    const needed = Math.round((bytes * count) / (last - first + 1));
    this.#read.push(last, needed);
    this.#readBytes += needed;
    this.#readCount += count;
    const left = Math.max(0, unread.bytes - needed);
    this.#keepUnread({ first: last + 1, last: unread.last, bytes: left });
    return true;
  }

  /** A batch was appended, behind all others. @returns the argument for `failed` if it cannot be stored */
  appended(last: number, bytes: number, count: number): BatchSize {
    this.#count += count;
    return this.#appended.push(last, bytes);
  }

  /** A batch could not be stored, nor any batch behind it. */
  failed(batch: BatchSize, count: number): void {
    this.#count -= count;
    this.#appended.remove(batch);
  }

  /** Messages are settled (count). */
  settled(count: number): void {
    this.#count -= count;
  }

  /** Every seq up to this one is settled. @returns bytes that are no longer needed */
  free(floor: number): number {
    const before = this.bytes;
    this.#read.free(floor);
    if (this.#unread !== null && floor >= this.#unread.first) this.#freeUnread(this.#unread, floor);
    this.#appended.free(floor);
    return before - this.bytes;
  }

  get #unreadBytes(): number {
    if (this.#unread === null) return 0;
    const { first, last, bytes } = this.#unread;
    if (this.#readCount === 0) return bytes;
    const meanBytes = this.#readBytes / this.#readCount;
    return Math.min(bytes, Math.round((last - first + 1) * meanBytes));
  }

  /** Settled without being read: dropped, or claimed by a receiver. */
  #freeUnread({ first, last, bytes }: Unread, floor: number): void {
    const part = (last - floor) / (last - first + 1);
    this.#keepUnread({ first: floor + 1, last, bytes: Math.round(bytes * part) });
  }

  #keepUnread(unread: Unread): void {
    this.#unread = unread.first <= unread.last ? unread : null;
  }
}
