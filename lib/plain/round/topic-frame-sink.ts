import type { BatcherLimits, FrameSink, MixedValues } from "../../batch/batcher.ts";
import { joinHeaders } from "../../batch/headers.ts";
import { HEADER_BYTES_MIN } from "../../batch/headers-bound.ts";
import type { Clock } from "../../clock.ts";
import type { FrameWriter } from "../../transport/native/frame-writer.ts";
import { viewOf } from "../../view.ts";
import type { NumberedTopic } from "./numbered-topics.ts";
import { laterBytes, OrderWriter, ROUND_COUNT_MAX, ROUND_FRAMES_MAX } from "./order-frame.ts";

/** Values of one topic that share a frame. */
interface TopicFrame {
  readonly key: string;
  readonly topic: NumberedTopic;
  readonly positions: number[];
  bytes: number;
  headerBytes: number;
  readonly headers: Buffer[];
  /** Next free place in the bytes of the round (byte offset). */
  end: number;
}

/** The frames of a round, the frame of each of its values, and the writer of their order frames. */
interface RoundPlan {
  readonly frames: TopicFrame[];
  readonly frameOf: readonly number[];
  readonly order: OrderWriter;
}

/** Dependencies of {@link TopicFrameSink}. */
export interface TopicFrameSinkOptions {
  readonly clock: Clock;
  readonly writer: FrameWriter;
  readonly limits: BatcherLimits;
  /** The id of the publisher in order frames. */
  readonly publisher: Buffer;
  readonly topic: (topic: string) => NumberedTopic;
  /** Whether values of several topics may be gathered, and sent topic by topic, and messages may have order frames. */
  readonly gathers: boolean;
  /**
   * Whether a subscriber that reads order frames is there. Before the first one, or the first round, messages are what
   * plain ZeroMQ programs send.
   */
  readonly hasReaders: () => boolean;
  /** Whether subscribers deliver values that come after their round all the same. */
  readonly keepsLate: boolean;
}

/**
 * Longest time in which the messages of a topic do without an order frame, before the first round (milliseconds). An order
 * frame costs both sides a tenth of a message of one value, and now and then one tells the same.
 */
export const UNORDERED_MS_MAX = 100;

/** The smallest gain that is worth the work of both sides: runs for each frame of a round. */
const RUNS_PER_FRAME_MIN = 2;

/** Copies of bytes up to this length are made in a loop (bytes). */
const LOOP_BYTES_MAX = 32;
const copyInto = Uint8Array.prototype.set;

/**
 * Connects a publisher's batcher to its writer.
 *
 * Values that have several topics in turn would need a frame for each change of topic. Where that pays, they are
 * regrouped: a *round* is one frame for each topic, whose order frames let subscribers restore the order over all
 * topics.
 *
 * @see docs/decisions/0082-rounds-of-topics.md
 */
export class TopicFrameSink implements FrameSink<string> {
  readonly peers = 1;
  readonly writeMixed?: (mixed: MixedValues<string>) => void;
  readonly #writer: FrameWriter;
  readonly #topic: (topic: string) => NumberedTopic;
  readonly #bytesMax: number;
  readonly #countMax: number;
  readonly #headersBytesMax: number;
  /** Null where there are no order frames at all. */
  readonly #order: OrderWriter | null;
  readonly #hasReaders: () => boolean;
  readonly #clock: Clock;
  #hasRounds = false;
  #isRead = false;
  /** The open frame of each topic, while a round is planned. */
  readonly #open = new Map<string, number>();

  constructor(options: TopicFrameSinkOptions) {
    this.#writer = options.writer;
    this.#topic = options.topic;
    this.#order = options.gathers ? new OrderWriter(options.keepsLate, options.publisher) : null;
    this.#hasReaders = options.hasReaders;
    this.#clock = options.clock;
    const { batchBytesMax, batchCountMax, headersTogetherMax } = options.limits;
    this.#bytesMax = batchBytesMax;
    this.#countMax = batchCountMax;
    this.#headersBytesMax = (headersTogetherMax ?? Number.POSITIVE_INFINITY) * HEADER_BYTES_MIN;
    const order = this.#order;
    if (order !== null) this.writeMixed = (mixed) => this.#writeMixed(mixed, order);
  }

  get idle(): boolean {
    return this.#writer.idle;
  }

  write(frame: Buffer, count: number, key: string, headers: Buffer | null): void {
    const topic = this.#topic(key);
    const order = this.#orderOf(topic, count);
    if (order === null) topic.count += count;
    this.#send(topic.bytes, { frame, count, headers, order });
  }

