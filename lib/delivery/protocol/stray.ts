import { describe } from "../../options.ts";
import { peerText } from "../../peer-text.ts";
import { parseHello, parseWelcome } from "./handshake.ts";
import { decodeLinkMessage, encodeLinkMessage, type LinkMessage } from "./link-message.ts";

/** The first byte of every message of the link protocol: frames that begin otherwise are not examined. */
export const STRAY_FIRST_BYTE = 0x42;

/** A message from a reliable peer to a plain socket. */
export interface Stray {
  /** The kind of peer and the remedy, for an `error` event; safe for a log. */
  readonly text: string;
  /** The reply that informs the peer, a message of its protocol; null if the peer has refused this side already. */
  readonly refusal: Buffer | null;
}

const REMEDY =
  "both sides must be reliable (reliable: true, a journal or an inbox), or both plain: Push to Pull, or another pair of roles";
const REFUSAL_TEXT = "the other side is a plain socket: a reliable Push needs a reliable Pull";

/**
 * Recognizes the first message of a reliable peer, or its reply to something that it does not understand: a complete
 * offer, hello or refuse, with every field valid. Anything else that begins with the same bytes may be an application
 * message and is ignored: in MessagePack these bytes are small integers. Pure; never throws.
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
      return message.argument === 0 ? met("Push", message, parseWelcome(message.text)) : null;
    case "hello":
      return message.argument === 0 ? met("Pull", message, parseHello(message.text)) : null;
    case "refuse":
      return message.argument <= 1 && message.text !== "" ? refusedBy(message) : null;
    default:
      return null;
  }
}

/** @param said the parsed fields of the peer's message; a text if they are invalid */
function met(
  role: "Push" | "Pull",
  { session }: LinkMessage,
  said: { readonly name?: string | undefined } | string,
): Stray | null {
  if (typeof said === "string") return null;
  const who = said.name === undefined ? "" : ` (${describe(said.name)})`;
  return {
    text: `a reliable ${role}${who} speaks to this plain socket: ${REMEDY}`,
    refusal: encodeLinkMessage({ type: "refuse", session: session || 1, text: REFUSAL_TEXT }),
  };
}

function refusedBy({ text }: LinkMessage): Stray {
  const who = "a reliable Push or Pull refuses what this plain socket has sent";
  return { text: `${who} (${peerText(text)}): ${REMEDY}`, refusal: null };
}
