import { Leases } from "../attempts/leases.ts";

/** How much a receiver may hold. */
export interface Credit {
  /** Messages (count). */
  readonly prefetch: number;
  /** All of them together (bytes); a longer message goes alone. */
  readonly prefetchBytesMax: number;
}

/** A receiver as the dispatcher sees it. */
export interface Consumer extends Credit {
  readonly id: number;
  /** Who it is across connections. */
  readonly receiver: string;
  /** Which process of that name it is; empty where it does not say. */
  readonly incarnation: string;
  readonly leases: Leases;
  /** When its grace period ends; null while it is connected. */
  graceEndMs: number | null;
  /** Whether it keeps order; null: it has not been told yet. */
  ordered: boolean | null;
  /** Nothing was heard of it since a lease ended, or for some heartbeats: it gets nothing until it speaks. */
  silent: boolean;
  /** What it was handed out waits for its connection: it gets nothing until that has left. */
  congested: boolean;
}

/** @returns a receiver that holds nothing yet */
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

/** Whether it may get messages now, if they are short enough. */
export function hasCredit({ leases, prefetch, prefetchBytesMax }: Consumer): boolean {
  if (leases.count === 0) return true;
  return leases.count < prefetch && leases.bytes < prefetchBytesMax;
}

/** Messages of a size that it may get now (count): one at least where it holds none. */
export function creditOf(link: Consumer, bytesEach: number): number {
  const { leases, prefetch } = link;
  const inBytes = fitting(link, bytesEach, leases.bytes);
  return leases.count === 0 ? Math.max(1, inBytes) : Math.min(prefetch - leases.count, inBytes);
}

/** Messages of a size that fit into the credit of a receiver that holds nothing (count), one at least. */
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
 * The size of a message, as the credit counts it: the average of its batch, headers included, rounded up by at
 * most a sixteenth, so that ranges of messages that are much alike stay one range.
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
