import { randomBytes } from "node:crypto";
import { getU16, getU32, putU16, putU32 } from "../../batch/layout.ts";
import { BrokerlessError } from "../../errors.ts";
import type { NumberedTopic } from "./numbered-topics.ts";

/**
 * The order frame of a published message, its last frame: the place of its values among all that its publisher has
 * sent, and among those of its topic.
 *
 * | at | bytes | field                                                                                     |
 * |----|-------|-------------------------------------------------------------------------------------------|
 * |  0 |     3 | "BO", version 1                                                                           |
 * |  3 |     1 | flags; 1: values that come after their round are delivered all the same                  |
 * |  4 |     8 | the publisher: random, of one life of its socket                                          |
 * | 12 |     6 | number of the round, u48: larger than that of any frame before, but for its own round's   |
 * | 18 |     4 | count of positions, u32; 0: the frame is a round of its own                               |
 * | 22 |     4 | number of the topic's numbering, u32: it grows whenever the publisher numbers a topic anew |
 * | 26 |     6 | values of the topic before this frame, since its numbering began, u48                     |
 * | 32 |       | position of each value in the round, u16                                                  |
 * |    |       | for each later frame of the round, its topic: length (bytes), u16; UTF-8                  |
 *
 * Everything is little-endian.
 */
const HEAD_BYTES = 32;
const MAGIC: Buffer = Buffer.from([0x42, 0x4f, 1]);
const FLAG_KEEPS_LATE = 1;
const AT = { flags: 3, publisher: 4, round: 12, count: 18, numbering: 22, before: 26 } as const;
/** Length of a position, and of the length field of a topic (bytes). */
const FIELD_BYTES = 2;
/** Length of the id of a publisher (bytes). */
export const PUBLISHER_BYTES = 8;
/** Most values of a round (count). */
export const ROUND_COUNT_MAX = 65_536;
/** Most frames of a round (count). */
export const ROUND_FRAMES_MAX = 1_024;

/** Whether a frame is an order frame, of any version. */
export function isOrderFrame(frame: Uint8Array): boolean {
  return frame.length >= MAGIC.length && frame[0] === MAGIC[0] && frame[1] === MAGIC[1];
}

/** Length of the topics that an order frame lists (bytes). */
export function laterBytes(topics: readonly Buffer[]): number {
  let bytes = 0;
  for (const topic of topics) bytes += FIELD_BYTES + topic.length;
  return bytes;
}

/** Writes the order frames of one publisher, and numbers the values of its topics. */
export class OrderWriter {
  readonly #head: Buffer;
  #round = 0;

  /**
   * @param keepsLate whether values that come after their round are delivered all the same
   * @param publisher the id of the publisher, of 8 bytes
   */
  constructor(keepsLate: boolean, publisher: Buffer = randomBytes(PUBLISHER_BYTES)) {
    const flags = Buffer.from([keepsLate ? FLAG_KEEPS_LATE : 0]);
    this.#head = Buffer.concat([MAGIC, flags, publisher]);
  }

  /**
   * @param count values of the frame
   * @returns the order frame of a frame that is a round of its own
   */
  alone(topic: NumberedTopic, count: number): Buffer {
    this.#round += 1;
    const bytes = Buffer.allocUnsafe(HEAD_BYTES);
    this.#putHead(bytes, 0, 0, topic);
    topic.count += count;
    return bytes;
  }

  /**
   * @param frames those of one round, in the order in which they are sent
   * @param count of all positions together
   * @returns the order frame of each
   */
  round(frames: readonly OrderedFrame[], count: number): Buffer[] {
    this.#round += 1;
    const topics = frames.map(({ topic }) => topic.bytes);
    const list = Buffer.allocUnsafe(laterBytes(topics));
    const starts: number[] = [];
    let end = 0;
    for (const topic of topics) {
      starts.push(end);
      putU16(list, end, topic.length);
      list.set(topic, end + FIELD_BYTES);
      end += FIELD_BYTES + topic.length;
    }
    let bytes = frames.length * HEAD_BYTES + count * FIELD_BYTES;
    for (const start of starts.slice(1)) bytes += end - start;
    const all = Buffer.allocUnsafeSlow(bytes);
    let at = 0;
    return frames.map(({ topic, positions }, index) => {
      const start = at;
      this.#putHead(all, at, positions.length, topic);
      topic.count += positions.length;
      at += HEAD_BYTES;
      for (const position of positions) {
        putU16(all, at, position);
        at += FIELD_BYTES;
      }
      if (index + 1 < starts.length) at += list.copy(all, at, starts[index + 1]!);
      return all.subarray(start, at);
    });
  }

