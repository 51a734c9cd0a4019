import { type BatchDraft, BatchEncoder } from "../../batch/batch-encoder.ts";
import type { EntryInput } from "../../batch/entry.ts";
import { BATCH_HEADER_BYTES, BATCH_HEADROOM_BYTES } from "../../batch/layout.ts";
import { SlabPool } from "../../batch/slab-pool.ts";
import type { ValueChanges } from "../format/values.ts";
import { Commit } from "./appended.ts";

const FRONT_BYTES = BATCH_HEADROOM_BYTES + BATCH_HEADER_BYTES;
/**
 * Length of the memory that encoded entries share, so that a commit consists of few pieces (bytes).
 */
const SLAB_BYTES = 2 ** 20;
/** Most free slabs that are kept (count). */
const SLABS_FREE_MAX = 16;

/** The atomic unit of storage: a batch, changed values, or both. */
export interface Unit {
  readonly draft: BatchDraft | null;
  readonly seqFirst: number;
  readonly values: ValueChanges | null;
  /** Whether its entries are copies of others, which can be freed afterwards. */
  readonly makesRoom: boolean;
}

/** The units of one commit. */
export interface Group {
  readonly units: Unit[];
  readonly commit: Commit;
  bytes: number;
  count: number;
}

/** Limits of batches and groups. */
export interface GroupQueueOptions {
  readonly seqNext: number;
  /** A batch of this length is closed, and further entries go to the next one (bytes). */
  readonly batchBytesMax: number;
  /** A group of this length takes no more units (bytes). */
  readonly commitBytesMax: number;
  /** Whether memory is reused once a group is released. */
  readonly recycles: boolean;
  /** Called when a batch is full and can be taken. */
  filled(): void;
}

/**
 * Entries and values that were appended and are not stored yet. Entries are encoded into the open
 * batch, batches and values become units, and units become the groups that are committed, in order
 * of `seq`.
 *
 * Invariant: `readyBytes <= pendingBytes`. A group that was taken counts as pending until it is
 * released.
 */
export class GroupQueue {
  /** The seq of the next entry. */
  seqNext: number;
  readonly #options: GroupQueueOptions;
  readonly #pool: SlabPool;
  readonly #encoder: BatchEncoder;
  #open: Group = newGroup();
  readonly #filled: Group[] = [];
  #values: Map<string, Uint8Array | null> | null = null;
  #unitSeq: number;
  #closedBytes = 0;
  #readyBytes = 0;

  constructor(options: GroupQueueOptions) {
    const { seqNext, batchBytesMax, recycles } = options;
    this.#options = options;
    this.seqNext = seqNext;
    this.#unitSeq = seqNext;
    this.#pool = new SlabPool(Math.max(SLAB_BYTES, 4 * batchBytesMax), SLABS_FREE_MAX);
    this.#encoder = new BatchEncoder(recycles ? { slabs: this.#pool } : {});
  }

  /** Encoded and not yet released (bytes). */
  get pendingBytes(): number {
    return this.#closedBytes + this.#encoder.bytes - FRONT_BYTES;
  }

  /** In full batches that are not taken yet (bytes). */
  get readyBytes(): number {
    return this.#readyBytes;
  }

  /** Whether nothing is left to take. */
  get isEmpty(): boolean {
    const isOpen = this.#encoder.count > 0 || this.#values !== null || this.#open.units.length > 0;
    return !isOpen && this.#filled.length === 0;
  }

  /** Adds one value: the hot path. The bytes are copied. @returns the commit that will store it */
  add(value: Uint8Array): Commit {
    this.#encoder.add(value);
    return this.#added(1);
  }

  /**
   * Adds entries and values that are stored together or not at all.
   *
   * @throws TypeError or BrokerlessError for an invalid entry; nothing was added then
   */
  addAll(entries: readonly EntryInput[], values: ValueChanges | null): Commit {
    const encoder = this.#encoder;
    const before = { bytes: encoder.bytes, count: encoder.count };
    try {
      for (const entry of entries) encoder.addEntry(entry);
    } catch (error) {
      encoder.rewind(before);
      throw error;
    }
    if (values !== null && values.size > 0) {
      this.#values ??= new Map();
      for (const [name, value] of values) this.#values.set(name, value);
    }
    return this.#added(entries.length);
  }

  /** Adds a draft as a batch of its own. */
  addDraft(draft: BatchDraft, values: ValueChanges | null, makesRoom: boolean): Commit {
    this.#closeUnit();
    const { commit } = this.#open;
    this.#push({ draft, seqFirst: this.seqNext, values, makesRoom }, draft.bytes.length);
    this.seqNext += draft.count;
    this.#unitSeq = this.seqNext;
    this.#options.filled();
    return commit;
  }

  /** @returns the next group to store, or `null` where nothing waits */
  take(): Group | null {
    if (this.#filled.length === 0) this.#closeUnit();
    // Closing the batch may have filled the open group.
    const group = this.#filled.shift() ?? this.#takeOpen();
    if (group !== null) this.#readyBytes -= group.bytes;
    return group;
  }

  /** A group was stored: it is no longer pending. */
  release(group: Group): void {
    this.#closedBytes -= group.bytes;
    this.recycle(group);
  }

  /** Frees the memory of a group, which nobody reads or writes any more. */
  recycle(group: Group): void {
    for (const { draft } of group.units) if (draft !== null) this.#pool.release(draft.bytes);
  }

  /**
   * Drops everything, including groups that were taken; `seqNext` is assigned again. @returns the
   * groups that were not taken
   */
  clear(seqNext: number): Group[] {
    this.#closeUnit();
    const groups = this.#filled.splice(0);
    const open = this.#takeOpen();
    if (open !== null) groups.push(open);
    this.#closedBytes = 0;
    this.#readyBytes = 0;
    this.seqNext = seqNext;
    this.#unitSeq = seqNext;
    return groups;
  }

  #added(count: number): Commit {
    this.seqNext += count;
    const { commit } = this.#open;
    if (this.#encoder.bytes >= this.#options.batchBytesMax) {
      this.#closeUnit();
      this.#options.filled();
    }
    return commit;
  }

  #closeUnit(): void {
    const count = this.#encoder.count;
    if (count === 0 && this.#values === null) return;
    const draft = count === 0 ? null : this.#encoder.take();
    if (draft !== null) this.#pool.hold(draft.bytes);
    const values = this.#values;
    this.#values = null;
    const unit = { draft, seqFirst: this.#unitSeq, values, makesRoom: false };
    this.#push(unit, draft?.bytes.length ?? 0);
    this.#unitSeq = this.seqNext;
  }

  #push(unit: Unit, bytes: number): void {
    const group = this.#open;
    group.units.push(unit);
    group.bytes += bytes;
    group.count += unit.draft?.count ?? 0;
    this.#closedBytes += bytes;
    this.#readyBytes += bytes;
    if (group.bytes < this.#options.commitBytesMax) return;
    this.#filled.push(group);
    this.#open = newGroup();
  }

  #takeOpen(): Group | null {
    const group = this.#open;
    if (group.units.length === 0) return null;
    this.#open = newGroup();
    return group;
  }
}

function newGroup(): Group {
  return { units: [], commit: new Commit(), bytes: 0, count: 0 };
}
