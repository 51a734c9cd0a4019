import type { SeqRange } from "../../delivery/range/range.ts";
import { BatchRuns, type BatchSize } from "./batch-runs.ts";

/** Messages of a process before this one whose batches have not been read yet. */
interface Unread extends SeqRange {
  /** What they take at most, about. */
  readonly bytes: number;
}

/**
 * How much of a journal is appended and not settled. Messages are settled in any order, bytes run by run: the
 * bytes said are those of the backlog and at most 0.1 % more.
 *
 * What a process before this one has left is estimated until its batches are read: as what there is for it in all, or as
 * those that are read, whichever is less. Nobody is to wait, and nothing dropped, for what is not there.
 *
 * Invariant: the memory it takes grows with the logarithm of the backlog. Where every seq is settled, it has no bytes.
 */
export class BacklogSize {
  /** Batches that were left, as far as they have been read. */
  readonly #read = new BatchRuns();
  readonly #appended = new BatchRuns();
  #unread: Unread | null = null;
  /** What was read of it. */
  #readBytes = 0;
  #readCount = 0;
  #count = 0;

  /** Bytes of the batches of which something may be needed. */
  get bytes(): number {
    return this.#read.bytes + this.#unreadBytes + this.#appended.bytes;
  }

  /** Messages that are not settled (count). */
  get count(): number {
    return this.#count;
  }

  /** What the sizes are kept in (count): a measure of memory. */
  get runs(): number {
    return this.#read.size + this.#appended.size;
  }

  /**
   * What a process before this one has left; before anything else.
   *
   * @param left from the first message that is not settled to the last one, and what these take, about (bytes)
   * @param count those of them that are not settled
   */
  restored(left: SeqRange & { readonly bytes: number }, count: number): void {
    this.#count += count;
    this.#keepUnread(left);
  }

  /**
   * A batch was read: where a process before this one has left it, its bytes are known from now on.
   *
   * @returns whether that is so
   */
  read({ first, last }: SeqRange, bytes: number): boolean {
    const unread = this.#unread;
    if (unread === null || last < unread.first || last > unread.last) return false;
    // What of the first batch was settled before is not needed.
    const count = last + 1 - Math.max(first, unread.first);
    const needed = Math.round((bytes * count) / (last - first + 1));
    this.#read.push(last, needed);
    this.#readBytes += needed;
    this.#readCount += count;
    const left = Math.max(0, unread.bytes - needed);
    this.#keepUnread({ first: last + 1, last: unread.last, bytes: left });
    return true;
  }

  /** A batch was appended, behind all others. @returns what `failed` wants where it could not be stored */
  appended(last: number, bytes: number, count: number): BatchSize {
    this.#count += count;
    return this.#appended.push(last, bytes);
  }

  /** A batch could not be stored, and so none behind it. */
  failed(batch: BatchSize, count: number): void {
    this.#count -= count;
    this.#appended.remove(batch);
  }

  /** Messages are settled (count). */
  settled(count: number): void {
    this.#count -= count;
  }

  /** Every seq up to this one is settled. @returns bytes that nobody needs any more */
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

  /** Settled unread: dropped, or claimed by a receiver. */
  #freeUnread({ first, last, bytes }: Unread, floor: number): void {
    const part = (last - floor) / (last - first + 1);
    this.#keepUnread({ first: floor + 1, last, bytes: Math.round(bytes * part) });
  }

  #keepUnread(unread: Unread): void {
    this.#unread = unread.first <= unread.last ? unread : null;
  }
}
