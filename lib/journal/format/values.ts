import { crc32 } from "node:zlib";
import { getU32, putU32 } from "../../batch/layout.ts";
import { BrokerlessError } from "../../errors.ts";
import { expected } from "../../options.ts";
import { RECORD_HEADER_BYTES } from "./record.ts";

/** Changes to the named values; `null` deletes. The last change to a name wins. */
export type ValueChanges = ReadonlyMap<string, Uint8Array | null>;

/** Most bytes of all names and values of one journal together (bytes). */
export const VALUES_BYTES_MAX: number = 2 ** 20;

/** Name of the value that stores the first kept seq; names of users have no colon. */
export const VALUE_SEQ_FIRST = ":first";
/** Prefix of the values that store holds. */
export const VALUE_HOLD = "hold:";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const HEADER_BYTES = 16;

/**
 * @returns `name`
 * @throws TypeError unless it is 1 to 64 of `A-Z a-z 0-9 _ -`, not starting with `_` or `-`
 */
export function checkName(what: string, name: unknown): string {
  if (typeof name === "string" && NAME.test(name)) return name;
  throw expected(what, "1 to 64 letters, digits, _ or -, the first a letter or digit", name);
}

/**
 * Encodes a values record, with room for the envelope in front. The body, little-endian:
 *
 * | at | bytes | field                                                                       |
 * |----|-------|-----------------------------------------------------------------------------|
 * |  0 |     4 | CRC-32 of everything behind it                                              |
 * |  4 |     4 | length of the body (bytes)                                                  |
 * |  8 |     1 | 1: these are all the values there are; 0: changes                           |
 * |  9 |     3 | 0                                                                           |
 * | 12 |     4 | count                                                                       |
 * | 16 |       | for each: name length u8, name, 1 or 0 (deleted) u8, length u32, the value  |
 */
export function encodeValues(changes: ValueChanges, all: boolean): Buffer {
  let length = RECORD_HEADER_BYTES + HEADER_BYTES;
  for (const [name, value] of changes) length += 6 + name.length + (value?.length ?? 0);
  const bytes = Buffer.alloc(length);
  const body = RECORD_HEADER_BYTES;
  putU32(bytes, body + 4, length - body);
  bytes[body + 8] = all ? 1 : 0;
  putU32(bytes, body + 12, changes.size);
  let at = body + HEADER_BYTES;
  for (const [name, value] of changes) {
    bytes[at] = name.length;
    at += 1 + bytes.write(name, at + 1, "latin1");
    bytes[at] = value === null ? 0 : 1;
    putU32(bytes, at + 1, value?.length ?? 0);
    at += 5;
    if (value === null) continue;
    bytes.set(value, at);
    at += value.length;
  }
  putU32(bytes, body, crc32(bytes.subarray(body + 4)));
  return bytes;
}

/** Contents of a values record. */
export interface DecodedValues {
  readonly all: boolean;
  readonly changes: ValueChanges;
}

/** Reads a values body. Pure; the values are copies. @returns `null` where it is damaged */
export function decodeValues(body: Buffer): DecodedValues | null {
  if (body.length < HEADER_BYTES || getU32(body, 4) !== body.length) return null;
  if (crc32(body.subarray(4)) !== getU32(body, 0)) return null;
  const changes = new Map<string, Uint8Array | null>();
  const count = getU32(body, 12);
  let at = HEADER_BYTES;
  for (let index = 0; index < count; index++) {
    if (at >= body.length) return null;
    const nameEnd = at + 1 + body[at]!;
    if (nameEnd + 5 > body.length) return null;
    const name = body.toString("latin1", at + 1, nameEnd);
    const end = nameEnd + 5 + getU32(body, nameEnd + 1);
    if (end > body.length) return null;
    changes.set(name, body[nameEnd] === 1 ? Buffer.from(body.subarray(nameEnd + 5, end)) : null);
    at = end;
  }
  return at === body.length ? { all: body[8] === 1, changes } : null;
}

/** The stored named values of a journal. Bounded by {@link VALUES_BYTES_MAX}. */
export class ValueTable {
  readonly #values = new Map<string, Uint8Array>();
  #bytes = 0;

  get(name: string): Uint8Array | null {
    return this.#values.get(name) ?? null;
  }

  /** All values, for a snapshot. */
  entries(): ValueChanges {
    return new Map(this.#values);
  }

  /** @throws BrokerlessError BROKERLESS_TOO_LARGE when the table cannot take the changes */
  assertRoom(changes: ValueChanges): void {
    let bytes = this.#bytes;
    for (const [name, value] of changes) {
      bytes += cost(name, value) - cost(name, this.#values.get(name) ?? null);
    }
    if (bytes <= VALUES_BYTES_MAX) return;
    const message = `named values hold at most ${VALUES_BYTES_MAX} bytes together, these need ${bytes}`;
    throw new BrokerlessError("BROKERLESS_TOO_LARGE", message);
  }

  apply(changes: ValueChanges): void {
    for (const [name, value] of changes) {
      this.#bytes += cost(name, value) - cost(name, this.#values.get(name) ?? null);
      if (value === null) this.#values.delete(name);
      else this.#values.set(name, value);
    }
  }

  /** Removes all values, then applies the changes: the meaning of a snapshot. */
  replace(changes: ValueChanges): void {
    this.#values.clear();
    this.#bytes = 0;
    this.apply(changes);
  }
}

function cost(name: string, value: Uint8Array | null): number {
  return value === null ? 0 : name.length + value.length + 6;
}
