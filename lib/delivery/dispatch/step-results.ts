import type { DispatcherAction } from "./dispatcher-events.ts";

/**
 * The results of a step of the dispatcher: actions, in order, and when the next step is due.
 *
 * Pure.
 */
export class StepResults {
  /** The time of the current step, or of the last one (ms). */
  nowMs: number;
  /** No back-off, lease or grace period ends before this time; infinite where nothing waits for a time (ms). */
  dueMs: number = Number.POSITIVE_INFINITY;
  #actions: DispatcherAction[] = [];

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  add(action: DispatcherAction): void {
    this.#actions.push(action);
  }

  addAll(actions: readonly DispatcherAction[]): void {
    for (const action of actions) this.#actions.push(action);
  }

  /** A step is due at this time at the latest (ms). */
  dueAt(timeMs: number): void {
    if (timeMs < this.dueMs) this.dueMs = timeMs;
  }

  /** @returns the actions of this step; the caller owns the array */
  take(): DispatcherAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }
}
