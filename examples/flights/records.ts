import { isUtf8 } from "node:buffer";
import { accessSync, constants, createReadStream, statSync } from "node:fs";
import { extname } from "node:path";
import { ArraySplitter } from "./array-splitter.ts";
import { findJsonFault, type JsonFault } from "./json-fault.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { Splitter } from "./splitter.ts";
import { advance, blankBytes, isBlank, type Piece, type Position } from "./splitter.ts";
import { WholeSplitter } from "./whole-splitter.ts";

const CHUNK_BYTES = 256 * 1024;
const BYTE_ORDER_MARK = Buffer.from("\ufeff");
const LINE_EXTENSIONS = new Set([".ndjson", ".jsonl", ".ldjson"]);

/** How {@link readRecords} checks records and reports progress. */
export interface RecordOptions<T> {
  /** Checks the type of a record. @throws TypeError with the fault */
  readonly check: (value: unknown) => T;
  /** Called with the position in the file up to which it was read (bytes). */
  readonly onRead?: ((bytes: number) => void) | undefined;
  /** Called with the length in the file of the record that comes next (bytes). */
  readonly onRecord?: ((bytes: number) => void) | undefined;
}

/** A fault of the file; the message is one line that begins with the place. */
export class RecordFault extends Error {
  override readonly name = "RecordFault";

  /** @param place the place of the fault; `null` when the file could not be read at all */
  constructor(path: string, place: Position | null, what: string) {
    super(place === null ? `${path}: ${what}` : `${path}:${describePlace(place)}: ${what}`);
  }
}

/**
 * The records of an NDJSON file, of a JSON file with one array, or the single record of any other JSON file. Reads as
 * fast as the caller takes records, and holds one chunk at a time.
 *
 * @throws RecordFault where the file cannot be read, is not JSON, or contains a record that `check` refuses
 */
export async function* readRecords<T>(path: string, options: RecordOptions<T>): AsyncGenerator<T> {
  let splitter: Splitter | null = null;
  let head = Buffer.alloc(0);
  let bytesRead = 0;
  for await (const chunk of readChunks(path)) {
    bytesRead += chunk.length;
    options.onRead?.(bytesRead);
    if (splitter === null) {
      head = Buffer.concat([head, chunk]);
      if (isBlank(withoutMark(head).bytes)) continue;
      splitter = chooseSplitter(path, head);
      for (const piece of splitter.push(withoutMark(head).bytes)) yield parse(path, piece, options);
    } else {
      for (const piece of splitter.push(chunk)) yield parse(path, piece, options);
    }
  }
  if (splitter === null) throw new RecordFault(path, START, "the file is empty; expected JSON");
  for (const piece of splitter.end()) yield parse(path, piece, options);
}

const START: Position = { offset: 0, line: 1, lineOffset: 0 };

async function* readChunks(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: CHUNK_BYTES });
  } catch (error) {
    throw new RecordFault(path, null, `cannot be read: ${describeReadError(error)}`);
  }
}

/**
 * @returns the length of the file; `null` where it is a pipe or the like (bytes)
 * @throws RecordFault where there is no readable file
 */
export function fileBytes(path: string): number | null {
  try {
    accessSync(path, constants.R_OK);
    const stats = statSync(path);
    return stats.isFile() ? stats.size : null;
  } catch (error) {
    throw new RecordFault(path, null, `cannot be read: ${describeReadError(error)}`);
  }
}

/** Chooses by the start of the file, which has at least one byte that is not blank. */
function chooseSplitter(path: string, head: Buffer): Splitter {
  const { bytes, start } = withoutMark(head);
  if (LINE_EXTENSIONS.has(extname(path).toLowerCase())) return new LineSplitter(start);
  const text = bytes.subarray(blankBytes(bytes));
  if (text[0] === 0x5b) return new ArraySplitter(start);
  // A line that is valid as far as it goes, but not a whole value, is the start of a longer one.
  const lineEnd = text.indexOf("\n");
  const line = text.subarray(0, lineEnd === -1 ? text.length : lineEnd);
  const isPartial = lineEnd !== -1 && findJsonFault(line)?.offset === line.length;
  return isPartial ? new WholeSplitter(start) : new LineSplitter(start);
}

function withoutMark(head: Buffer): { bytes: Buffer; start: Position } {
  const length = head.indexOf(BYTE_ORDER_MARK) === 0 ? BYTE_ORDER_MARK.length : 0;
  return { bytes: head.subarray(length), start: { offset: length, line: 1, lineOffset: length } };
}

function parse<T>(path: string, piece: Piece, options: RecordOptions<T>): T {
  const { bytes, problem } = piece;
  if (problem !== null) {
    const earlier = findJsonFault(bytes);
    if (earlier !== null && earlier.offset < bytes.length) throw fault(path, piece, earlier);
    throw fault(path, piece, { offset: bytes.length, message: problem });
  }
  if (!isUtf8(bytes)) {
    throw fault(path, piece, { offset: invalidAt(bytes), message: "bytes that are not UTF-8" });
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw fault(path, piece, findJsonFault(bytes) ?? { offset: 0, message: String(error) });
  }
  options.onRecord?.(bytes.length);
  try {
    return options.check(value);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw fault(path, piece, { offset: blankBytes(bytes), message });
  }
}

/** @param found its offset counts from the start of the piece */
function fault(path: string, { position, bytes }: Piece, found: JsonFault): RecordFault {
  return new RecordFault(path, advance(position, bytes.subarray(0, found.offset)), found.message);
}

function invalidAt(bytes: Buffer): number {
  const repaired = Buffer.from(bytes.toString());
  return bytes.findIndex((byte, at) => byte !== repaired[at]);
}

/** The line and the column, both from 1, and the offset from 0; columns and offsets count bytes. */
function describePlace(place: Position): string {
  return `${place.line}:${place.offset - place.lineOffset + 1} (byte ${place.offset})`;
}

function describeReadError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a directory";
  if (code === "EACCES") return "permission denied";
  return error instanceof Error ? error.message : String(error);
}
