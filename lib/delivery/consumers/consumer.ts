import { Leases } from "../attempts/leases.ts";

/** The credit of a receiver: limits on its leases. */
export interface Credit {
  /** Messages (count). */
  readonly prefetch: number;
  /** All of them together (bytes); a longer message is sent alone. */
  readonly prefetchBytesMax: number;
}

/** One link to a receiver, in the dispatcher. */
export interface Consumer extends Credit {
  readonly id: number;
  /** Identifies the receiver across connections. */
  readonly receiver: string;
  /** Identifies its process; empty where the receiver does not report it. */
  readonly incarnation: string;
  readonly leases: Leases;
  /** When its grace period ends; null while it is connected. */
  graceEndMs: number | null;
  /** Whether it keeps order; null: not sent to it yet. */
  ordered: boolean | null;
  /**
   * It has sent nothing since a lease ended, or for some heartbeats, or has released messages: it gets nothing until it
   * sends another report or a heartbeat.
   */
  silent: boolean;
  /** The output queue of its connection is long: it gets nothing until the queue is short. */
  congested: boolean;
}

/** @returns a link of a receiver that holds nothing yet */
export function newLink(
  id: number,
  who: Credit & {
    readonly receiver: string;
    readonly incarnation: string;
    readonly congested?: boolean | undefined;
  },
): Consumer {
  const { receiver, incarnation, prefetch, prefetchBytesMax, congested = false } = who;
  const state = { graceEndMs: null, ordered: null, silent: false, congested };
  const credit = { prefetch, prefetchBytesMax };
  return { id, receiver, incarnation, ...credit, leases: new Leases(), ...state };
}

/** Whether the link has credit for a message now, if it is short enough. */
export function hasCredit({ leases, prefetch, prefetchBytesMax }: Consumer): boolean {
  if (leases.count === 0) return true;
  return leases.count < prefetch && leases.bytes < prefetchBytesMax;
}

/** Messages of a size for which the link has credit now (count): at least one if it holds none. */
export function creditOf(link: Consumer, bytesEach: number): number {
  const { leases, prefetch } = link;
  const inBytes = fitting(link, bytesEach, leases.bytes);
  return leases.count === 0 ? Math.max(1, inBytes) : Math.min(prefetch - leases.count, inBytes);
}

/** Messages of a size that fit the whole credit of the link (count), at least one. */
export function creditWhole(link: Consumer, bytesEach: number): number {
  return Math.max(1, fitting(link, bytesEach, 0));
}

function fitting(
  { prefetch, prefetchBytesMax }: Consumer,
  bytesEach: number,
  bytes: number,
): number {
  if (bytesEach === 0) return prefetch;
  return Math.min(prefetch, Math.floor((prefetchBytesMax - bytes) / bytesEach));
}

/**
 * The size of a message for the credit: the average of its batch, headers included, rounded up by at most a
 * sixteenth, so that ranges of messages of similar size stay one range.
 *
 * Pure.
 *
 * @param bytes of a batch, less than 2^32
 * @param count its messages
 * @returns bytes
 */
export function messageBytes(bytes: number, count: number): number {
  const each = Math.ceil(bytes / count);
  const step = 2 ** Math.max(0, 27 - Math.clz32(each));
  return Math.ceil(each / step) * step;
}
