import { encodeRejection, type Rejection } from "../../../delivery/protocol/error-words.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import type { ReceiverSessions } from "./receiver-sessions.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** What is said where the application said nothing, or it is forgotten. */
const NO_REASON = "rejected";
const UNEXPLAINED: Rejection = Object.freeze({ reason: NO_REASON, error: null });
/** Reasons of a stream that are remembered, to be said again (count). */
const REASONS_MAX = 1_024;

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

  /** The application rejected a message. Of many the oldest reasons are forgotten, which were said already. */
  add({ rejections }: ReceiverStream, seq: number, { reason, error }: Rejection): void {
    rejections.set(seq, { reason: reason === "" ? NO_REASON : reason, error });
    if (rejections.size > REASONS_MAX) rejections.delete(rejections.keys().next().value!);
  }

  /** Says what of a range was rejected, where there is a session. */
  say(stream: ReceiverStream, { first, last }: SeqRange): void {
    if (stream.rejections.size === 0) return;
    for (const range of stream.window.rejectedOf(first, last)) {
      for (let seq = range.first; seq <= range.last; seq++) {
        const said = encodeRejection(stream.rejections.get(seq) ?? UNEXPLAINED);
        const ranges = [{ first: seq, last: seq }];
        this.#sessions.tell(stream, { type: "reject", ...said, ranges });
      }
    }
  }

  /** The sender has settled messages: what it will never ask for again need not be known. */
  forget(stream: ReceiverStream): void {
    if (stream.rejections.size === 0) return;
    for (const seq of [...stream.rejections.keys()]) {
      if (stream.window.rejectedOf(seq, seq).length === 0) stream.rejections.delete(seq);
    }
  }
}
