import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";
import type { DispatcherAction } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";

/** The ranges that a receiver claims when it comes back, and that are not granted. Pure. */
export class ClaimRefusals {
  readonly #tables: MessageTables;
  readonly #revoked = new RangeSet();
  readonly #settled = new RangeSet();

  constructor(tables: MessageTables) {
    this.#tables = tables;
  }

  /** A range was claimed, and a part of it granted. */
  add(
    range: SeqRange,
    how: { readonly granted: readonly SeqRange[]; readonly isDone: boolean },
  ): void {
    this.#revoked.addAll(this.#tables.unsettled(range, how.granted));
    // The receiver has no lease of messages settled in the meantime either, and they will not be sent again.
    if (!how.isDone) this.#settled.addAll(this.#tables.settledOf(range));
  }

  /** The actions that notify the receiver, with ranges in order of seq. */
  actions(link: number): DispatcherAction[] {
    this.#revoked.addAll(this.#settled);
    const sets = [
      { type: "revoked", link, ranges: [...this.#revoked] },
      { type: "settledElsewhere", link, ranges: [...this.#settled] },
    ] as const;
    return sets.filter(({ ranges }) => ranges.length > 0);
  }
}
