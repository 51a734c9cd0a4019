import type { LinkMessage } from "./link-message.ts";
import type { WindowEvent } from "./window-events.ts";

/**
 * What a sender's word of messages means to the window of its stream. Pure.
 *
 * @returns null: it is not a word of messages
 */
export function windowEvent(message: LinkMessage): WindowEvent<never> | null {
  const { ranges, word, number } = message;
  switch (message.type) {
    case "news":
      return { type: "news", acks: number, floor: ranges[0]?.last ?? 0 };
    case "order":
      return { type: "order", ordered: word === 1, awaited: ranges };
    case "gone":
      return { type: "gone", ranges };
    case "lost":
      return { type: "lost", ranges };
    default:
      return null;
  }
}
