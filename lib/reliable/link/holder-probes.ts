import type { Clock } from "../../clock.ts";

/** A peer that has what another asks for must reply within this time (milliseconds). */
export const PROBE_MS = 2_000;

/** The probe is repeated after this time without a reply (milliseconds). */
const ASK_MS = 500;
/** After a reply, a holder counts as present for this time: limits the replies it has to give (milliseconds). */
const FRESH_MS = 500;

interface Probe<C> {
  readonly sinceMs: number;
  cancel: () => void;
  /** The waiting challengers, in order of arrival; each is called once. */
  readonly waiting: Map<C, (isThere: boolean) => void>;
}

/**
 * Decides about things that only one peer can have, such as a receiver id: challengers that ask for one in use wait
 * until its holder has replied, has gone, or has been silent for {@link PROBE_MS}.
 *
 * A challenger is never believed: a holder that replies keeps what it has.
 */
export class HolderProbes<H extends object, C> {
  readonly #clock: Clock;
  readonly #ask: (holder: H) => void;
  readonly #repliedMs = new WeakMap<H, number>();
  readonly #probes = new Map<H, Probe<C>>();

  /**
   * @param clock stands still while this process could not have read a reply
   * @param ask asks a holder for a heartbeat
   */
  constructor(clock: Clock, ask: (holder: H) => void) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /**
   * Lets a challenger wait for the holder, which is asked for a heartbeat. A challenger that is already waiting
   * changes to this wait.
   *
   * @param decide called with whether the holder is there
   */
  add(holder: H, challenger: C, decide: (isThere: boolean) => void): void {
    this.withdraw(challenger);
    const before = this.#probes.get(holder);
    if (before !== undefined) {
      before.waiting.set(challenger, decide);
      return;
    }
    const nowMs = this.#clock.nowMs();
    const repliedMs = this.#repliedMs.get(holder);
    if (repliedMs !== undefined && nowMs - repliedMs < FRESH_MS) {
      decide(true);
      return;
    }
    const waiting = new Map([[challenger, decide]]);
    const probe: Probe<C> = { sinceMs: nowMs, cancel: () => {}, waiting };
    this.#probes.set(holder, probe);
    this.#watch(holder, probe);
  }

  /** A holder has replied. */
  replied(holder: H): void {
    if (this.#probes.has(holder)) this.#repliedMs.set(holder, this.#clock.nowMs());
    this.#end(holder, true);
  }

  /** A holder has given up what it had. */
  gone(holder: H): void {
    this.#end(holder, false);
  }

  /** A challenger is gone, or asks for something else. */
  withdraw(challenger: C): void {
    for (const [holder, { cancel, waiting }] of this.#probes) {
      if (!waiting.delete(challenger) || waiting.size > 0) continue;
      cancel();
      this.#probes.delete(holder);
    }
  }

  /** Ends all probes without a result. */
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
