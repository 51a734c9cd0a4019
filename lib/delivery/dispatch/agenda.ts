import type { DispatcherAction } from "./dispatcher-events.ts";

/**
 * What a step of the dispatcher finds to be done: actions, in order, and when the next step is due.
 *
 * Pure.
 */
export class Agenda {
  /** The time of the step that is under way, or of the last one (ms). */
  nowMs: number;
  /** Nothing rests, and no lease or grace ends, before this time; infinite where nothing waits for one (ms). */
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

  /** A step is due then, if not before (ms). */
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
