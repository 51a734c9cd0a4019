import { BrokerlessError } from "../../errors.ts";

/** Refusals that are reported one by one within a period; the others are only counted (count). */
const REPORTS_MAX = 8;
/** Length of that period (milliseconds). */
const PERIOD_MS = 1_000;

/**
 * Counts refused connections, and reports them at a limited rate: a peer that opens connections
 * very quickly increases a number, without an event for each.
 */
export class ConnectionRefusals {
  readonly #onRefused: (error: BrokerlessError) => void;
  readonly #nowMs: () => number;
  #count = 0;
  #beganMs = Number.NEGATIVE_INFINITY;
  #reported = 0;
  #unreported = 0;

  constructor(
    onRefused: (error: BrokerlessError) => void,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#onRefused = onRefused;
    this.#nowMs = nowMs;
  }

  /** Connections refused or cut off (count). */
  get count(): number {
    return this.#count;
  }

  /** @param text who was refused, and why */
  add(text: string): void {
    this.#count += 1;
    const nowMs = this.#nowMs();
    if (nowMs - this.#beganMs >= PERIOD_MS) {
      this.#beganMs = nowMs;
      this.#reported = 0;
    }
    if (this.#reported === REPORTS_MAX) {
      this.#unreported += 1;
      return;
    }
    this.#reported += 1;
    const more = this.#unreported === 0 ? "" : ` (and ${this.#unreported} more before it)`;
    this.#unreported = 0;
    this.#onRefused(new BrokerlessError("BROKERLESS_PROTOCOL", `refused ${text}${more}`));
  }
}
