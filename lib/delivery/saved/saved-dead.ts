import type { HandlerError } from "../../handler-error.ts";
import type { DeadLetterRecord } from "../dispatch/dead-letter-record.ts";
import { cutText, fairLength, isSameCause, textsOf } from "../dispatch/reasons.ts";
import type { ValuedRange } from "../range/range-map.ts";
import { VarintReader, VarintWriter } from "../varints.ts";

/** The version of the output of {@link encodeDead}, of which it is the first number. */
export const DEAD_VERSION = 3;
/** The latest time that a `Date` can represent (ms since 1970). */
const TIME_MS_MAX = 8.64e15;
/** Stands for the index of a text where there is none. */
const NONE = 0;

/** Reasons and errors, each once, and their texts, each once. */
interface Causes {
  readonly texts: readonly string[];
  readonly encoded: Buffer;
  /** The index of the cause of each range of letters. */
  readonly indexes: readonly number[];
}

/**
 * Encodes dead letters, which are stored separately from the rest of the sender's state. Pure. All numbers are of
 * variable length ({@link VarintWriter}).
 *
 * | part                                                                                                       |
 * |------------------------------------------------------------------------------------------------------------|
 * | version 3                                                                                                  |
 * | count; texts, each once: length (bytes), UTF-8                                                             |
 * | count; causes, each once: texts of the reason, and of the error its name, message and code. A text is its   |
 * | index from 1; 0: none. If the name is none there is no error, and message and code are omitted             |
 * | time of the earliest death (ms since 1970)                                                                 |
 * | count; ranges: distance from the end of the one before, length - 1, attempts, index of the cause from 0,    |
 * | time of death since the earliest (ms), time from the first attempt to the death + 1 (ms; 0: not known),     |
 * | size of each message (bytes), offset, epoch                                                                |
 *
 * @param bytesMax texts are cut, each to a fair share, until all fits; letters are never left out, even if it does not
 */
export function encodeDead(
  dead: Iterable<ValuedRange<DeadLetterRecord>>,
  bytesMax: number,
): Buffer {
  const ranges = [...dead];
  const { texts, encoded, indexes } = causesOf(ranges);
  const letters = encodeLetters(ranges, indexes);
  const lengths = texts.map((text) => Buffer.byteLength(text));
  // Each text is preceded by its length.
  const used = encoded.length + letters.length + 2 * lengths.length + 16;
  const lengthMax = fairLength(lengths, Math.max(0, bytesMax - used));
  const head = new VarintWriter();
  head.add(DEAD_VERSION);
  head.add(texts.length);
  for (const text of texts) head.addBytes(Buffer.from(cutText(text, lengthMax)));
  return Buffer.concat([head.take(), encoded, letters]);
}

function causesOf(ranges: readonly ValuedRange<DeadLetterRecord>[]): Causes {
  const places = new Map<string, number>();
  const placeOf = (text: string): number => {
    if (!places.has(text)) places.set(text, places.size + 1);
    return places.get(text)!;
  };
  const numbers = new VarintWriter();
  const known = new Map<string, number>();
  let before: DeadLetterRecord | null = null;
  const indexes: number[] = [];
  for (const { value } of ranges) {
    if (before !== null && isSameCause(before, value)) {
      indexes.push(indexes.at(-1)!);
      continue;
    }
    before = value;
    const [reason, name, message, code] = textsOf(value).map(placeOf) as [number, ...number[]];
    const cause = name === undefined ? [reason, NONE] : [reason, name, message!, code ?? NONE];
    const key = cause.join();
    if (!known.has(key)) {
      known.set(key, known.size);
      for (const number of cause) numbers.add(number);
    }
    indexes.push(known.get(key)!);
  }
  const count = new VarintWriter();
  count.add(known.size);
  const encoded = Buffer.concat([count.take(), numbers.take()]);
  return { texts: [...places.keys()], encoded, indexes };
}

function encodeLetters(
  ranges: readonly ValuedRange<DeadLetterRecord>[],
  causes: readonly number[],
): Buffer {
  const numbers = new VarintWriter();
  const startMs = ranges.reduce((least, { value }) => Math.min(least, value.timeMs), Infinity);
  numbers.add(ranges.length === 0 ? 0 : startMs);
  numbers.add(ranges.length);
  let before = 0;
  for (const [index, { first, last, value }] of ranges.entries()) {
    numbers.add(first - before);
    numbers.add(last - first);
    numbers.add(value.attempts);
    numbers.add(causes[index]!);
    numbers.add(value.timeMs - startMs);
    // Not negative, even if the clock was set back.
    numbers.add(value.firstMs === null ? 0 : 1 + Math.max(0, value.timeMs - value.firstMs));
    numbers.add(value.bytesEach);
    numbers.add(value.offset);
    numbers.add(value.epoch);
    before = last;
  }
  return numbers.take();
}

/** Decodes the output of {@link encodeDead}. Pure. @returns null if the bytes are no such output */
export function decodeDead(bytes: Uint8Array): ValuedRange<DeadLetterRecord>[] | null {
  const numbers = new VarintReader(bytes);
  if (numbers.next() !== DEAD_VERSION) return null;
  const causes = decodeCauses(numbers);
  const startMs = numbers.next();
  const dead: ValuedRange<DeadLetterRecord>[] = [];
  let before = 0;
  for (let left = numbers.next(); left > 0 && !numbers.isBad; left--) {
    const first = before + numbers.next();
    const last = first + numbers.next();
    const attempts = numbers.next();
    const cause = causes[numbers.next()];
    const timeMs = startMs + numbers.next();
    const firstMs = timeBefore(timeMs, numbers.next());
    const [bytesEach, offset, epoch] = [numbers.next(), numbers.next(), numbers.next()];
    const isSound = first > before && Number.isSafeInteger(last + offset);
    const isTimely = timeMs <= TIME_MS_MAX && (firstMs ?? 0) >= 0;
    if (cause === undefined || !isSound || !isTimely) return null;
    const times = { firstMs, timeMs };
    dead.push({ first, last, value: { attempts, ...cause, ...times, bytesEach, offset, epoch } });
    before = last;
  }
  return numbers.isBad || numbers.at !== bytes.length ? null : dead;
}

/** @param ms the time before `timeMs`, plus 1; 0: not known */
function timeBefore(timeMs: number, ms: number): number | null {
  return ms === 0 ? null : timeMs - (ms - 1);
}

function decodeCauses(numbers: VarintReader): Pick<DeadLetterRecord, "reason" | "error">[] {
  const texts: string[] = [];
  for (let left = numbers.next(); left > 0 && !numbers.isBad; left--) {
    texts.push(Buffer.from(numbers.nextBytes()).toString());
  }
  const next = (): string | null => {
    const place = numbers.next();
    if (place > texts.length) numbers.isBad = true;
    return texts[place - 1] ?? null;
  };
  const causes: Pick<DeadLetterRecord, "reason" | "error">[] = [];
  for (let left = numbers.next(); left > 0 && !numbers.isBad; left--) {
    const [reason, name] = [next(), next()];
    if (reason === null) numbers.isBad = true;
    causes.push({ reason: reason ?? "", error: name === null ? null : errorOf(name, next) });
  }
  return causes;
}

function errorOf(name: string, next: () => string | null): HandlerError {
  return { name, message: next() ?? "", code: next() };
}
