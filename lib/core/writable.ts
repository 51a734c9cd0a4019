import type { Writable } from "node:stream";
import { expected, integer, oneOf, type Rule, type Rules, resolveOptions } from "../options.ts";
import { closedError } from "./queue/receive-queue.ts";
import { CONFIRM_LEVELS, type ConfirmLevel } from "./send-options.ts";

/** Options of `writable`. */
export interface WritableOptions {
  /**
   * Messages that the stream holds before `write` returns `false` (count).
   *
   * @defaultValue 256
   */
  readonly highWaterMark?: number | undefined;
}

/** Options of `writable` on a socket that may have an ack layer. */
export interface ReliableWritableOptions<T> extends WritableOptions {
  /** The confirm level that each message must reach before the stream counts it as written. Default: the socket's. */
  readonly confirm?: ConfirmLevel | undefined;
  /**
   * Returns the deduplication id of each message. A message whose id was sent before, even by an earlier stream, is not
   * sent again.
   */
  readonly deduplicationId?: ((value: T) => string) | undefined;
}

/** {@link ReliableWritableOptions} after checking. */
export interface ResolvedWritable {
  readonly highWaterMark: number;
  readonly confirm: ConfirmLevel | null;
  readonly deduplicationId: ((value: never) => string) | null;
}

/** Enough for messages that wait for a disk sync or a round trip to share it (count). */
const HIGH_WATER_MARK = 256;

const functionOption: Rule<(value: never) => string> = (value, name) => {
  if (typeof value === "function") return value as (value: never) => string;
  throw expected(name, "a function", value);
};

const PLAIN_RULES: Rules<Pick<ResolvedWritable, "highWaterMark">> = {
  highWaterMark: integer(1, 2 ** 20),
};
const RULES: Rules<ResolvedWritable> = {
  ...PLAIN_RULES,
  confirm: oneOf(...CONFIRM_LEVELS),
  deduplicationId: functionOption,
};

/** @throws TypeError for an unknown option, a wrong type or a value out of range */
export function resolveWritable(owner: string, options: unknown): { highWaterMark: number } {
  const spec = { rules: PLAIN_RULES, defaults: { highWaterMark: HIGH_WATER_MARK } };
  return resolveOptions(`${owner}: writable`, options, spec);
}

/** @throws TypeError for an unknown option, a wrong type or a value out of range */
export function resolveReliableWritable(owner: string, options: unknown): ResolvedWritable {
  const defaults = { highWaterMark: HIGH_WATER_MARK, confirm: null, deduplicationId: null };
  return resolveOptions<ResolvedWritable>(`${owner}: writable`, options, {
    rules: RULES,
    defaults,
  });
}

/** The send side of a socket, as a stream uses it. */
export interface WritableTarget {
  readonly highWaterMark: number;
  /** The confirm level that a message has reached when `send` resolves. */
  readonly level: ConfirmLevel;
  /** Sends one message. A message that still waits for room when the signal aborts is not sent. */
  readonly send: (value: never, signal: AbortSignal) => Promise<void>;
  readonly drain: (signal: AbortSignal) => Promise<void>;
  /** Registers a function to call when the socket closes; returns a function that removes it. */
  readonly whenClosed: (end: () => void) => () => void;
}

/**
 * A stream whose messages a socket sends, in order. A message counts as written when its `send` has resolved, so a full
 * queue holds back the writer. The stream finishes when all messages have reached their level or, at `queued`, when the
 * socket has drained.
 *
 * At `queued` a message is sent after the previous one was accepted: when one is refused, no later message is sent. At
 * other levels all messages buffered in the stream are sent together, so that they share disk syncs and round trips.
 *
 * Loads `node:stream` when it is called, so that a program without streams does not load it.
 *
 * @see docs/decisions/0064-streams.md
 */
export function createWritable(target: WritableTarget): Writable {
  const { Writable } = process.getBuiltinModule("node:stream");
  const gone = new AbortController();
  // An async function, so that an error thrown by the caller's function is a rejection too.
  const send = async (value: unknown): Promise<void> => target.send(value as never, gone.signal);
  const sendAll = target.level === "queued" ? inTurn : together;
  const stream = new Writable({
    objectMode: true,
    highWaterMark: target.highWaterMark,
    write: (value, _encoding, done) => finish(send(value), done),
    writev: (chunks, done) => finish(sendAll(send, chunks), done),
    final: (done) => finish(target.level === "queued" ? target.drain(gone.signal) : null, done),
    destroy: (error, done) => {
      forget();
      gone.abort();
      done(error);
    },
  });
  const forget = target.whenClosed(() => {
    const isEnding = stream.writableEnded && !stream.writableFinished;
    const isIdle = stream.writableLength === 0 && !isEnding;
    // An unhandled stream error ends the process: there is one only if messages were not sent.
    stream.destroy(isIdle ? undefined : closedError());
  });
  return stream;
}

type Send = (value: unknown) => Promise<void>;
type Chunks = readonly { readonly chunk: unknown }[];

async function inTurn(send: Send, chunks: Chunks): Promise<void> {
  for (const { chunk } of chunks) await send(chunk);
}

async function together(send: Send, chunks: Chunks): Promise<void> {
  await Promise.all(chunks.map(({ chunk }) => send(chunk)));
}

/**
 * Reports the outcome to the stream. Its callback runs in a turn of its own, so that an error thrown in it is not a
 * rejection of this promise.
 */
function finish(work: Promise<void> | null, done: (error?: Error) => void): void {
  if (work === null) done();
  else
    work.then(
      () => process.nextTick(done),
      (error: Error) => process.nextTick(done, error),
    );
}
