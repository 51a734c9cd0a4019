import { Packr, RESET_BUFFER_MODE, REUSE_BUFFER_MODE, Unpackr } from "msgpackr";
import type { ByteWriter } from "./byte-writer.ts";
import type { Codec } from "./codec.ts";
import { scanMsgpack } from "./msgpack-scan.ts";

/** A scratch buffer that grew past this for one large message is given back (bytes). */
const SCRATCH_BYTES_MAX = 1 << 20;
const SCRATCH_MODE = REUSE_BUFFER_MODE | RESET_BUFFER_MODE;

/** What msgpackr returns in reuse mode: its scratch, and where in it the encoding lies. */
type Scratch = Buffer & { readonly start: number; readonly end: number };

/**
 * MessagePack: compact, typed, and read by peers in every language. The default codec.
 *
 * Both ways refuse what could harm the receiver: see {@link scanMsgpack}.
 */
export function msgpack<T = unknown>(): Codec<T> {
  return new MsgpackCodec<T>();
}

class MsgpackCodec<T> implements Codec<T> {
  readonly name = "msgpack";
  readonly delimiter = "self";
  readonly #packr = new Packr({
    useRecords: false,
    writeFunction: () => {
      throw new TypeError("msgpack: a function cannot be encoded");
    },
  });
  readonly #unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

  encode(value: T, writer: ByteWriter): void {
    const scratch = this.#packr.pack(value, SCRATCH_MODE) as Scratch;
    try {
      scanMsgpack(scratch, scratch.start, scratch.end);
      const count = scratch.end - scratch.start;
      const at = writer.reserve(count);
      scratch.copy(writer.bytes, at, scratch.start, scratch.end);
      writer.end = at + count;
    } finally {
      if (scratch.length > SCRATCH_BYTES_MAX) this.#release(scratch);
    }
  }

  decode(bytes: Buffer): T {
    const count = scanMsgpack(bytes, 0, bytes.length);
    if (count !== 1) throw new Error(`msgpack: expected exactly one value, got ${count}`);
    return this.#unpackr.unpack(bytes) as T;
  }

  decodeAll(frame: Buffer, countMax: number): T[] {
    const count = scanMsgpack(frame, 0, frame.length);
    if (count > countMax) throw new Error(`msgpack: ${count} values, at most ${countMax} accepted`);
    return count === 0 ? [] : (this.#unpackr.unpackMultiple(frame) as T[]);
  }

  /**
   * msgpackr's scratch is one for the whole process, and another user of it may be in the middle of
   * a `pack` that called us. Only when the next `pack` would write into this very scratch is it the
   * current one, and nobody else's.
   */
  #release(scratch: Scratch): void {
    if (this.#packr.pack(null, SCRATCH_MODE) === scratch) {
      this.#packr.useBuffer(Buffer.allocUnsafeSlow(8192));
    }
  }
}
