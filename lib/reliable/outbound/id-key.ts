import { ID_BYTES } from "./id-page.ts";

/** In front of the rest, so that it is taken for no key of another kind. */
const PREFIX = "id:";
const KEY = /^id:[A-Za-z0-9_-]{14}$/;

/**
 * The entry's key of a message with a deduplication id: with the message, the journal keeps its id for as long as it
 * keeps the message, also where no page has it any more. Pure.
 *
 * @param hash the beginning of the id's SHA-256, one character a byte
 * @see docs/decisions/0050-calls-of-send.md
 */
export function encodeIdKey(hash: string): string {
  return PREFIX + Buffer.from(hash, "latin1").toString("base64url");
}

/** Pure. @returns the hash; null where the key is none that {@link encodeIdKey} made */
export function decodeIdKey(key: string | undefined): string | null {
  if (key === undefined || !KEY.test(key)) return null;
  const bytes = Buffer.from(key.slice(PREFIX.length), "base64url");
  return bytes.length === ID_BYTES ? bytes.toString("latin1") : null;
}
