import type { SeqRange } from "../range/range.ts";
import { DeadLetterIndex, type DeadLetterMove } from "./dead-letter-index.ts";
import type { DispatcherState } from "./dispatcher-events.ts";

/**
 * The state of a dispatcher once copies of dead letters are stored: to be saved together with them, atomically.
 * Pure.
 *
 * @param moves not empty; the copies have consecutive seqs, after all existing messages
 */
export function stateWithCopies(
  state: DispatcherState,
  moves: readonly DeadLetterMove[],
): DispatcherState {
  const dead = new DeadLetterIndex(state.dead);
  dead.move(moves);
  return { ...state, dead: [...dead], settled: [...state.settled, copiesOf(moves)] };
}

/** The state of a dispatcher without some dead letters. Pure. */
export function stateWithout(state: DispatcherState, ranges: readonly SeqRange[]): DispatcherState {
  const dead = new DeadLetterIndex(state.dead);
  for (const range of ranges) dead.delete(range);
  return { ...state, dead: [...dead] };
}

/** The seqs of copies. Pure. */
export function copiesOf(moves: readonly DeadLetterMove[]): SeqRange {
  return { first: moves[0]!.to, last: moves[moves.length - 1]!.to };
}
