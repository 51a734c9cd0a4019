import { type BatchDraft, BatchEncoder } from "../batch/batch-encoder.ts";
import type { EntryInput } from "../batch/entry.ts";
import { BATCH_HEADER_BYTES, BATCH_HEADROOM_BYTES, ENTRY_BYTES_MAX } from "../batch/layout.ts";
import { BrokerlessError } from "../errors.ts";
import { expected } from "../options.ts";
import { Appended, Commit } from "./appended.ts";
import type { ValueChanges } from "./values.ts";

const FRONT_BYTES = BATCH_HEADROOM_BYTES + BATCH_HEADER_BYTES;
/** A commit starts within a long synchronous loop when this much waits, so that the disk works. */
const START_BYTES = 2 ** 20;

/** What is stored as a whole or not at all: a batch, changed values, or both. */
export interface Unit {
  readonly draft: BatchDraft | null;
  readonly seqFirst: number;
  readonly values: ValueChanges | null;
}

/** The units of one commit. */
export interface Group {
  readonly units: Unit[];
  readonly commit: Commit;
  bytes: number;
  count: number;
}

/** Bounds, and what stores a group. */
export interface IntakeOptions {
  readonly seqNext: number;
  /** Entries go to the next batch when one has this much (bytes). */
  readonly batchBytesMax: number;
  /** A group takes no more units when it has this much (bytes). */
  readonly commitBytesMax: number;
  readonly pendingBytesMax: number;
  /**
   * Stores a group; called with one at a time, in order. When it rejects with
   * `BROKERLESS_NO_SPACE`, nothing of the group is stored; after another error all is over.
   */
  store(group: Group): Promise<void>;
  /** Nothing waits any more. */
  idle?(): void;
}

