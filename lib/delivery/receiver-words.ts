import type { DispatcherEvent } from "./dispatcher-events.ts";
import { type LinkMessage, WORD_NONE } from "./link-message.ts";

/**
 * What a receiver's word of messages means to the dispatcher. Pure.
 *
 * @param link the dispatcher's number of the session
 * @returns null: it is not a word of messages
 */
export function dispatcherEvent(link: number, message: LinkMessage): DispatcherEvent | null {
  const { ranges, word, text } = message;
  switch (message.type) {
    case "ack":
      return { type: "acked", link, ranges };
    case "nack":
      return { type: "nacked", link, ranges, delayMs: word === WORD_NONE ? null : word };
    case "reject":
      return { type: "rejected", link, ranges, reason: text };
    case "release":
      return { type: "released", link, ranges };
    case "extend":
      return { type: "extended", link, ranges, leaseMs: word };
    default:
      return null;
  }
}
