import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";
import type { DispatcherAction } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";

/** The ranges that a receiver claims when it comes back, and that are not granted. Pure. */
export class Refusals {
  readonly #tables: MessageTables;
  readonly #lost = new RangeSet();
  readonly #gone = new RangeSet();

  constructor(tables: MessageTables) {
    this.#tables = tables;
  }

  /** A range was claimed, and a part of it granted. */
  add(
    range: SeqRange,
    how: { readonly granted: readonly SeqRange[]; readonly isDone: boolean },
  ): void {
    this.#lost.addAll(this.#tables.unsettled(range, how.granted));
    // The receiver has no lease of messages settled in the meantime either, and they will not be sent again.
    if (!how.isDone) this.#gone.addAll(this.#tables.settledOf(range));
  }

  /** The actions that notify the receiver, with ranges in order of seq. */
  actions(link: number): DispatcherAction[] {
    this.#lost.addAll(this.#gone);
    const sets = [
      { type: "lost", link, ranges: [...this.#lost] },
      { type: "gone", link, ranges: [...this.#gone] },
    ] as const;
    return sets.filter(({ ranges }) => ranges.length > 0);
  }
}
