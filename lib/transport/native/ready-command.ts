import { peerName } from "../../peer-text.ts";

/** The handshake property with the name of a socket. */
export const NAME_PROPERTY = "X-Name";
/** Start of a READY command: the length of its name, and the name. */
const NAME = "\x05READY";
/** Longest routing id in ZMTP (bytes). */
const IDENTITY_BYTES_MAX = 255;

/** The parts of a READY command that a gate needs, or why it must not pass. */
export type ReadyVerdict =
  | {
      readonly identity: string | null;
      /** The name of the peer, safe to display. */
      readonly name: string | null;
      readonly refusal?: never;
    }
  | { readonly refusal: string };

/**
 * Parses the command with which a peer ends the handshake of the NULL mechanism:
 *
 * | bytes | content                                  |
 * |-------|------------------------------------------|
 * | 6     | 5, `READY`                               |
 * |       | any number of properties:                |
 * | 1     | length of the name                       |
 * |       | name                                     |
 * | 4     | length of the value, big endian          |
 * |       | value                                    |
 *
 * A routing id that starts with a zero byte is of ZeroMQ's own form, which a ROUTER assigns to
 * nameless peers. When it assigns one that a peer has chosen before, libzmq ends the process. Pure.
 *
 * @param body in latin1, one character for each byte
 * @see docs/decisions/0009-assertions.md
 */
export function readReady(body: string): ReadyVerdict {
  if (!body.startsWith(NAME)) return { refusal: "no READY after the greeting" };
  let identity: string | null = null;
  let name: string | null = null;
  let at = NAME.length;
  while (at < body.length) {
    const nameEnd = at + 1 + body.charCodeAt(at);
    const valueAt = nameEnd + 4;
    const valueEnd = valueAt + numberAt(body, nameEnd);
    // NaN where the length itself is cut off.
    if (!(valueEnd <= body.length)) return { refusal: "a READY whose properties are cut off" };
    const property = body.slice(at + 1, nameEnd).toLowerCase();
    if (property === NAME_PROPERTY.toLowerCase()) {
      name = peerName(Buffer.from(body.slice(valueAt, valueEnd), "latin1").toString());
    }
    if (property === "identity") {
      if (identity !== null) return { refusal: "a READY with two routing ids" };
      identity = body.slice(valueAt, valueEnd);
    }
    at = valueEnd;
  }
  if (identity === null || identity === "") return { identity: null, name };
  if (identity.startsWith("\0")) return { refusal: "a routing id that begins with a zero byte" };
  if (identity.length > IDENTITY_BYTES_MAX) return { refusal: "a routing id too long" };
  return { identity, name };
}

function numberAt(text: string, at: number): number {
  let number = 0;
  for (let index = at; index < at + 4; index++) number = number * 256 + text.charCodeAt(index);
  return number;
}