  #putHead(bytes: Buffer, at: number, positions: number, topic: NumberedTopic): void {
    bytes.set(this.#head, at);
    bytes.writeUIntLE(this.#round, at + AT.round, 6);
    putU32(bytes, at + AT.count, positions);
    putU32(bytes, at + AT.numbering, topic.numbering);
    bytes.writeUIntLE(topic.count, at + AT.before, 6);
  }
}

/** A frame of a round, for {@link OrderWriter}. */
export interface OrderedFrame {
  readonly topic: NumberedTopic;
  /** Position of each of its values in the round. */
  readonly positions: readonly number[];
}

/** A decoded order frame. */
export class FrameOrder {
  readonly #bytes: Buffer;
  /** The topic of the frame. */
  readonly topic: string;
  /** The id of the publisher, unique for the life of its socket: a character for each byte. */
  readonly publisher: string;
  readonly round: number;
  /** Positions (count); 0 where the frame is a round of its own. */
  readonly count: number;
  /** Whether values that come after their round are delivered all the same. */
  readonly keepsLate: boolean;
  /** Number of the topic's numbering at the publisher, u32. */
  readonly numbering: number;
  /** Values of the topic before this frame, since its numbering began (count). */
  readonly before: number;

  /** @throws BrokerlessError `BROKERLESS_PROTOCOL`, `BROKERLESS_VERSION` for malformed bytes */
  constructor(bytes: Buffer, topic: string) {
    if (!isOrderFrame(bytes)) throw malformed("it does not start like one");
    if (bytes[2] !== MAGIC[2]) {
      const message = `an order frame of version ${bytes[2]}; this program reads ${MAGIC[2]}`;
      throw new BrokerlessError("BROKERLESS_VERSION", message);
    }
    if (bytes.length < HEAD_BYTES) throw malformed("it is cut off");
    this.#bytes = bytes;
    this.topic = topic;
    this.publisher = bytes.toString("latin1", AT.publisher, AT.round);
    this.keepsLate = (bytes[AT.flags]! & FLAG_KEEPS_LATE) !== 0;
    this.round = bytes.readUIntLE(AT.round, 6);
    this.count = getU32(bytes, AT.count);
    this.numbering = getU32(bytes, AT.numbering);
    this.before = bytes.readUIntLE(AT.before, 6);
    if (this.count * FIELD_BYTES > bytes.length - HEAD_BYTES) throw malformed("it is cut off");
  }

  /**
   * @param count values of the frame
   * @throws BrokerlessError `BROKERLESS_PROTOCOL` when it has another number of positions
   */
  checkCount(count: number): void {
    if (this.count === 0 || this.count === count) return;
    throw malformed(`${this.count} positions for ${count} values`);
  }

  /** @returns the position in the round of the value at `index` of the frame */
  positionOf(index: number): number {
    return getU16(this.#bytes, HEAD_BYTES + index * FIELD_BYTES);
  }

  /** Whether a later frame of the round has a topic for which `matches` returns true. */
  hasLater(matches: (topic: string) => boolean): boolean {
    const bytes = this.#bytes;
    let at = HEAD_BYTES + this.count * FIELD_BYTES;
    for (let frame = 0; frame < ROUND_FRAMES_MAX && at + FIELD_BYTES <= bytes.length; frame++) {
      const end = at + FIELD_BYTES + getU16(bytes, at);
      if (end > bytes.length) return false;
      if (matches(bytes.toString("utf8", at + FIELD_BYTES, end))) return true;
      at = end;
    }
    return false;
  }
}

function malformed(what: string): BrokerlessError {
  return new BrokerlessError("BROKERLESS_PROTOCOL", `malformed order frame: ${what}`);
}
