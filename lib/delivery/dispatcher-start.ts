import type { DispatcherState } from "./dispatcher-events.ts";
import type { RetrySources } from "./retries.ts";

/** Where a dispatcher starts, and what it cannot know by itself. */
export interface DispatcherStart extends RetrySources {
  readonly state: DispatcherState;
  /** The last seq that a process before this one can have sent. */
  readonly seqBefore: number;
  readonly nowMs: number;
}

/** The state of a stream of which nothing was ever sent. */
export const DISPATCHER_STATE_EMPTY: DispatcherState = Object.freeze({
  floor: 0,
  settled: [],
  attempts: [],
  leased: [],
  dead: [],
  receivers: [],
});
