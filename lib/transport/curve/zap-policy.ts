import { timingSafeEqual } from "node:crypto";
import { encodeKey, KEY_BYTES } from "./curve.ts";

/** Says whether the holder of a public key may come in. Only `true` admits. */
export type AllowFunction = (clientPublicKey: string) => boolean | Promise<boolean>;

/**
 * Decides over one client, given the 32 bytes of its public key.
 *
 * Never throws and never rejects: whatever goes wrong is a refusal.
 */
export type Policy = (clientKey: Uint8Array) => Promise<boolean>;

/**
 * Admits the keys of a list. Every entry is compared, in constant time, so that the time taken says
 * nothing about how near a guess came.
 *
 * @param keys 32 bytes each; the list is owned by the policy from here on
 */
export function listPolicy(keys: readonly Uint8Array[]): Policy {
  return async (clientKey) => {
    if (clientKey.length !== KEY_BYTES) return false;
    let found = false;
    for (const key of keys) {
      if (timingSafeEqual(key, clientKey)) found = true;
    }
    return found;
  };
}

/**
 * Admits whom a function of the application admits.
 *
 * A throw, a rejection, a result other than `true` and none in time are all a refusal.
 *
 * @param allow is given the key as 40 characters of Z85
 * @param timeoutMs how long it may take (milliseconds)
 */
export function functionPolicy(allow: AllowFunction, timeoutMs: number): Policy {
  return async (clientKey) => {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false);
    });
    try {
      return (await Promise.race([allow(encodeKey(clientKey)), tooLate])) === true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  };
}
