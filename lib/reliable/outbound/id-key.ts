import { ID_BYTES } from "./id-page.ts";

/** Distinguishes these keys from keys of other kinds. */
const PREFIX = "id:";
const KEY = /^id:[A-Za-z0-9_-]{14}$/;

/**
 * The entry key of a message with a deduplication id: so the journal keeps the id as long as the message, even when no
 * page has it any more. Pure.
 *
 * @param hash the beginning of the id's SHA-256, one character per byte
 * @see docs/decisions/0050-calls-of-send.md
 */
export function encodeIdKey(hash: string): string {
  return PREFIX + Buffer.from(hash, "latin1").toString("base64url");
}

/** Pure. @returns the hash; null if the key was not made by {@link encodeIdKey} */
export function decodeIdKey(key: string | undefined): string | null {
  if (key === undefined || !KEY.test(key)) return null;
  const bytes = Buffer.from(key.slice(PREFIX.length), "base64url");
  return bytes.length === ID_BYTES ? bytes.toString("latin1") : null;
}
