/** Numbers are unsigned LEB128: seven bits a byte, low ones first; at most eight bytes. */
const VARINT_BYTES_MAX = 8;

/** Writes whole numbers from 0 to 2^53 - 1, each in as many bytes as it needs. */
export class VarintWriter {
  #bytes: Buffer = Buffer.allocUnsafe(64);
  #end = 0;

  add(value: number): void {
    this.#room(VARINT_BYTES_MAX);
    let left = value;
    while (left >= 0x80) {
      this.#bytes[this.#end++] = (left % 0x80) | 0x80;
      left = Math.floor(left / 0x80);
    }
    this.#bytes[this.#end++] = left;
  }

  /** Writes the length of the bytes, then the bytes. */
  addBytes(bytes: Uint8Array): void {
    this.add(bytes.length);
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  take(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  #room(count: number): void {
    const short = this.#end + count - this.#bytes.length;
    if (short <= 0) return;
    this.#bytes = Buffer.concat(
      [this.#bytes],
      this.#bytes.length + Math.max(short, this.#bytes.length),
    );
  }
}

/** Reads the output of a {@link VarintWriter}; `isBad` is set at the first invalid number or length, and stays set. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  at = 0;
  isBad = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      factor *= 0x80;
    }
    this.isBad = true;
    return 0;
  }

  nextBytes(): Uint8Array {
    const end = this.next() + this.at;
    if (end > this.#bytes.length) this.isBad = true;
    if (this.isBad) return this.#bytes.subarray(0, 0);
    const bytes = this.#bytes.subarray(this.at, end);
    this.at = end;
    return bytes;
  }
}
