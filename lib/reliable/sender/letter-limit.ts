import type { Clock } from "../../clock.ts";
import { DEAD_RANGES_MAX } from "../../delivery/dispatch/dead-letter-index.ts";
import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import { BrokerlessError } from "../../errors.ts";

/** A lasting state is reported again after this time (milliseconds). */
const FULL_REPORT_MS = 1_000;

/** Dependencies of {@link LetterLimit}. */
export interface LetterLimitOptions {
  readonly clock: Pick<Clock, "nowMs">;
  readonly dispatcher: { readonly dead: Pick<Dispatcher["dead"], "count" | "size"> };
  readonly rules: { readonly deadLettersMax: number };
  readonly onProblem: (error: BrokerlessError) => void;
}

/** Reports that the limit of dead letters is reached; at intervals, since it applies to every further one. */
export class LetterLimit {
  readonly #options: LetterLimitOptions;
  /** Earliest time of the next report (ms). */
  #nextReportMs = 0;

  constructor(options: LetterLimitOptions) {
    this.#options = options;
  }

  /** @param seq a message that would become a dead letter now */
  report(seq: number): void {
    const { clock, dispatcher, rules, onProblem } = this.#options;
    const nowMs = clock.nowMs();
    if (nowMs < this.#nextReportMs) return;
    this.#nextReportMs = nowMs + FULL_REPORT_MS;
    const { count, size } = dispatcher.dead;
    const message =
      `${count} dead letters are kept, in ${size} ranges; at most ${rules.deadLettersMax} ` +
      `(deadLettersMax), in ${DEAD_RANGES_MAX} ranges. Message ${seq} is tried on, as others are`;
    onProblem(new BrokerlessError("BROKERLESS_FULL", message));
  }
}
