/// <reference path="./msgpackr.d.ts" />
import { Unpackr } from "msgpackr/index-no-eval";
import type { PieceReader } from "../codec.ts";
import { objectsOf } from "../index-keys.ts";
import { MsgpackScan } from "./scan.ts";
import { endOfSingle, readSingle } from "./single.ts";

/**
 * Up to this length a value is copied, because msgpackr caches keys only in short buffers (bytes).
 */
const SHORT_BYTES_MAX = 128;
const SCRATCH_BYTES = 4096;
/** A longer scratch buffer is not kept (bytes). */
const SCRATCH_BYTES_MAX = 0x40000;

/**
 * Reads MessagePack with msgpackr, after a {@link MsgpackScan}; {@link msgpack} documents the
 * accepted input.
 *
 * Maps with known keys are passed to msgpackr as its records, in a copy without the keys: that
 * takes less than half the time of reading a map, with the same result.
 *
 * @see docs/decisions/0080-msgpackr.md
 */
export class MsgpackReader {
  readonly #scan = new MsgpackScan();
  // Without structures it would allocate an empty list for each value.
  readonly #maps = new Unpackr({ structures: [], mapsAsObjects: true, copyBuffers: true });
  readonly #records = new Unpackr({
    structures: this.#scan.records.structures,
    mapsAsObjects: true,
    copyBuffers: true,
  });
  /** For values with maps that must not become objects directly. */
  readonly #sparse = new Unpackr({ structures: [], mapsAsObjects: false, copyBuffers: true });
  /** Reused for each value. */
  readonly #range = { start: 0, end: 0 };
  #scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

  /** @returns the one value that `bytes` holds */
  decode(bytes: Buffer): unknown {
    return this.decodeIn(bytes)(0, bytes.length);
  }

  /** @returns a reader of the values in pieces of `bytes` */
  decodeIn(bytes: Buffer): PieceReader<unknown> {
    const scan = this.#scan;
    const source = sourceOf(bytes);
    return (start, end) => {
      if (endOfSingle(bytes, start, end) === end) {
        const single = readSingle(bytes, start, end);
        if (single !== null) return single;
      }
      scan.open(source, start, end);
      try {
        const copied = scan.flat(this.#scratch);
        if (copied > 0 && scan.at === end) return this.#records.unpack(this.#scratch, copied);
        if (copied === 0) scan.next();
        if (scan.at < end) throw scan.refused("bytes after the value", scan.at);
        return this.#read(bytes, start);
      } finally {
        scan.close();
      }
    };
  }

  /** @returns all values of `frame`, at most `countMax`, in order */
  decodeAll(frame: Buffer, countMax: number): unknown[] {
    const scan = this.#scan;
    scan.open(sourceOf(frame), 0, frame.length);
    try {
      const values: unknown[] = [];
      while (scan.at < scan.end) {
        const { at } = scan;
        if (values.length === countMax) throw scan.refused(`more than ${countMax} values`, at);
        const end = endOfSingle(frame, at, scan.end);
        const single = end < 0 ? null : readSingle(frame, at, end);
        if (single !== null) {
          values.push(single);
          scan.at = end;
          continue;
        }
        const copied = scan.flat(this.#scratch);
        if (copied > 0) values.push(this.#records.unpack(this.#scratch, copied));
        else {
          scan.next();
          values.push(this.#read(frame, at));
        }
      }
      return values;
    } finally {
      scan.close();
    }
  }

  /** Reads the last scanned value, which starts at `start`. */
  #read(bytes: Buffer, start: number): unknown {
    const { marks, isSparse } = this.#scan;
    if (!isSparse) return this.#unpack(bytes, start, this.#maps);
    marks.keepMaps();
    return objectsOf(this.#unpack(bytes, start, this.#sparse));
  }

  /** @param maps reader of a value without records */
  #unpack(bytes: Buffer, start: number, maps: Unpackr): unknown {
    const { marks, at: end } = this.#scan;
    const range = this.#range;
    range.start = start;
    range.end = end;
    const length = end - start;
    if (length > SHORT_BYTES_MAX && marks.records === 0 && !marks.areNeeded) {
      return maps.unpack(bytes, range);
    }
    const room = marks.copyBytesMax(length);
    const target = room <= this.#scratch.length ? this.#scratch : this.#scratchOf(room);
    const copied = marks.copy(bytes, range, target);
    return (marks.records > 0 ? this.#records : maps).unpack(target, copied);
  }

  #scratchOf(room: number): Buffer {
    const scratch = Buffer.allocUnsafeSlow(2 * room);
    if (scratch.length <= SCRATCH_BYTES_MAX) this.#scratch = scratch;
    return scratch;
  }
}

function sourceOf(bytes: Buffer): { readonly bytes: Buffer; readonly view: DataView } {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}
