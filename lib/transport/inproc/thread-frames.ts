import { isUtf8 } from "node:buffer";
import type { NativeMessage, NativeText } from "../native/native.ts";

/** zeromq.js copies a frame of at most so many bytes; of a longer one libzmq gets the memory itself. */
const COPIED_BYTES_MAX = 128;
/** Begins the last frame of a message some of whose frames are base64; what follows are their places, 2 bytes each. */
const MARK = Buffer.from("\xffbrokerless base64", "latin1");

/**
 * Makes a message fit to outlive its thread.
 *
 * Over inproc a frame is handed from socket to socket as it stands, and of a frame beyond 128 bytes that is
 * JavaScript memory. When a worker thread ends, its memory goes: whoever still has the frame, in a queue or
 * in his hands, has what is there later, and libzmq's report that the frame is free reaches a module that
 * is no more. Only of a string does zeromq.js make a copy of any length. So a long frame goes as a string:
 * as it is where it is UTF-8, else as base64, which {@link fromThread} undoes.
 *
 * @see docs/decisions/0008-threads.md
 */
export function toThread(message: NativeMessage): NativeText {
  const marked: number[] = [];
  const frames = message instanceof Uint8Array ? [message] : message;
  const safe = frames.map((frame, index): Uint8Array | string => {
    if (frame.length <= COPIED_BYTES_MAX) return frame;
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
    if (isUtf8(bytes)) return bytes.toString("utf8");
    marked.push(index);
    return bytes.toString("base64");
  });
  if (marked.length > 0)
    safe.push(Buffer.concat([MARK, Buffer.from(Uint16Array.from(marked).buffer)]));
  return safe;
}

/** @returns the message as it was before {@link toThread}; every other one as it is */
export function fromThread(frames: Buffer[]): Buffer[] {
  const mark = frames.at(-1);
  if (mark === undefined || frames.length === 1 || !mark.subarray(0, MARK.length).equals(MARK)) {
    return frames;
  }
  const message = frames.slice(0, -1);
  for (let at = MARK.length; at < mark.length; at += 2) {
    const index = mark.readUInt16LE(at);
    message[index] = Buffer.from(message[index]!.toString("latin1"), "base64");
  }
  return message;
}
