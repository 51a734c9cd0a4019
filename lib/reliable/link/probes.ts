import type { Clock } from "../../clock.ts";

/** A peer that has what another asks for must show within so long that it is there (milliseconds). */
export const PROBE_MS = 2_000;

/** The question is put again after so long without an answer (milliseconds). */
const ASK_MS = 500;
/** A holder that has answered is there for so long: challengers do not make it answer without end (milliseconds). */
const FRESH_MS = 500;

interface Probe<C> {
  readonly sinceMs: number;
  cancel: () => void;
  /** Who waits, in the order of coming; each is told once. */
  readonly waiting: Map<C, (isThere: boolean) => void>;
}

/**
 * Holders of something of which there is one, and those that ask for it meanwhile: each waits until its holder has
 * answered, has gone, or has been silent for {@link PROBE_MS}.
 *
 * Who comes second is never believed: a holder that is there keeps what it has.
 */
export class Probes<H extends object, C> {
  readonly #clock: Clock;
  readonly #ask: (holder: H) => void;
  readonly #answeredMs = new WeakMap<H, number>();
  readonly #probes = new Map<H, Probe<C>>();

  /**
   * @param clock stands still while this process could not have heard an answer
   * @param ask puts the question to a holder, whether it is there
   */
  constructor(clock: Clock, ask: (holder: H) => void) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /**
   * Lets a challenger wait for the holder, which is asked for a sign of life. One that waits already only waits for
   * something else from now on.
   *
   * @param decide told whether the holder is there
   */
  add(holder: H, challenger: C, decide: (isThere: boolean) => void): void {
    this.withdraw(challenger);
    const before = this.#probes.get(holder);
    if (before !== undefined) {
      before.waiting.set(challenger, decide);
      return;
    }
    const nowMs = this.#clock.nowMs();
    const answeredMs = this.#answeredMs.get(holder);
    if (answeredMs !== undefined && nowMs - answeredMs < FRESH_MS) {
      decide(true);
      return;
    }
    const waiting = new Map([[challenger, decide]]);
    const probe: Probe<C> = { sinceMs: nowMs, cancel: () => {}, waiting };
    this.#probes.set(holder, probe);
    this.#watch(holder, probe);
  }

  /** A holder has answered. */
  answered(holder: H): void {
    if (this.#probes.has(holder)) this.#answeredMs.set(holder, this.#clock.nowMs());
    this.#end(holder, true);
  }

  /** A holder has let go. */
  gone(holder: H): void {
    this.#end(holder, false);
  }

  /** A challenger is gone, or wants something else. */
  withdraw(challenger: C): void {
    for (const [holder, { cancel, waiting }] of this.#probes) {
      if (!waiting.delete(challenger) || waiting.size > 0) continue;
      cancel();
      this.#probes.delete(holder);
    }
  }

  /** Tells nobody anything any more. */
  stop(): void {
    for (const { cancel } of this.#probes.values()) cancel();
    this.#probes.clear();
  }

  #watch(holder: H, probe: Probe<C>): void {
    const leftMs = probe.sinceMs + PROBE_MS - this.#clock.nowMs();
    if (leftMs <= 0) {
      this.#end(holder, false);
      return;
    }
    const again = () => this.#watch(holder, probe);
    probe.cancel = this.#clock.after(Math.min(ASK_MS, leftMs), again);
    this.#ask(holder);
  }

  #end(holder: H, isThere: boolean): void {
    const probe = this.#probes.get(holder);
    if (probe === undefined) return;
    this.#probes.delete(holder);
    probe.cancel();
    for (const decide of probe.waiting.values()) decide(isThere);
  }
}
