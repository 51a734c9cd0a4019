import { RangeMap } from "./range-map.ts";

/** The right to work on messages for a limited time. */
export interface Lease {
  /** How often the messages have been handed out, this time included (count). */
  readonly attempt: number;
  readonly endMs: number;
}

/** A receiver as the dispatcher sees it. */
export interface DispatcherLink {
  readonly id: number;
  /** Who it is across connections. */
  readonly receiver: string;
  /** Messages it may hold (count). */
  readonly prefetch: number;
  readonly leases: RangeMap<Lease>;
  /** When its grace period ends; null while it is connected. */
  graceEndMs: number | null;
  /** Whether it keeps order; null: it has not been told yet. */
  ordered: boolean | null;
  /** A lease ended, and nothing was heard of it since: it gets nothing until it speaks. */
  silent: boolean;
}

/** @returns a receiver that holds nothing yet */
export function newLink(id: number, receiver: string, prefetch: number): DispatcherLink {
  const leases = new RangeMap<Lease>((a, b) => a.attempt === b.attempt && a.endMs === b.endMs);
  return { id, receiver, prefetch, leases, graceEndMs: null, ordered: null, silent: false };
}

/** Messages it may get now (count). */
export function creditOf(link: DispatcherLink): number {
  return link.prefetch - link.leases.count;
}
