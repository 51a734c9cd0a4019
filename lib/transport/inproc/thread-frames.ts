import { isUtf8 } from "node:buffer";
import type { NativeMessage, NativeText } from "../native/native.ts";

/** zeromq.js copies a frame of at most so many bytes; of a longer one libzmq gets the memory itself. */
const COPIED_BYTES_MAX = 128;
/**
 * Begins a frame whose rest is base64. No frame that we make begins so, nor does a (un)subscription; what an
 * application sends like this from a thread is base64 itself.
 */
const MARK_TEXT = "\x02brokerless base64\x03";
const MARK = Buffer.from(MARK_TEXT);

/** What is to be known of a socket. */
export interface ThreadFrames {
  /** Frames before a message that never leave the thread: the id by which a ROUTER finds its peer (count). */
  readonly own: number;
  /** Whether what it sends must outlive its thread: in the main thread nothing does. */
  readonly mustOutlive: boolean;
}

/**
 * Makes a message fit to outlive its thread.
 *
 * Over inproc a frame is handed from socket to socket as it stands, and of a frame beyond 128 bytes that is
 * JavaScript memory. When a worker thread ends, its memory goes: whoever still has the frame, in a queue or
 * in his hands, has what is there later, and libzmq's report that the frame is free reaches a module that
 * is no more. Only of a string does zeromq.js make a copy of any length. So a long frame goes as a string:
 * as it is where it is UTF-8, else as base64 behind a mark, which {@link fromThread} undoes. A frame tells
 * this of itself: on their way frames are put before a message, and taken off. A frame that happens to begin with
 * the mark goes in the same way, whatever thread it is of.
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
 * @returns the message as it was before {@link toThread}. Total: anybody can send what looks like it, and a frame
 * that `toThread` has not made is what it is. Of a message over tcp nobody can tell that it is one: it is read as
 * its sender could have written it plainly.
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

/** Whether it goes as it is. */
function isPlain(bytes: Buffer): boolean {
  return isUtf8(bytes) && !isMarked(bytes);
}

function isMarked(bytes: Buffer): boolean {
  return bytes[0] === MARK[0] && bytes.subarray(0, MARK.length).equals(MARK);
}
