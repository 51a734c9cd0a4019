import { createHash } from "node:crypto";
import type { Journal, Values } from "../../journal/journal.ts";
import { expected } from "../../options.ts";

/** Ids of one page; a page is stored as a whole whenever one is added (count). */
const PAGE_IDS = 256;
/** Of each id's SHA-256, so much is remembered (bytes). */
const ID_BYTES = 16;
/** Longest id (bytes of UTF-8). */
const ID_TEXT_BYTES_MAX = 512;

/**
 * The newest deduplication ids, remembered beside the journal together with the messages that had them.
 *
 * Pages of 256 ids are named values in a ring: an append stores the open page with it, all or none.
 */
export class Deduplication {
  readonly #journal: Journal;
  readonly #pages: string[][] = [];
  readonly #pagesMax: number;
  readonly #known = new Set<string>();
  /** Number of the open page, which counts on for ever; its place in the ring is the rest. */
  #page: number;

  /** @param idsMax ids that are remembered at least (count) */
  constructor(journal: Journal, idsMax: number) {
    this.#journal = journal;
    this.#pagesMax = Math.ceil(idsMax / PAGE_IDS) + 1;
    this.#page = this.#restore();
  }

  /**
   * Remembers an id.
   *
   * @returns false when it is remembered already
   * @throws TypeError for what is not a text of 1 to 512 bytes
   */
  add(id: unknown): boolean {
    const isText = typeof id === "string" && id !== "";
    if (!isText || Buffer.byteLength(id) > ID_TEXT_BYTES_MAX) {
      throw expected("deduplicationId", `a text of 1 to ${ID_TEXT_BYTES_MAX} bytes`, id);
    }
    const hash = hashOf(id);
    if (this.#known.has(hash)) return false;
    this.#known.add(hash);
    this.#open.push(hash);
    return true;
  }

  /** Forgets an id again: its message could not be stored. */
  remove(id: string): void {
    const hash = hashOf(id);
    this.#known.delete(hash);
    for (const page of this.#pages) {
      const at = page?.indexOf(hash) ?? -1;
      if (at >= 0) page.splice(at, 1);
    }
  }

  /** What has to be stored together with the messages; a full page is closed then. */
  values(): Values {
    const page = this.#open;
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(BigInt(this.#page));
    const bytes = Buffer.concat([head, ...page.map((hash) => Buffer.from(hash, "latin1"))]);
    const name = nameOf(this.#page % this.#pagesMax);
    if (page.length >= PAGE_IDS) {
      this.#page += 1;
      const place = this.#page % this.#pagesMax;
      for (const hash of this.#pages[place] ?? []) this.#known.delete(hash);
      this.#pages[place] = [];
    }
    return { [name]: bytes };
  }

  get #open(): string[] {
    const place = this.#page % this.#pagesMax;
    const page = this.#pages[place] ?? [];
    this.#pages[place] = page;
    return page;
  }

  /** @returns the number of the newest page */
  #restore(): number {
    let newest = 0;
    for (let place = 0; place < this.#pagesMax; place++) {
      const bytes = this.#journal.get(nameOf(place));
      if (bytes === null || bytes.length < 8) continue;
      const page = Buffer.from(bytes);
      newest = Math.max(newest, Number(page.readBigUInt64LE()));
      const hashes: string[] = [];
      for (let at = 8; at + ID_BYTES <= page.length; at += ID_BYTES) {
        hashes.push(page.toString("latin1", at, at + ID_BYTES));
      }
      this.#pages[place] = hashes;
      for (const hash of hashes) this.#known.add(hash);
    }
    return newest;
  }
}

function nameOf(place: number): string {
  return `dedup-${place}`;
}

function hashOf(id: string): string {
  return createHash("sha256").update(id).digest().toString("latin1", 0, ID_BYTES);
}
