import { describe } from "../../options.ts";
import { peerText } from "../../peer-text.ts";
import { parseHello, parseWelcome } from "./handshake.ts";
import { decodeLinkMessage, encodeLinkMessage, type LinkMessage } from "./link-message.ts";

/** The first byte of every message of the link protocol: what does not begin so is not looked at. */
export const STRAY_FIRST_BYTE = 0x42;

/** What a reliable peer said to a plain socket. */
export interface Stray {
  /** Who it is and what to do, for an `error` event; fit for a log. */
  readonly text: string;
  /** What tells the peer that it is wrong here, a message of its protocol; null where it knows. */
  readonly refusal: Buffer | null;
}

const REMEDY =
  "both sides must be reliable (reliable: true, a journal or an inbox), or both plain: Push to Pull, or another pair of roles";
const REFUSED = "the other side is a plain socket: a reliable Push needs a reliable Pull";

/**
 * Recognizes what a reliable peer says first, or to something that it does not understand: a whole offer, hello or
 * refusal, with each field as it must be. Anything else that begins with the same bytes is left alone, for it may be a
 * message: to MessagePack these bytes are small integers. Pure; never throws.
 *
 * @param frame the only frame of its message, or the one where the body is expected
 * @returns null for a frame that is not certainly one of these
 * @see docs/decisions/0077-codec-marks.md
 */
export function strayOf(frame: Uint8Array): Stray | null {
  if (frame[0] !== STRAY_FIRST_BYTE) return null;
  const message = decodeLinkMessage(frame);
  if ("fault" in message || message.number !== 0 || message.flags !== 0) return null;
  if (message.ranges.length > 0) return null;
  switch (message.type) {
    case "offer":
      return message.word === 0 ? met("Push", message, parseWelcome(message.text)) : null;
    case "hello":
      return message.word === 0 ? met("Pull", message, parseHello(message.text)) : null;
    case "refuse":
      return message.word <= 1 && message.text !== "" ? refusedBy(message) : null;
    default:
      return null;
  }
}

/** @param said what a peer says of itself; a text where that is not as it must be */
function met(
  role: "Push" | "Pull",
  { session }: LinkMessage,
  said: { readonly name?: string | undefined } | string,
): Stray | null {
  if (typeof said === "string") return null;
  const who = said.name === undefined ? "" : ` (${describe(said.name)})`;
  return {
    text: `a reliable ${role}${who} speaks to this plain socket: ${REMEDY}`,
    refusal: encodeLinkMessage({ type: "refuse", session: session || 1, text: REFUSED }),
  };
}

function refusedBy({ text }: LinkMessage): Stray {
  const who = "a reliable Push or Pull refuses what this plain socket has sent";
  return { text: `${who} (${peerText(text)}): ${REMEDY}`, refusal: null };
}
