import { SUSPECTS_EMPTY } from "../attempts/suspects.ts";
import type { DispatcherState } from "./dispatcher-events.ts";

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
  rests: [],
  suspects: SUSPECTS_EMPTY,
  firsts: [],
  dead: [],
  receivers: [],
});

/** The sources of time and chance of {@link Retries}. */
export interface RetrySources {
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Now (ms since 1970), for people to read. */
  readonly timeMs: () => number;
}
