import { isUtf8 } from "node:buffer";
import type { NativeMessage, NativeText } from "../native/native.ts";

/**
 * zeromq.js copies a frame of up to this length; it passes the memory of a longer one to libzmq
 * (bytes).
 */
const COPIED_BYTES_MAX = 128;
/**
 * Prefix of a frame whose rest is base64. No frame of this package starts with it, nor does a
 * subscription or its end; a frame of an application that does so is itself sent as base64 from a
 * thread.
 */
const MARK_TEXT = "\x02brokerless base64\x03";
const MARK = Buffer.from(MARK_TEXT);

/** Properties of a socket that matter here. */
export interface ThreadFrames {
  /**
   * Frames in front of a message that never leave the thread: the id by which a ROUTER finds its
   * peer (count).
   */
  readonly own: number;
  /** Whether its messages must outlive its thread: in the main thread none must. */
  readonly mustOutlive: boolean;
}

/**
 * Makes a message independent of its thread's memory.
 *
 * Over inproc a frame is passed from socket to socket unchanged, and a frame of more than 128 bytes
 * is JavaScript memory. When a worker thread ends, its memory is freed. Whoever still has the
 * frame, in a queue or as received, then reads other data, and libzmq's notification that the frame
 * is free calls into an unloaded module. zeromq.js makes a copy of any length only of a string.
 * Therefore a long frame is sent as a string: unchanged where it is UTF-8, otherwise as base64
 * after a mark, which {@link fromThread} undoes. The mark is in the frame itself, because frames
 * are put before a message, and taken off, on the way. A frame that happens to start with the mark
 * is sent in the same way, from any thread.
 *
 * @see docs/decisions/0008-threads.md
 */
export function toThread(message: NativeMessage, socket: ThreadFrames): NativeText {
  const { own, mustOutlive } = socket;
  const frames = message instanceof Uint8Array ? [message] : message;
  return frames.map((frame, index) => {
    if (index < own || frame.length <= COPIED_BYTES_MAX) return frame;
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
    if (!mustOutlive && !isMarked(bytes)) return frame;
    return isPlain(bytes) ? bytes.toString() : MARK_TEXT + bytes.toString("base64");
  });
}

/**
 * @returns the message as it was before {@link toThread}. Never throws: anybody can send a frame
 *   that looks encoded, and a frame that `toThread` has not made is returned unchanged. A message
 *   over tcp cannot be distinguished, and is decoded in the same way; its sender could have sent
 *   the result directly.
 */
export function fromThread(frames: Buffer[], { own }: Pick<ThreadFrames, "own">): Buffer[] {
  return frames.map((frame, index) => (index < own ? frame : plainly(frame)));
}

function plainly(frame: Buffer): Buffer {
  if (!isMarked(frame)) return frame;
  const text = frame.toString("latin1", MARK.length);
  const bytes = Buffer.from(text, "base64");
  const isOurs = bytes.length > COPIED_BYTES_MAX && !isPlain(bytes);
  return isOurs && bytes.toString("base64") === text ? bytes : frame;
}

/** Whether the frame is sent unchanged. */
function isPlain(bytes: Buffer): boolean {
  return isUtf8(bytes) && !isMarked(bytes);
}

function isMarked(bytes: Buffer): boolean {
  return bytes[0] === MARK[0] && bytes.subarray(0, MARK.length).equals(MARK);
}
