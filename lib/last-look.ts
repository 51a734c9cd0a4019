/**
 * Most turns of the event loop that a message takes from ZeroMQ to the caller that waits for it: one to be polled, one
 * to be read behind others, one to be handed out where the turn has lasted too long, and one for zeromq's own pauses
 * (count).
 */
const TURNS = 4;
/** Most turns while a reader still has more to read (count). */
const TURNS_MAX = 64;

/**
 * Calls back when a call whose time limit has passed may fail: everything that had arrived by then has been read.
 *
 * In a turn of the event loop timers run before arrivals. So after a long turn a time limit can have passed although
 * the message has arrived.
 *
 * @param isReading whether a reader was interrupted, so that there may be more to read
 * @returns a function that cancels the callback
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
