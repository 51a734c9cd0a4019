import { timingSafeEqual } from "node:crypto";
import { encodeKey, KEY_BYTES } from "./curve.ts";

/**
 * Decides whether the holder of a public key (40 characters of Z85) is admitted. Only `true`
 * admits.
 */
export type AllowFunction = (clientPublicKey: string) => boolean | Promise<boolean>;

/**
 * Decides on one client, given the 32 bytes of its public key.
 *
 * Never throws and never rejects: any failure is a refusal.
 */
export type Policy = (clientKey: Uint8Array) => Promise<boolean>;

/**
 * Admits the keys of a list. Every entry is compared, in constant time, so that the duration
 * reveals nothing about the keys.
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
 * Admits the clients for which a function of the application returns `true`.
 *
 * A throw, a rejection, any other result, and a timeout are refusals.
 *
 * @param allow called with the key as 40 characters of Z85
 * @param timeoutMs limit on the duration of a call (milliseconds)
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
