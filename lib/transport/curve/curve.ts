import { createPrivateKey, createPublicKey } from "node:crypto";
import { curveKeyPair } from "zeromq";

/** A CURVE identity: a key pair, each key as 40 characters of Z85. */
export interface KeyPair {
  /** The public key, which peers may know. */
  readonly publicKey: string;
  /** The secret key: whoever has it can impersonate this peer. */
  readonly secretKey: string;
}

/** Length of a CURVE key (bytes). */
export const KEY_BYTES = 32;
const KEY_CHARS = 40;

/** ZeroMQ RFC 32: five characters stand for four bytes, most significant first. */
const ALPHABET =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const DIGITS = new Map([...ALPHABET].map((char, digit) => [char, digit]));

/** Header of a PKCS #8 document that holds 32 bytes of X25519 secret key (RFC 8410). */
const PKCS8_X25519 = Buffer.from("302e020100300506032b656e04220420", "hex");

/**
 * Generates a new CURVE key pair from the operating system's randomness.
 *
 * @example
 * ```ts
 * const server = generateKeyPair();
 * const client = generateKeyPair();
 * const pull = new Pull({ security: { ...server, allow: [client.publicKey] } });
 * const push = new Push({ security: { ...client, serverKey: server.publicKey } });
 * ```
 *
 * @see docs/decisions/0004-security.md
 */
export function generateKeyPair(): KeyPair {
  const { publicKey, secretKey } = curveKeyPair();
  return { publicKey, secretKey };
}

/**
 * Decodes a key of 40 Z85 characters.
 *
 * @returns its 32 bytes, or `null` where the text is not such a key; the caller writes the error,
 *   which must not contain the text
 */
export function decodeKey(text: unknown): Buffer | null {
  if (typeof text !== "string" || text.length !== KEY_CHARS) return null;
  const bytes = Buffer.alloc(KEY_BYTES);
  for (let group = 0; group < KEY_CHARS / 5; group++) {
    let value = 0;
    for (let index = 0; index < 5; index++) {
      const digit = DIGITS.get(text.charAt(group * 5 + index));
      if (digit === undefined) return null;
      value = value * 85 + digit;
    }
    if (value > 0xffff_ffff) return null;
    bytes.writeUInt32BE(value, group * 4);
  }
  return bytes;
}

/** Encodes the 32 bytes of a key as 40 characters of Z85. */
export function encodeKey(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, KEY_BYTES);
  let text = "";
  for (let offset = 0; offset < KEY_BYTES; offset += 4) {
    const value = view.getUint32(offset);
    for (let place = 85 ** 4; place >= 1; place /= 85) {
      text += ALPHABET.charAt(Math.floor(value / place) % 85);
    }
  }
  return text;
}

/**
 * Derives the public key of a secret key.
 *
 * @param secret 32 bytes
 * @returns 32 bytes
 */
export function publicKeyOf(secret: Uint8Array): Buffer {
  const der = Buffer.concat([PKCS8_X25519, secret]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const publicDer = createPublicKey(key).export({ format: "der", type: "spki" });
  der.fill(0);
  return publicDer.subarray(publicDer.length - KEY_BYTES);
}
