import { encodeRejection, type Rejection } from "../../../delivery/protocol/error-texts.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import type { ReceiverSessions } from "./receiver-sessions.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** The reason of a rejection if the application gave none, or it is no longer stored. */
const NO_REASON = "rejected";
const UNEXPLAINED: Rejection = Object.freeze({ reason: NO_REASON, error: null });
/** Limit on the reasons of one stream that are kept to be sent again (count). */
const REASONS_MAX = 1_024;

/** Every seq. */
export const ALL: SeqRange = Object.freeze({ first: 1, last: Number.MAX_SAFE_INTEGER });

/**
 * Rejections by the application: sent at once, and again while the sender may not have got them, since a message can be
 * lost with its connection.
 */
export class Rejections {
  readonly #sessions: ReceiverSessions;

  constructor(sessions: ReceiverSessions) {
    this.#sessions = sessions;
  }

  /** The application rejected a message. Beyond the limit the oldest reasons, which were sent already, are removed. */
  add({ rejections }: ReceiverStream, seq: number, { reason, error }: Rejection): void {
    rejections.set(seq, { reason: reason === "" ? NO_REASON : reason, error });
    if (rejections.size > REASONS_MAX) rejections.delete(rejections.keys().next().value!);
  }

  /** Sends the rejections in a range, if there is a session. */
  send(stream: ReceiverStream, { first, last }: SeqRange): void {
    if (stream.rejections.size === 0) return;
    for (const range of stream.window.rejectedOf(first, last)) {
      for (let seq = range.first; seq <= range.last; seq++) {
        const fields = encodeRejection(stream.rejections.get(seq) ?? UNEXPLAINED);
        const ranges = [{ first: seq, last: seq }];
        this.#sessions.send(stream, { type: "reject", ...fields, ranges });
      }
    }
  }

  /** The sender has settled messages: the reasons of those that it will never send again are removed. */
  forget(stream: ReceiverStream): void {
    if (stream.rejections.size === 0) return;
    for (const seq of [...stream.rejections.keys()]) {
      if (stream.window.rejectedOf(seq, seq).length === 0) stream.rejections.delete(seq);
    }
  }
}
