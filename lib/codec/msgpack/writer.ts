/// <reference path="./msgpackr.d.ts" />
import { Packr, RESERVE_START_SPACE, REUSE_BUFFER_MODE } from "msgpackr/index-no-eval";
import type { ByteWriter } from "../byte-writer.ts";
import type { EncodeLimits } from "../codec.ts";
import { putNegativeZeros } from "../msgpack-elements.ts";
import { PlainCopy } from "./copy.ts";
import { PlainCheck } from "./plain.ts";
import { writeSingle } from "./single.ts";

/**
 * msgpackr allocates a buffer of its own when less room than this is left in the given one (bytes).
 */
const ROOM = 2_080;
const SCRATCH_BYTES = 8_192;
/** A longer scratch buffer is not kept (bytes). */
const SCRATCH_BYTES_MAX = 0x100000;
/**
 * msgpackr starts at a multiple of this, and leaves the requested number of bytes free in front
 * (bytes).
 */
const ALIGNMENT = 8;

/**
 * The result of msgpackr with `REUSE_BUFFER_MODE`: its whole buffer, and the position of the value
 * in it.
 */
type Packed = Buffer & { readonly start: number; readonly end: number };

/** Shared, because msgpackr has one buffer for all its packers. */
let scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/**
 * Writes values with msgpackr, directly after the contents of a {@link ByteWriter}; {@link msgpack}
 * documents the mapping.
 *
 * The writer's `end` moves only at the end: whatever a getter of the value does to the writer
 * meanwhile, a partial value never becomes visible.
 *
 * @see docs/decisions/0080-msgpackr.md
 */
export class MsgpackWriter {
  readonly #check = new PlainCheck();
  readonly #packr = new Packr({
    useRecords: false,
    variableMapSize: true,
    useToJSON: false,
    // Reached only when a getter returns a different value at the second reading: the check has
    // refused functions.
    writeFunction: refuseFunction,
  });
  #isBusy = false;

  /**
   * @throws TypeError or RangeError for a value that cannot be encoded, BrokerlessError
   *   `BROKERLESS_TOO_LARGE` for one beyond the limits; the writer is then unchanged
   */
  encode(value: unknown, writer: ByteWriter, limits: EncodeLimits): void {
    if (this.#isBusy) {
      throw new TypeError("msgpack: a getter or toJSON must not encode another value");
    }
    this.#isBusy = true;
    try {
      if (this.#check.check(value, limits)) {
        if (!writeSingle(value, writer)) this.#write(value, writer);
      } else this.#writeCopy(new PlainCopy(value, limits), writer);
    } finally {
      this.#isBusy = false;
    }
  }

  #writeCopy({ value, zeros }: PlainCopy, writer: ByteWriter): void {
    const before = writer.length;
    this.#write(value, writer);
    const { bytes, start, end } = writer;
    if (zeros.length > 0) putNegativeZeros(bytes.subarray(start + before, end), zeros);
  }

  #write(value: unknown, writer: ByteWriter): void {
    const { bytes, end } = writer;
    if (bytes.length - end < ROOM) {
      const packed = this.#pack(value, ownScratch(this.#packr), 0);
      writer.append(packed.subarray(packed.start, packed.end));
      return;
    }
    ownScratch(this.#packr);
    const packed = this.#pack(value, bytes, end);
    if (packed === bytes && writer.bytes === bytes && writer.end === end) writer.end = packed.end;
    else writer.append(packed.subarray(packed.start + (end % ALIGNMENT), packed.end));
  }

  /** @param at position of the value in `target`, if it has room there (byte offset) */
  #pack(value: unknown, target: Buffer, at: number): Packed {
    const packr = this.#packr;
    const offset = at % ALIGNMENT;
    packr.useBuffer(target);
    packr.position = at - offset;
    try {
      const mode = REUSE_BUFFER_MODE | RESERVE_START_SPACE | offset;
      const packed = packr.pack(value, mode) as Packed;
      // Other long values are likely to follow.
      if (packed !== target && packed.length <= SCRATCH_BYTES_MAX) scratch = packed;
      return packed;
    } finally {
      packr.useBuffer(scratch);
    }
  }
}

/**
 * Other users of this msgpackr write into its last buffer and hand out parts of it. Therefore that
 * buffer is the scratch between calls; if it was used meanwhile, it belongs to them.
 */
function ownScratch(packr: Packr): Buffer {
  if (packr.position !== 0) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return scratch;
}

function refuseFunction(): never {
  throw new TypeError("msgpack: no encoding for a function that a getter gave; send plain data");
}
