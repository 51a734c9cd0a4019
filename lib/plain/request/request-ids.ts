import { randomFillSync } from "node:crypto";

/** Bytes of a request id: a number that tells the requests of one requester apart, then a secret. */
export const REQUEST_ID_BYTES = 12;
const NUMBER_BYTES = 4;
const SECRET_BYTES = REQUEST_ID_BYTES - NUMBER_BYTES;
/** Secrets that are drawn at a time: one call for each request would be a tenth of its cost (count). */
const DRAWN = 512;

/**
 * Makes the ids of requests: a number (u32, big-endian), then 8 random bytes. Whoever replies to a request must
 * have received it: the ids of others cannot be guessed from those of one's own.
 *
 * @see docs/decisions/0006-request-reply.md
 */
export class RequestIds {
  readonly #secrets = Buffer.allocUnsafe(DRAWN * SECRET_BYTES);
  #drawn = DRAWN;

  /** @param number tells it from all requests that are open */
  next(number: number): Buffer {
    if (this.#drawn === DRAWN) {
      randomFillSync(this.#secrets);
      this.#drawn = 0;
    }
    const id = Buffer.allocUnsafe(REQUEST_ID_BYTES);
    id.writeUInt32BE(number);
    const at = this.#drawn * SECRET_BYTES;
    this.#secrets.copy(id, NUMBER_BYTES, at, at + SECRET_BYTES);
    this.#drawn += 1;
    return id;
  }
}

/** @returns the number in an id, which is {@link REQUEST_ID_BYTES} long */
export function numberOf(id: Buffer): number {
  return id.readUInt32BE(0);
}
