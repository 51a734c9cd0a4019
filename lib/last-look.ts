/**
 * Turns of the event loop that a message takes at most from ZeroMQ to who asks for it: to be polled for, to be read
 * behind others, to be handed out where the turn has lasted too long, and one for zeromq's own pauses (count).
 */
const TURNS = 4;
/** As many at most, while a reader still finds more (count). */
const TURNS_MAX = 64;

/**
 * Calls back when a call whose time limit has passed may give up: what had arrived by then has been looked at.
 *
 * In a turn of the event loop timers come before arrivals. After a turn that took long a time limit has passed
 * although what was waited for is there.
 *
 * @param isReading whether a reader has been interrupted, so that there may be more
 * @returns forgets it
 */
export function lastLook(giveUp: () => void, isReading: () => boolean = () => false): () => void {
  let turns = 0;
  let next: NodeJS.Immediate;
  const look = (): void => {
    turns += 1;
    if (turns < TURNS || (turns < TURNS_MAX && isReading())) next = setImmediate(look);
    else giveUp();
  };
  next = setImmediate(look);
  return () => clearImmediate(next);
}
