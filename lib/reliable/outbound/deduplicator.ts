import { createHash } from "node:crypto";
import { isWellFormed } from "../../codec/well-formed.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import { expected } from "../../options.ts";
import { decodeIdKey } from "./id-key.ts";
import { decodeIdPage, encodeIdPage, ID_BYTES } from "./id-page.ts";
import type { KnownId } from "./pending.ts";

/** Ids of one page; a page is stored as a whole whenever an id is added to it (count). */
const PAGE_IDS = 256;
/**
 * Places for pages among the named values, independent of `deduplicationIdsMax`: so a restart with another limit finds
 * every page, and keeps the newest ones (count).
 */
const PLACES = 66;
/** Longest id (bytes of UTF-8). */
const ID_TEXT_BYTES_MAX = 512;
/** A message that is sent again as a new one. */
export interface FormerMessage {
  /** Its former seq. */
  readonly seq: number;
  /** Its entry's key, which contains its deduplication id even if the id is no longer remembered. */
  readonly key: string | undefined;
}

/** A change of the remembered ids. */
export interface IdChange {
  /** To be stored together with the cause of the change. */
  readonly values: Values;
  /** Reverts the change if it could not be stored. */
  readonly undo: () => void;
}

/** Ends of messages that no receiver got and that are not kept: a repeated call sends its message. */
const FREE_ENDS: ReadonlySet<KnownId["end"]> = new Set(["dropped", "lost"]);

/**
 * The newest deduplication ids, stored beside the journal with the seq of the message of each, so that a repeated id
 * leads to the outcome of the first message. The id of a message that was dropped for room, or is lost in the journal,
 * is free again; it stays on its page with that mark, so that the message is not sent after a restart.
 *
 * Pages of 256 ids are named values in a ring: an append stores the open page with it, all or none.
 *
 * @see docs/decisions/0050-calls-of-send.md
 */
export class Deduplicator {
  readonly #journal: Journal;
  /** By page number, oldest first. The numbers increase without end; the remainder is the page's place in the ring. */
  readonly #pages = new Map<number, KnownId[]>();
  readonly #pagesMax: number;
  readonly #known = new Map<string, KnownId>();
  readonly #bySeq = new Map<number, KnownId>();
  /** Pages with changes that are not stored yet. */
  readonly #dirty = new Set<number>();
  /** Places of evicted pages, to be cleared with the next append. */
  readonly #cleared = new Set<number>();
  /** Number of the page to which ids are added. */
  #page: number;

  /**
   * @param idsMax ids to remember at least (count)
   * @throws BrokerlessError `BROKERLESS_VERSION` if another version of this package wrote the pages
   */
  constructor(journal: Journal, idsMax: number) {
    this.#journal = journal;
    this.#pagesMax = Math.ceil(idsMax / PAGE_IDS) + 1;
    this.#page = this.#restore();
    this.#evict();
  }

  /** Looks up an id; null if it was never sent, or is no longer remembered. */
  find(id: string): KnownId | null {
    return this.#known.get(hashOf(id)) ?? null;
  }

  /** Remembers a new id. Its seq follows with `placed`. */
  add(id: string): KnownId {
    const known = newId(hashOf(id));
    this.#known.set(known.hash, known);
    return known;
  }

  /** The message of an id has its seq, and is about to be appended: the id is stored with it. */
  placed(known: KnownId, seq: number): void {
    known.seq = seq;
    this.#bySeq.set(seq, known);
    if (known.page !== null) return;
    known.page = this.#page;
    this.#open.push(known);
  }

  /** Removes an id: its message could not be stored. */
  remove(known: KnownId): void {
    this.#forget(known);
    this.#unplace(known);
  }

