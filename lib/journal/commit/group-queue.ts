import { type BatchDraft, BatchEncoder } from "../../batch/batch-encoder.ts";
import type { EntryInput } from "../../batch/entry.ts";
import { BATCH_HEADER_BYTES, BATCH_HEADROOM_BYTES } from "../../batch/layout.ts";
import { SlabPool } from "../../batch/slab-pool.ts";
import type { ValueChanges } from "../format/values.ts";
import { Commit } from "./appended.ts";

const FRONT_BYTES = BATCH_HEADROOM_BYTES + BATCH_HEADER_BYTES;
/** Encoded entries share memory of this size, so that a commit is few pieces (bytes). */
const SLAB_BYTES = 2 ** 20;
/** Slabs that are kept for later (count). */
const SLABS_FREE_MAX = 16;

/** What is stored as a whole or not at all: a batch, changed values, or both. */
export interface Unit {
  readonly draft: BatchDraft | null;
  readonly seqFirst: number;
  readonly values: ValueChanges | null;
  /** Its entries are copies of others, which can be freed then. */
  readonly makesRoom: boolean;
}

/** The units of one commit. */
export interface Group {
  readonly units: Unit[];
  readonly commit: Commit;
  bytes: number;
  count: number;
}

/** Bounds of what is put together. */
export interface GroupQueueOptions {
  readonly seqNext: number;
  /** Entries go to the next batch when one has this much (bytes). */
  readonly batchBytesMax: number;
  /** A group takes no more units when it has this much (bytes). */
  readonly commitBytesMax: number;
  /** Memory is used again once a group is released. */
  readonly recycles: boolean;
  /** A batch is full, and can be taken at once. */
  filled(): void;
}

/**
 * What was appended and is not stored yet: entries are encoded into the open batch, batches and
 * values become units, and units the groups that are committed, in order of `seq`.
 *
 * Invariant: `readyBytes <= pendingBytes`. What was taken counts as pending until it is released.
 */
export class GroupQueue {
  /** The seq that the next entry gets. */
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

  /** Encoded and not released (bytes). */
  get pendingBytes(): number {
    return this.#closedBytes + this.#encoder.bytes - FRONT_BYTES;
  }

  /** In batches that are full, and not taken yet (bytes). */
  get readyBytes(): number {
    return this.#readyBytes;
  }

  /** Whether nothing is left to be taken. */
  get isEmpty(): boolean {
    const isOpen = this.#encoder.count > 0 || this.#values !== null || this.#open.units.length > 0;
    return !isOpen && this.#filled.length === 0;
  }

  /** Adds one value: the hot path. The bytes are copied. @returns what it is stored with */
  add(value: Uint8Array): Commit {
    this.#encoder.add(value);
    return this.#added(1);
  }

  /**
   * Adds entries and values that are stored all or none.
   *
   * @throws TypeError or BrokerlessError for an entry that does not fit; nothing was added then
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

  /** @returns the next group to be stored, or `null` where nothing waits */
  take(): Group | null {
    if (this.#filled.length === 0) this.#closeUnit();
    // Closing may have filled the open group.
    const group = this.#filled.shift() ?? this.#takeOpen();
    if (group !== null) this.#readyBytes -= group.bytes;
    return group;
  }

  /** A group that was taken is stored: it is pending no more. */
  release(group: Group): void {
    this.#closedBytes -= group.bytes;
    this.recycle(group);
  }

  /** The memory of a group is free: nobody reads or writes it any more. */
  recycle(group: Group): void {
    for (const { draft } of group.units) if (draft !== null) this.#pool.release(draft.bytes);
  }

  /** Gives up everything, what was taken too; `seqNext` is given anew. @returns what was not taken */
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
