import type { SuspectsState } from "../attempts/suspects.ts";
import type { DispatcherState } from "../dispatch/dispatcher-events.ts";
import { type Incarnation, parseIncarnations } from "../protocol/incarnations.ts";
import { countOf, type SeqRange } from "../range/range.ts";
import { VarintReader, VarintWriter } from "../varints.ts";
import type { WindowState } from "../window/window-events.ts";

/** The saved state of a sender, without its dead letters, which are saved separately since they change less often. */
export interface SenderState extends Omit<DispatcherState, "dead"> {
  /** When it was saved (ms since 1970): back-offs continue while no process runs. */
  readonly timeMs: number;
}

/** The version of the output of {@link encodeSenderState}, of which it is the first number. */
export const SENDER_STATE_VERSION = 6;
const WINDOW_VERSION = 2;
/** A greater number is not a version, but damage. */
const VERSION_MAX = 99;
/** Length of an incarnation's id (bytes). */
const ID_BYTES = 16;

/**
 * Encodes the state that a sender needs after a restart. Pure. All numbers are of variable length, and ranges are
 * encoded as distances, so that most take two or three bytes.
 *
 * | part                                                                        |
 * |-----------------------------------------------------------------------------|
 * | version 6, time (ms since 1970), floor                                      |
 * | count; settled ranges: distance from the end of the one before, length - 1  |
 * | count; the same of messages dispatched before, attempts; then of leased     |
 * | messages. Both may include settled ones                                     |
 * | count; the same of messages in back-off, attempts, remaining back-off (ms)  |
 * | three times: count; ranges that are begun, guarded, exposed. Deaths         |
 * | count; the same of messages begun, then the time since their first attempt  |
 * | (ms)                                                                        |
 * | receivers, as JSON; nothing where there are none                            |
 */
export function encodeSenderState(state: SenderState): Buffer {
  const numbers = new VarintWriter();
  numbers.add(SENDER_STATE_VERSION);
  numbers.add(state.timeMs);
  numbers.add(state.floor);
  putRanges(numbers, state.settled);
  putRanges(numbers, state.attempts, ({ value }) => [value]);
  putRanges(numbers, state.leased, ({ value }) => [value]);
  putRanges(numbers, state.backOffs, ({ value }) => [value.attempts, value.backOffMs]);
  const { begun, guarded, exposed, deaths } = state.suspects;
  for (const ranges of [begun, guarded, exposed]) putRanges(numbers, ranges);
  numbers.add(deaths);
  // Not negative, even if the clock was set back.
  putRanges(numbers, state.firsts, ({ value }) => [Math.max(0, state.timeMs - value)]);
  const text = state.receivers.length === 0 ? "" : JSON.stringify(state.receivers);
  return Buffer.concat([numbers.take(), Buffer.from(text)]);
}

/**
 * Encodes a state so that it fits. If it is too long, the times of first attempts are left out, on which no delivery
 * depends. If that is not enough, the limit on the entries of each table is halved until the state fits, and the
 * shortest ranges are left out first. Their messages are sent again, or have fewer attempts, after a restart. Pure.
 *
 * @returns the bytes, and whether nothing but times was left out
 */
export function encodeWithin(
  whole: SenderState,
  bytesMax: number,
): { readonly bytes: Buffer; readonly isWhole: boolean } {
  let bytes = encodeSenderState(whole);
  if (bytes.length <= bytesMax) return { bytes, isWhole: true };
  const state = { ...whole, firsts: [] };
  bytes = encodeSenderState(state);
  const isWhole = bytes.length <= bytesMax;
  const { settled, attempts, leased, backOffs, receivers } = state;
  const { begun, guarded, exposed, deaths } = state.suspects;
  const sizes = [settled, attempts, leased, backOffs, receivers, begun, guarded, exposed].map(
    ({ length }) => length,
  );
  for (let most = Math.max(...sizes); bytes.length > bytesMax && most > 0; ) {
    most >>= 1;
    bytes = encodeSenderState({
      ...state,
      settled: longest(settled, most),
      attempts: longest(attempts, most),
      leased: longest(leased, most),
      backOffs: longest(backOffs, most),
      suspects: {
        begun: longest(begun, most),
        guarded: longest(guarded, most),
        exposed: longest(exposed, most),
        deaths,
      },
      receivers: receivers.slice(0, most),
    });
  }
  return { bytes, isWhole };
}

/** Pure. @returns the version of a saved state, known or not; 0 if the bytes are no state */
export function versionOfState(bytes: Uint8Array): number {
  const numbers = new VarintReader(bytes);
  const version = numbers.next();
  return numbers.isBad || version > VERSION_MAX ? 0 : version;
}