  #unplace(known: KnownId): void {
    const page = known.page === null ? undefined : this.#pages.get(known.page);
    const at = page?.indexOf(known) ?? -1;
    if (at >= 0) page!.splice(at, 1);
  }

  /**
   * Messages will not be sent again, and their ids are free; this is recorded with the ids.
   *
   * @returns whether there is something to store
   */
  ended(range: SeqRange, end: "dropped" | "lost"): boolean {
    for (const { known, page } of this.#openOf(range)) {
      known.end = end;
      this.#dirty.add(page);
      this.#forget(known);
    }
    return this.#dirty.size > 0;
  }

  /**
   * Dead letters are about to be purged; then only the record made here tells how their messages ended.
   *
   * @returns the change to store together with the purge; null if none of them has an id
   */
  purged(ranges: readonly SeqRange[]): IdChange | null {
    const dead = ranges.flatMap((range) => this.#openOf(range));
    if (dead.length === 0) return null;
    for (const { known } of dead) known.end = "dead";
    const pages = dead.map(({ page }) => page);
    const undo = (): void => {
      for (const { known } of dead) known.end = null;
      // The pages may have been stored meanwhile, because of other ids on them.
      for (const page of pages) this.#dirty.add(page);
    };
    return { values: this.#valuesOf([...new Set(pages)]), undo };
  }

  /**
   * Consecutive messages are sent again as new ones: their ids become the newest, even ids no longer remembered.
   *
   * @param to the first of their new seqs
   * @returns the change to store together with them; null if none of them has an id
   */
  moved(from: readonly FormerMessage[], to: number): IdChange | null {
    const moves = from.flatMap(({ seq, key }, index) => {
      const former = this.#bySeq.get(seq);
      const hash = former?.hash ?? decodeIdKey(key);
      return hash === null ? [] : [{ seq, former, known: newId(hash), to: to + index }];
    });
    if (moves.length === 0) return null;
    const pages = new Set<number>();
    const undo: (() => void)[] = [];
    for (const { seq, former, known, to: seqNew } of moves) {
      const before = this.#known.get(known.hash);
      this.#bySeq.delete(seq);
      this.#known.set(known.hash, known);
      this.placed(known, seqNew);
      pages.add(this.#page);
      this.#turnPage();
      undo.push(() => {
        this.remove(known);
        if (before !== undefined) this.#known.set(before.hash, before);
        if (former !== undefined) this.#bySeq.set(seq, former);
      });
    }
    return {
      values: this.#take([...this.#dirty, ...pages]),
      undo: () => {
        for (const one of undo.reverse()) one();
        // The pages may have been stored meanwhile, because of other ids on them.
        for (const page of pages) if (this.#pages.has(page)) this.#dirty.add(page);
      },
    };
  }

  /** The values to store together with the messages; a full page is closed afterwards. */
  values(): Values {
    const values = this.#take([...this.#dirty, this.#page]);
    this.#turnPage();
    return values;
  }

  /** Stores the changes made by `ended`; if that fails, they are stored with the next values. */
  async save(): Promise<void> {
    const pages = [...this.#dirty];
    if (pages.length === 0) return;
    this.#dirty.clear();
    try {
      await this.#journal.set(this.#valuesOf(pages));
    } catch {
      for (const page of pages) this.#dirty.add(page);
    }
  }

  get #open(): KnownId[] {
    let page = this.#pages.get(this.#page);
    if (page === undefined) {
      page = [];
      this.#pages.set(this.#page, page);
    }
    return page;
  }

  /** Encodes pages to be stored, and places to be cleared; the latter are then forgotten. */
  #take(pages: readonly number[]): Values {
    const places = [...this.#cleared].map((place) => [nameOf(place), null] as const);
    this.#cleared.clear();
    return { ...Object.fromEntries(places), ...this.#valuesOf(pages) };
  }

  #turnPage(): void {
    if (this.#open.length < PAGE_IDS) return;
    this.#page += 1;
    this.#evict();
  }

  #valuesOf(pages: readonly number[]): Values {
    const values: Record<string, Uint8Array> = {};
    for (const page of pages) {
      const ids = this.#pages.get(page);
      if (ids !== undefined) values[nameOf(page % PLACES)] = encodeIdPage(page, ids);
    }
    return values;
  }

  /** The ids on pages of the messages in a range whose end is not recorded. */
  #openOf({ first, last }: SeqRange): { readonly known: KnownId; readonly page: number }[] {
    const seqs = last - first < this.#bySeq.size ? seqsOf(first, last) : [...this.#bySeq.keys()];
    return seqs.flatMap((seq) => {
      const known = seq >= first && seq <= last ? this.#bySeq.get(seq) : undefined;
      if (known === undefined || known.page === null || known.end !== null) return [];
      return [{ known, page: known.page }];
    });
  }

  /** Removes the oldest pages beyond the limit. */
  #evict(): void {
    for (const [page, ids] of this.#pages) {
      if (page > this.#page - this.#pagesMax) continue;
      for (const known of ids) this.#forget(known);
      this.#pages.delete(page);
      this.#dirty.delete(page);
      this.#cleared.add(page % PLACES);
    }
  }

  #forget(known: KnownId): void {
    if (this.#known.get(known.hash) === known) this.#known.delete(known.hash);
    if (this.#bySeq.get(known.seq) === known) this.#bySeq.delete(known.seq);
  }

  /** @returns the number of the newest page */
  #restore(): number {
    const pages: (readonly [number, KnownId[]])[] = [];
    for (let place = 0; place < PLACES; place++) {
      const bytes = this.#journal.get(nameOf(place));
      if (bytes === null) continue;
      const page = decodeIdPage(bytes);
      if (page === null) throw versionError(nameOf(place));
      // A seq that the journal does not have will be given to another message.
      const ids = page.ids.filter(({ seq }) => seq < this.#journal.seqNext);
      if (ids.length < page.ids.length) this.#dirty.add(page.number);
      pages.push([page.number, ids]);
    }
    pages.sort(([a], [b]) => a - b);
    for (const [number, ids] of pages) {
      this.#pages.set(number, ids);
      for (const known of ids) {
        if (FREE_ENDS.has(known.end)) {
          // An older page may have the same id, from before its message was sent again; that entry is out of date.
          this.#known.delete(known.hash);
          continue;
        }
        this.#known.set(known.hash, known);
        this.#bySeq.set(known.seq, known);
      }
    }
    return pages.at(-1)?.[0] ?? 0;
  }
}

/**
 * @throws TypeError unless the id is a text of 1 to 512 bytes without half of a surrogate pair, which would be equal to
 *   other ids once encoded as bytes
 */
export function checkDeduplicationId(id: unknown): void {
  const isText = typeof id === "string" && id !== "" && isWellFormed(id);
  if (isText && Buffer.byteLength(id) <= ID_TEXT_BYTES_MAX) return;
  const wanted = `a well-formed text of 1 to ${ID_TEXT_BYTES_MAX} bytes`;
  throw expected("deduplicationId", wanted, id);
}

/** Whether a journal has deduplication ids of an earlier process. */
export function hasDeduplicationIds(journal: Journal): boolean {
  for (let place = 0; place < PLACES; place++) {
    if (journal.get(nameOf(place)) !== null) return true;
  }
  return false;
}

/**
 * Messages that were dropped or lost, and whose ids are free again. They are settled even if their settlement was not
 * saved; otherwise such a message could be sent in addition to the one sent later with the same id.
 */
export function goneBefore(journal: Pick<Journal, "get">): SeqRange[] {
  const gone: SeqRange[] = [];
  for (let place = 0; place < PLACES; place++) {
    const bytes = journal.get(nameOf(place));
    for (const { seq, end } of (bytes && decodeIdPage(bytes)?.ids) ?? []) {
      if (FREE_ENDS.has(end)) gone.push({ first: seq, last: seq });
    }
  }
  return gone;
}

function nameOf(place: number): string {
  return `dedup-${place}`;
}

function newId(hash: string): KnownId {
  return { hash, page: null, seq: 0, end: null, first: null };
}

function hashOf(id: string): string {
  return createHash("sha256").update(id).digest().toString("latin1", 0, ID_BYTES);
}

function seqsOf(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function versionError(name: string): BrokerlessError {
  const message = `the journal's deduplication ids (value "${name}") were written by another version of this package`;
  return new BrokerlessError("BROKERLESS_VERSION", message);
}
