import { SUSPECTS_EMPTY } from "../attempts/suspects.ts";
import type { DispatcherState } from "./dispatcher-events.ts";

/** The initial state of a dispatcher, and its sources of time and randomness. */
export interface DispatcherStart extends RetrySources {
  readonly state: DispatcherState;
  /** The last seq that an earlier process can have sent. */
  readonly seqBefore: number;
  readonly nowMs: number;
}

/** The state of a new stream, before anything was sent. */
export const DISPATCHER_STATE_EMPTY: DispatcherState = Object.freeze({
  floor: 0,
  settled: [],
  attempts: [],
  leased: [],
  backOffs: [],
  suspects: SUSPECTS_EMPTY,
  firsts: [],
  dead: [],
  receivers: [],
});

/** The sources of time and randomness of {@link Retries}. */
export interface RetrySources {
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Wall-clock time (ms since 1970), shown to people. */
  readonly timeMs: () => number;
}