/** Decodes the output of {@link encodeSenderState}. Pure. @returns null if the bytes are no such output */
export function decodeSenderState(bytes: Uint8Array): SenderState | null {
  const numbers = new VarintReader(bytes);
  if (numbers.next() !== SENDER_STATE_VERSION) return null;
  const timeMs = numbers.next();
  const floor = numbers.next();
  const settled = getRanges(numbers, () => 0);
  const attempts = getRanges(numbers, () => numbers.next());
  const leased = getRanges(numbers, () => numbers.next());
  const backOffs = getRanges(numbers, () => ({
    attempts: numbers.next(),
    backOffMs: numbers.next(),
  }));
  const suspects = getSuspects(numbers);
  const firsts = getRanges(numbers, () => timeMs - numbers.next());
  if (numbers.isBad || firsts.some(({ value }) => value < 0)) return null;
  const receivers = parseReceivers(Buffer.from(bytes.subarray(numbers.at)).toString());
  if (receivers === null) return null;
  return { timeMs, floor, settled, attempts, leased, backOffs, suspects, firsts, receivers };
}

/**
 * Encodes the memory of one stream at a receiver. Pure.
 *
 * | part                                                                        |
 * |-----------------------------------------------------------------------------|
 * | version 2, floor                                                            |
 * | count; ranges done: distance from the end of the one before, length - 1     |
 * | count; incarnations of the stream: number, first seq, 1 where there is an id      |
 * | the ids, 16 bytes each                                                      |
 */
export function encodeWindowState({ incarnations, floor, done }: WindowState): Buffer {
  const numbers = new VarintWriter();
  numbers.add(WINDOW_VERSION);
  numbers.add(floor);
  putRanges(numbers, done);
  numbers.add(incarnations.length);
  for (const { epoch, seqFirst, id } of incarnations) {
    for (const number of [epoch, seqFirst, id === "" ? 0 : 1]) numbers.add(number);
  }
  return Buffer.concat([
    numbers.take(),
    Buffer.from(incarnations.map(({ id }) => id).join(""), "hex"),
  ]);
}

/** Decodes the output of {@link encodeWindowState}. Pure. @returns null if the bytes are no such output */
export function decodeWindowState(bytes: Uint8Array): WindowState | null {
  const numbers = new VarintReader(bytes);
  if (numbers.next() !== WINDOW_VERSION) return null;
  const floor = numbers.next();
  const done = getRanges(numbers, () => 0);
  const starts = getIncarnations(numbers);
  if (numbers.isBad) return null;
  const incarnations: Incarnation[] = [];
  let { at } = numbers;
  for (const { hasId, ...start } of starts) {
    const end = hasId ? at + ID_BYTES : at;
    incarnations.push({ ...start, id: Buffer.from(bytes.subarray(at, end)).toString("hex") });
    at = end;
  }
  return at === bytes.length && parseIncarnations(incarnations) !== null
    ? { incarnations, floor, done }
    : null;
}

function getIncarnations(
  numbers: VarintReader,
): { readonly epoch: number; readonly seqFirst: number; readonly hasId: boolean }[] {
  const starts: { epoch: number; seqFirst: number; hasId: boolean }[] = [];
  const count = numbers.next();
  for (let index = 0; index < count && !numbers.isBad; index++) {
    const [epoch, seqFirst] = [numbers.next(), numbers.next()];
    starts.push({ epoch, seqFirst, hasId: numbers.next() === 1 });
  }
  return starts;
}

function parseReceivers(text: string): string[] | null {
  if (text === "") return [];
  try {
    const receivers: unknown = JSON.parse(text);
    if (!Array.isArray(receivers)) return null;
    return receivers.every((name) => typeof name === "string") ? receivers : null;
  } catch {
    return null;
  }
}

/** @returns the longest `count` ranges, in order of seq */
function longest<R extends SeqRange>(ranges: readonly R[], count: number): R[] {
  if (ranges.length <= count) return [...ranges];
  const chosen = [...ranges].sort((a, b) => countOf(b) - countOf(a)).slice(0, count);
  return chosen.sort((a, b) => a.first - b.first);
}

function putRanges<R extends SeqRange>(
  numbers: VarintWriter,
  ranges: readonly R[],
  values?: (range: R) => readonly number[],
): void {
  numbers.add(ranges.length);
  let before = 0;
  for (const range of ranges) {
    numbers.add(range.first - before);
    numbers.add(range.last - range.first);
    if (values !== undefined) for (const value of values(range)) numbers.add(value);
    before = range.last;
  }
}

function getRanges<V>(numbers: VarintReader, value: () => V): (SeqRange & { readonly value: V })[] {
  const ranges: (SeqRange & { readonly value: V })[] = [];
  const count = numbers.next();
  let before = 0;
  for (let index = 0; index < count && !numbers.isBad; index++) {
    const distance = numbers.next();
    const first = before + distance;
    before = first + numbers.next();
    if (distance === 0 || before > Number.MAX_SAFE_INTEGER) numbers.isBad = true;
    ranges.push({ first, last: before, value: value() });
  }
  return ranges;
}

function getSuspects(numbers: VarintReader): SuspectsState {
  const plain = () => getRanges(numbers, () => 0).map(({ first, last }) => ({ first, last }));
  return { begun: plain(), guarded: plain(), exposed: plain(), deaths: numbers.next() };
}
