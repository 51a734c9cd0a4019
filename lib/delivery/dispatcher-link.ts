import { Leases } from "./leases.ts";

/** How much a receiver may hold. */
export interface Credit {
  /** Messages (count). */
  readonly prefetch: number;
  /** All of them together (bytes); a longer message goes alone. */
  readonly prefetchBytesMax: number;
}

/** A receiver as the dispatcher sees it. */
export interface DispatcherLink extends Credit {
  readonly id: number;
  /** Who it is across connections. */
  readonly receiver: string;
  readonly leases: Leases;
  /** When its grace period ends; null while it is connected. */
  graceEndMs: number | null;
  /** Whether it keeps order; null: it has not been told yet. */
  ordered: boolean | null;
  /** A lease ended, and nothing was heard of it since: it gets nothing until it speaks. */
  silent: boolean;
}

/** @returns a receiver that holds nothing yet */
export function newLink(id: number, receiver: string, credit: Credit): DispatcherLink {
  const { prefetch, prefetchBytesMax } = credit;
  const state = { graceEndMs: null, ordered: null, silent: false };
  return { id, receiver, prefetch, prefetchBytesMax, leases: new Leases(), ...state };
}

/** Whether it may get messages now, if they are short enough. */
export function hasCredit({ leases, prefetch, prefetchBytesMax }: DispatcherLink): boolean {
  if (leases.count === 0) return true;
  return leases.count < prefetch && leases.bytes < prefetchBytesMax;
}

/** Messages of a size that it may get now (count): one at least where it holds none. */
export function creditOf(link: DispatcherLink, bytesEach: number): number {
  const { leases, prefetch } = link;
  const inBytes = fitting(link, bytesEach, leases.bytes);
  return leases.count === 0 ? Math.max(1, inBytes) : Math.min(prefetch - leases.count, inBytes);
}

/** Messages of a size that fit into the credit of a receiver that holds nothing (count), one at least. */
export function creditWhole(link: DispatcherLink, bytesEach: number): number {
  return Math.max(1, fitting(link, bytesEach, 0));
}

function fitting(
  { prefetch, prefetchBytesMax }: DispatcherLink,
  bytesEach: number,
  bytes: number,
): number {
  if (bytesEach === 0) return prefetch;
  return Math.min(prefetch, Math.floor((prefetchBytesMax - bytes) / bytesEach));
}