  /** After the first round each frame has an order; before it, the numbers of a topic are needed now and then. */
  #orderOf(topic: NumberedTopic, count: number): Buffer | null {
    if (this.#order === null) return null;
    if (!this.#hasRounds) {
      this.#isRead ||= this.#hasReaders();
      if (!this.#isRead) return null;
      const nowMs = this.#clock.nowMs();
      if (nowMs - topic.orderedMs < UNORDERED_MS_MAX) return null;
      topic.orderedMs = nowMs;
    }
    return this.#order.alone(topic, count);
  }

  #writeMixed(mixed: MixedValues<string>, order: OrderWriter): void {
    const { keys, starts, count } = mixed;
    const frames: TopicFrame[] = [];
    const frameOf: number[] = [];
    let runs = 0;
    this.#open.clear();
    for (let run = 0; run < keys.length; run++) {
      const end = run + 1 < keys.length ? starts[run + 1]! : count;
      if (starts[run]! < end) runs += 1;
      for (let index = starts[run]!; index < end; index++) {
        frameOf.push(this.#place(keys[run]!, index, mixed, frames));
      }
    }
    const isRound =
      frames.length * RUNS_PER_FRAME_MIN <= runs &&
      frames.length <= ROUND_FRAMES_MAX &&
      count <= ROUND_COUNT_MAX &&
      listsBytes(frames) <= mixed.bytes.length;
    if (isRound) this.#writeRound(mixed, { frames, frameOf, order });
    else this.#writeRuns(mixed);
  }

  /** Adds a value to the open frame of its topic. @returns the index of the frame */
  #place(key: string, index: number, mixed: MixedValues<string>, frames: TopicFrame[]): number {
    const { ends, headers } = mixed;
    const bytes = ends[index]! - (index === 0 ? 0 : ends[index - 1]!);
    const beside = headers === null ? 0 : headers[index]!.length;
    let at = this.#open.get(key);
    if (at === undefined || !this.#fits(frames[at]!, bytes, beside)) {
      at = frames.length;
      this.#open.set(key, at);
      const topic = this.#topic(key);
      frames.push({ key, topic, positions: [], bytes: 0, headerBytes: 0, headers: [], end: 0 });
    }
    const frame = frames[at]!;
    frame.positions.push(index);
    frame.bytes += bytes;
    frame.headerBytes += beside;
    if (headers !== null) frame.headers.push(headers[index]!);
    return at;
  }

  #fits(frame: TopicFrame, bytes: number, beside: number): boolean {
    const headerBytes = frame.headerBytes + beside;
    return (
      frame.positions.length < this.#countMax &&
      headerBytes <= this.#headersBytesMax &&
      frame.bytes + bytes + headerBytes <= this.#bytesMax
    );
  }

  #writeRound(mixed: MixedValues<string>, plan: RoundPlan): void {
    const { frames, frameOf, order } = plan;
    const { bytes, ends } = mixed;
    const target = Buffer.allocUnsafeSlow(bytes.length);
    let start = 0;
    for (const frame of frames) {
      frame.end = start;
      start += frame.bytes;
    }
    let from = 0;
    for (let index = 0; index < frameOf.length; index++) {
      const frame = frames[frameOf[index]!]!;
      const end = ends[index]!;
      if (frameOf[index + 1] === frameOf[index]) continue;
      copyBytes(bytes, from, end, target, frame.end);
      frame.end += end - from;
      from = end;
    }
    const orders = order.round(frames, mixed.count);
    this.#hasRounds = true;
    for (const [index, frame] of frames.entries()) {
      this.#send(frame.topic.bytes, {
        frame: target.subarray(frame.end - frame.bytes, frame.end),
        count: frame.positions.length,
        headers: mixed.headers === null ? null : joinHeaders(frame.headers),
        order: orders[index]!,
      });
    }
  }

  /** Writes the values in their order, a frame for each run. */
  #writeRuns({ bytes, ends, count, keys, starts, headers }: MixedValues<string>): void {
    for (let run = 0; run < keys.length; run++) {
      const end = run + 1 < keys.length ? starts[run + 1]! : count;
      for (let first = starts[run]!; first < end; ) {
        const start = first === 0 ? 0 : ends[first - 1]!;
        let beside = headers === null ? 0 : headers[first]!.length;
        let next = first + 1;
        for (; next < end && next - first < this.#countMax; next++) {
          if (headers !== null) beside += headers[next]!.length;
          if (ends[next]! - start + beside > this.#bytesMax) break;
          if (beside > this.#headersBytesMax) break;
        }
        const beyond = ends[next - 1]!;
        const joined = headers === null ? null : joinHeaders(headers.slice(first, next));
        this.write(bytes.subarray(start, beyond), next - first, keys[run]!, joined);
        first = next;
      }
    }
  }

  #send(
    topic: Buffer,
    parts: {
      readonly frame: Buffer;
      readonly count: number;
      readonly headers: Buffer | null;
      readonly order: Buffer | null;
    },
  ): void {
    const { frame, count, headers, order } = parts;
    const message = [topic, frame];
    if (headers !== null) message.push(headers);
    if (order !== null) message.push(order);
    this.#writer.write(message, count, frame.length + (headers?.length ?? 0));
  }
}

/** Approximate length of the lists of later topics of all frames of a round (bytes). */
function listsBytes(frames: readonly TopicFrame[]): number {
  return (laterBytes(frames.map(({ topic }) => topic.bytes)) * frames.length) / 2;
}

function copyBytes(source: Buffer, from: number, end: number, target: Buffer, at: number): void {
  if (end - from > LOOP_BYTES_MAX) {
    copyInto.call(target, viewOf(source.buffer, source.byteOffset + from, end - from), at);
    return;
  }
  for (let index = from; index < end; index++) target[at + index - from] = source[index]!;
}
