/// <reference path="./msgpackr.d.ts" />
import { Packr, RESERVE_START_SPACE, REUSE_BUFFER_MODE } from "msgpackr/index-no-eval";
import type { ByteWriter } from "../byte-writer.ts";
import type { EncodeLimits } from "../codec.ts";
import { putNegativeZeros } from "../elements.ts";
import { PlainCopy } from "./copy.ts";
import { PlainCheck } from "./plain.ts";
import { writeSingle } from "./single.ts";

/** msgpackr takes a buffer of its own where less is left in the one that it was given (bytes). */
const ROOM = 2_080;
const SCRATCH_BYTES = 8_192;
/** A longer scratch is not kept (bytes). */
const SCRATCH_BYTES_MAX = 0x100000;
/** msgpackr begins at a multiple of it, and leaves as many bytes free as it is told (bytes). */
const ALIGNMENT = 8;

/** What msgpackr gives with `REUSE_BUFFER_MODE`: its whole buffer, and where the value is in it. */
type Packed = Buffer & { readonly start: number; readonly end: number };

/** One for all: msgpackr has one buffer for all its packers. */
let scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/**
 * Writes values by msgpackr, straight behind what a {@link ByteWriter} holds; {@link msgpack} says what becomes of
 * what.
 *
 * The writer's `end` moves only at the end: whatever a getter of the value does to the writer meanwhile, half a value
 * never becomes visible.
 *
 * @see docs/decisions/0080-msgpackr.md
 */
export class MsgpackWriter {
  readonly #check = new PlainCheck();
  readonly #packr = new Packr({
    useRecords: false,
    variableMapSize: true,
    useToJSON: false,
    // What only a second reading gives: the check has refused functions.
    writeFunction: refuseFunction,
  });
  #isBusy = false;

  /**
   * @throws TypeError or RangeError for what has no encoding, BrokerlessError `BROKERLESS_TOO_LARGE` for what is larger
   * than the limits; the writer is then as it was
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

  /** @param at where the value goes in `target`, if it has room there (byte offset) */
  #pack(value: unknown, target: Buffer, at: number): Packed {
    const packr = this.#packr;
    const offset = at % ALIGNMENT;
    packr.useBuffer(target);
    packr.position = at - offset;
    try {
      const mode = REUSE_BUFFER_MODE | RESERVE_START_SPACE | offset;
      const packed = packr.pack(value, mode) as Packed;
      // One that was long is likely to be followed by others.
      if (packed !== target && packed.length <= SCRATCH_BYTES_MAX) scratch = packed;
      return packed;
    } finally {
      packr.useBuffer(scratch);
    }
  }
}

/**
 * Whoever else packs with this msgpackr writes into its last buffer and hands out parts of it. So between calls that
 * is the scratch; where it was used it is theirs.
 */
function ownScratch(packr: Packr): Buffer {
  if (packr.position !== 0) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return scratch;
}

function refuseFunction(): never {
  throw new TypeError("msgpack: no encoding for a function that a getter gave; send plain data");
}
