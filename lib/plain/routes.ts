import type { Clock } from "../clock.ts";
import { addOutboundStats, NO_OUTBOUND_STATS, type OutboundStats } from "../core/outbound-stats.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Route } from "./route.ts";

/** Most routes that are kept; beyond it idle ones are discarded, oldest first (count). */
export const ROUTES_MAX = 10_000;
/** A route without sends for so long, and at most twice as long, is discarded (milliseconds). */
export const ROUTE_IDLE_MS = 5_000;

/** The part of a route that {@link Routes} needs. */
export type Forgettable = Pick<Route, "idle"> & {
  readonly outbound: Pick<Route["outbound"], "stats">;
};

/**
 * The routes of a ROUTER by peer id, and the sum of their counters.
 *
 * ZeroMQ does not report which peer has left, so an unused route is discarded, whether its peer is connected or not:
 * the next message creates another.
 */
export class Routes<R extends Forgettable> {
  readonly #clock: Clock;
  readonly #routes = new Map<PeerId, R>();
  /** The routes at the previous check, and the number of messages each had sent or dropped by then (count). */
  #seen = new Map<R, number>();
  /** Counters of the discarded routes. */
  #past: OutboundStats = NO_OUTBOUND_STATS;
  #cancel: (() => void) | null = null;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Routes that are kept (count). */
  get size(): number {
    return this.#routes.size;
  }

  get(peer: PeerId): R | undefined {
    return this.#routes.get(peer);
  }

  all(): R[] {
    return [...this.#routes.values()];
  }

  add(peer: PeerId, route: R): void {
    if (this.#routes.size >= ROUTES_MAX) this.#makeRoom();
    this.#routes.set(peer, route);
    this.#lookLater();
  }

  /** Discards a route. A route that is no longer the peer's changes nothing. */
  forget(peer: PeerId, route: R): void {
    if (this.#routes.get(peer) !== route) return;
    this.#routes.delete(peer);
    this.#seen.delete(route);
    this.#past = addOutboundStats(this.#past, route.outbound.stats());
  }

  /** The sum over all routes, including discarded ones. */
  stats(): OutboundStats {
    let all = this.#past;
    for (const route of this.#routes.values()) all = addOutboundStats(all, route.outbound.stats());
    return all;
  }

  /** Stops discarding routes. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  #makeRoom(): void {
    for (const [peer, route] of this.#routes) {
      if (this.#routes.size < ROUTES_MAX) return;
      if (route.idle) this.forget(peer, route);
    }
  }

  #lookLater(): void {
    if (this.#isClosed || this.#cancel !== null || this.#routes.size === 0) return;
    this.#cancel = this.#clock.after(ROUTE_IDLE_MS, () => {
      this.#cancel = null;
      this.#forgetUnused();
      this.#lookLater();
    });
  }

  #forgetUnused(): void {
    const seen = this.#seen;
    this.#seen = new Map();
    for (const [peer, route] of this.#routes) {
      const { messagesSent, messagesDropped } = route.outbound.stats();
      const settled = messagesSent + messagesDropped;
      if (route.idle && seen.get(route) === settled) this.forget(peer, route);
      else this.#seen.set(route, settled);
    }
  }
}
