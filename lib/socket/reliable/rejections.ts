import type { SeqRange } from "../../delivery/range.ts";
import type { ReceiverSessions } from "./receiver-sessions.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** Every seq. */
export const ALL: SeqRange = Object.freeze({ first: 1, last: Number.MAX_SAFE_INTEGER });

/**
 * What the application rejected: said at once, and again while the sender may not have heard of it, since a
 * word is lost with its connection.
 */
export class Rejections {
  readonly #sessions: ReceiverSessions;

  constructor(sessions: ReceiverSessions) {
    this.#sessions = sessions;
  }

  /** Says what of a range was rejected, where there is a session. */
  say(stream: ReceiverStream, { first, last }: SeqRange): void {
    if (stream.reasons.size === 0) return;
    for (const range of stream.window.rejectedOf(first, last)) {
      for (let seq = range.first; seq <= range.last; seq++) {
        const text = stream.reasons.get(seq) ?? "rejected";
        this.#sessions.tell(stream, { type: "reject", text, ranges: [{ first: seq, last: seq }] });
      }
    }
  }

  /** The sender has settled messages: what it will never ask for again need not be known. */
  forget(stream: ReceiverStream): void {
    if (stream.reasons.size === 0) return;
    for (const seq of [...stream.reasons.keys()]) {
      if (stream.window.rejectedOf(seq, seq).length === 0) stream.reasons.delete(seq);
    }
  }
}
