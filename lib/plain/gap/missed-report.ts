import { MARK } from "../topic/subscriber-counter.ts";

/** What a subscriber tells a publisher by a subscription: how many of its values it has missed. */
export interface MissedReport {
  /** The publisher that numbered the values (16 hex digits). */
  readonly publisher: string;
  /** The id by which the subscriber has announced itself. */
  readonly id: string;
  /** Values missed since the subscriber began (count). */
  readonly total: number;
}

/** First characters of a report. No topic begins with them, and no mark: a mark goes on with the id, without a colon. */
const REPORT = `${MARK}missed:`;
const REPORT_FORM = /^([0-9a-f]{16})\.([\w-]{1,32})\.(\d{1,15})$/;
/** Longest report (bytes). */
const REPORT_BYTES_MAX = 100;

/** @returns the prefix to subscribe to */
export function encodeReport({ publisher, id, total }: MissedReport): string {
  return `${REPORT}${publisher}.${id}.${Math.min(total, 10 ** 15 - 1)}`;
}

/** @param message a message read from XPUB @returns null for any other subscription, and for a cancelled one */
export function decodeReport(message: Buffer): MissedReport | null {
  if (message[0] !== 1 || message.length > REPORT_BYTES_MAX) return null;
  const text = message.toString("utf8", 1);
  if (!text.startsWith(REPORT)) return null;
  const [, publisher, id, total] = REPORT_FORM.exec(text.slice(REPORT.length)) ?? [];
  if (publisher === undefined) return null;
  return { publisher, id: id!, total: Number(total) };
}

/** Most subscribers whose last report is remembered (count). */
export const REPORTERS_MAX = 4_096;

/**
 * What the subscribers of one publisher have reported. Pure.
 *
 * A report has a total, which is repeated after a lost connection and may be told twice: only what exceeds the last one
 * of that subscriber counts. It is a claim. It counts for no more than was published, and for nobody else. Where more
 * than {@link REPORTERS_MAX} report, the one that has been silent longest is forgotten, and counts from the start when it
 * reports again.
 */
export class MissedReports {
  readonly #publisher: string;
  /** The last total of each subscriber, the one that has been silent longest first. */
  readonly #totals = new Map<string, number>();
  #missed = 0;

  /** @param publisher the id by which this publisher numbers its values (16 hex digits) */
  constructor(publisher: string) {
    this.#publisher = publisher;
  }

  /** Values that subscribers have reported as missed (count). */
  get missed(): number {
    return this.#missed;
  }

  /**
   * @param published values published so far (count)
   * @returns newly missed values (count); 0 for a report to another publisher
   */
  take({ publisher, id, total }: MissedReport, published: number): number {
    if (publisher !== this.#publisher) return 0;
    const before = this.#totals.get(id) ?? 0;
    const now = Math.min(total, published);
    if (now <= before) return 0;
    this.#totals.delete(id);
    this.#totals.set(id, now);
    if (this.#totals.size > REPORTERS_MAX) {
      const [silent] = this.#totals.keys();
      this.#totals.delete(silent!);
    }
    this.#missed = Math.min(this.#missed + now - before, Number.MAX_SAFE_INTEGER);
    return now - before;
  }
}
