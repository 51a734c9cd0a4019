/**
 * Characters that a terminal or a log may interpret, or that change the direction of text; and halves of surrogate
 * pairs.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;
/** Longest quote of a peer's text in an error (characters). */
const PEER_TEXT_MAX = 200;
/** Longest name of a peer (characters). */
export const NAME_CHARS_MAX = 64;
/** Longest message of an error (characters). */
const MESSAGE_MAX = 1_000;

/** A peer's text for an error message: cut to length, with escapes in place of invisible characters. Pure. */
export function peerText(text: string): string {
  return visible(text, PEER_TEXT_MAX);
}

/** The same for a text that is stored and shown to people: up to the length of an error message. Pure. */
export function peerMessage(text: string): string {
  return visible(text, MESSAGE_MAX);
}

/** Whether a text is a valid name: not empty, not too long, and without invisible characters. Pure. */
export function isName(text: string): boolean {
  return text !== "" && text.trim() === text && visible(text, NAME_CHARS_MAX) === text;
}

/**
 * The name that a peer gives itself, fit for display: cut to length, with escapes in place of invisible characters. A
 * claim, not proof of identity. Pure.
 *
 * @returns null for no name
 */
export function peerName(said: string): string | null {
  return said === "" ? null : visible(said, NAME_CHARS_MAX);
}

/** A peer in an error text: its name, if it has sent one, and its address. Pure. */
export function peerLabel(peer: {
  readonly name: string | null;
  readonly address: string;
}): string {
  return peer.name === null ? peer.address : `${JSON.stringify(peer.name)} at ${peer.address}`;
}

/** Makes an error and its causes fit for a log: their texts may have come from a peer, through a codec or a schema. */
export function cleanError(error: Error): void {
  let cause: unknown = error;
  for (let depth = 0; depth < 4 && cause instanceof Error; depth++) {
    const { message, stack } = cause;
    const clean = visible(message, MESSAGE_MAX);
    if (clean !== message) {
      cause.message = clean;
      if (stack !== undefined) cause.stack = stack.replace(message, () => clean);
    }
    cause = cause.cause;
  }
}

function visible(text: string, max: number): string {
  const whole = text.length > max ? `${text.slice(0, max - 3)}...` : text;
  return whole.replace(UNSEEN, (character) => {
    const units = [...Array(character.length).keys()].map((at) => character.charCodeAt(at));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}