/**
 * The way into a journal: gives seqs, encodes entries into the open batch, and hands all that
 * waits to `store` as one group, one group at a time (group commit).
 *
 * A group starts at the end of the turn in which the first append came, after promise reactions: so
 * appenders that one commit has just woken share the next one.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #encoder: BatchEncoder;
  #group: Group = newGroup();
  readonly #queue: Group[] = [];
  #values: Map<string, Uint8Array | null> | null = null;
  #unitSeq: number;
  #seqNext: number;
  #seqStored: number;
  #closedBytes = 0;
  #storing: Group | null = null;
  #scheduled = false;
  #refusal: BrokerlessError | null = null;
  #loss: BrokerlessError | null = null;
  #unseen: { count: number; error: BrokerlessError | null } = { count: 0, error: null };
  #roomWaiters: (() => void)[] = [];
  #idleWaiters: (() => void)[] = [];
  readonly #start = (): void => {
    this.#scheduled = false;
    this.#run();
  };

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#encoder = new BatchEncoder({ slabBytes: Math.max(2 ** 20, 4 * options.batchBytesMax) });
    this.#seqNext = options.seqNext;
    this.#unitSeq = options.seqNext;
    this.#seqStored = options.seqNext - 1;
  }

  get seqNext(): number {
    return this.#seqNext;
  }

  get seqStored(): number {
    return this.#seqStored;
  }

  /** Encoded and not stored (bytes). */
  get pendingBytes(): number {
    return this.#closedBytes + this.#encoder.bytes - FRONT_BYTES;
  }

  get full(): boolean {
    return this.pendingBytes >= this.#options.pendingBytesMax;
  }

  /** Appends one value: the hot path. The bytes are copied. */
  append(value: Uint8Array): Appended {
    if (this.#refusal !== null || this.full) return this.#refuse();
    if (value.length > ENTRY_BYTES_MAX) return this.#rejected(tooLarge(value.length));
    this.#encoder.add(value);
    return this.#added(1);
  }

  /** Appends entries and values that are stored all or none. */
  appendAll(entries: readonly EntryInput[], values: ValueChanges | null): Appended {
    if (this.#refusal !== null || this.full) return this.#refuse();
    const encoder = this.#encoder;
    const before = { bytes: encoder.bytes, count: encoder.count };
    try {
      for (const entry of entries) encoder.addEntry(entry);
    } catch (error) {
      encoder.rewind(before);
      if (error instanceof BrokerlessError) return this.#rejected(error);
      throw error;
    }
    this.#putValues(values);
    return this.#added(entries.length);
  }

  /** Appends a draft as a batch of its own. */
  appendDraft(draft: BatchDraft, values: ValueChanges | null): Appended {
    if (this.#refusal !== null || this.full) return this.#refuse();
    this.#closeUnit();
    const seqFirst = this.#seqNext;
    const group = this.#group;
    this.#push({ draft, seqFirst, values }, draft.bytes.length);
    this.#seqNext += draft.count;
    this.#unitSeq = this.#seqNext;
    if (this.#storing === null && this.#closedBytes >= START_BYTES) this.#run();
    else this.#schedule();
    return new Appended(seqFirst, draft.count, group.commit);
  }

  /** Resolves when the pending bytes are at most half of their bound, or all is over. */
  room(): Promise<void> {
    if (this.#hasRoom()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#roomWaiters.push(resolve);
    });
  }

  /**
   * Resolves when nothing waits.
   *
   * @throws BrokerlessError the first loss since the last call of which nobody was told, once
   */
  async settled(): Promise<void> {
    if (!this.#isIdle()) {
      this.#run();
      await new Promise<void>((resolve) => {
        this.#idleWaiters.push(resolve);
      });
    }
    const unseen = this.#unseen;
    const loss = this.#loss ?? (unseen.count > 0 ? unseen.error : null);
    this.#loss = null;
    this.#unseen = { count: 0, error: null };
    if (loss !== null) throw loss;
  }

  /** From now on every append fails with `error`; what waits is rejected where `drop` says so. */
  refuse(error: BrokerlessError, drop: boolean): void {
    this.#refusal = error;
    if (drop) this.#reject(error);
  }

  #added(count: number): Appended {
    const seq = this.#seqNext;
    this.#seqNext = seq + count;
    const appended = new Appended(seq, count, this.#group.commit);
    if (this.#encoder.bytes >= this.#options.batchBytesMax) {
      this.#closeUnit();
      if (this.#storing === null && this.#closedBytes >= START_BYTES) this.#run();
    }
    if (!this.#scheduled && this.#storing === null) this.#schedule();
    return appended;
  }

  #putValues(values: ValueChanges | null): void {
    if (values === null || values.size === 0) return;
    this.#values ??= new Map();
    for (const [name, value] of values) this.#values.set(name, value);
  }

  #closeUnit(): void {
    const count = this.#encoder.count;
    if (count === 0 && this.#values === null) return;
    const draft = count === 0 ? null : this.#encoder.take();
    const values = this.#values;
    this.#values = null;
    this.#push({ draft, seqFirst: this.#unitSeq, values }, draft?.bytes.length ?? 0);
    this.#unitSeq = this.#seqNext;
  }

  #push(unit: Unit, bytes: number): void {
    const group = this.#group;
    group.units.push(unit);
    group.bytes += bytes;
    group.count += unit.draft?.count ?? 0;
    this.#closedBytes += bytes;
    if (group.bytes < this.#options.commitBytesMax) return;
    this.#queue.push(group);
    this.#group = newGroup();
  }

  #schedule(): void {
    if (this.#scheduled || this.#storing !== null) return;
    this.#scheduled = true;
    process.nextTick(this.#start);
  }

  #run(): void {
    if (this.#storing !== null) return;
    const group = this.#next();
    if (group === null) {
      this.#wake();
      return;
    }
    this.#storing = group;
    this.#options.store(group).then(
      () => this.#stored(group),
      (error: unknown) => this.#failed(group, error),
    );
  }

  #next(): Group | null {
    const waiting = this.#queue.shift();
    if (waiting !== undefined) return waiting;
    this.#closeUnit();
    // Closing may have filled the group, and so have moved it to the queue.
    const filled = this.#queue.shift();
    if (filled !== undefined) return filled;
    const group = this.#group;
    if (group.units.length === 0) return null;
    this.#group = newGroup();
    return group;
  }

  #stored(group: Group): void {
    this.#storing = null;
    this.#closedBytes -= group.bytes;
    this.#seqStored += group.count;
    group.commit.resolve();
    if (this.#hasRoom()) this.#wakeRoom();
    this.#schedule();
  }

  #failed(group: Group, error: unknown): void {
    const failure = error as BrokerlessError;
    this.#storing = null;
    this.#lose(group, failure);
    if (failure.code !== "BROKERLESS_NO_SPACE") this.#refusal = failure;
    this.#reject(failure);
    this.#wake();
  }

  /** What waits behind a failure fails with it, so that no hole can appear. */
  #reject(error: BrokerlessError): void {
    this.#closeUnit();
    const groups = [...this.#queue.splice(0), this.#group];
    this.#group = newGroup();
    this.#closedBytes = 0;
    this.#seqNext = this.#seqStored + 1;
    this.#unitSeq = this.#seqNext;
    for (const group of groups) {
      this.#lose(group, error);
    }
    this.#wakeRoom();
  }

  /** A loss of which no waiting appender is told is kept for the next `settled`. */
  #lose(group: Group, error: BrokerlessError): void {
    if (group.units.length > 0 && !group.commit.isObserved) this.#loss ??= error;
    group.commit.reject(error);
  }

  #isIdle(): boolean {
    const open = this.#encoder.count > 0 || this.#values !== null || this.#group.units.length > 0;
    return this.#storing === null && this.#queue.length === 0 && !open;
  }

  #hasRoom(): boolean {
    return this.#refusal !== null || this.pendingBytes * 2 <= this.#options.pendingBytesMax;
  }

  #wake(): void {
    this.#options.idle?.();
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #wakeRoom(): void {
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }

  #refuse(): Appended {
    return this.#rejected(this.#refusal ?? this.#fullError());
  }

  #fullError(): BrokerlessError {
    const message = `${this.pendingBytes} bytes wait to be stored, and pendingBytesMax is ${this.#options.pendingBytesMax}; await room() first`;
    return new BrokerlessError("BROKERLESS_FULL", message);
  }

  /** An append that changes nothing; nobody looking at it makes it a loss. */
  #rejected(error: BrokerlessError): Appended {
    this.#unseen.count++;
    this.#unseen.error ??= error;
    const unseen = this.#unseen;
    const commit = new Commit(() => {
      unseen.count--;
    });
    commit.reject(error);
    return new Appended(this.#seqNext, 0, commit);
  }
}

/** @throws TypeError unless `value` is bytes */
export function checkBytes(what: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw expected(what, "a Buffer or Uint8Array", value);
}

function newGroup(): Group {
  return { units: [], commit: new Commit(), bytes: 0, count: 0 };
}

function tooLarge(bytes: number): BrokerlessError {
  const message = `an entry holds at most ${ENTRY_BYTES_MAX} bytes, this one has ${bytes}`;
  return new BrokerlessError("BROKERLESS_TOO_LARGE", message);
}
