import type { Clock } from "../clock.ts";
import { addOutboundStats, NO_OUTBOUND_STATS, type OutboundStats } from "../core/outbound-stats.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Route } from "./route.ts";

/** Routes that are remembered; beyond it idle ones are forgotten, oldest first (count). */
export const ROUTES_MAX = 10_000;
/** A route by which nothing was sent for so long, and up to twice as long, is forgotten (milliseconds). */
export const ROUTE_IDLE_MS = 5_000;

/** What {@link Routes} ask of a route. */
export type Forgettable = Pick<Route, "idle"> & {
  readonly outbound: Pick<Route["outbound"], "stats">;
};

/**
 * The routes of a ROUTER by the names of the peers, and what they have counted.
 *
 * ZeroMQ does not say which peer has left, so a route that is not used is forgotten, whether its peer is there or
 * not: the next message makes another.
 */
export class Routes<R extends Forgettable> {
  readonly #clock: Clock;
  readonly #routes = new Map<PeerId, R>();
  /** Those that were there at the last look, and what they had sent then (count). */
  #seen = new Map<R, number>();
  /** Counters of the routes that were forgotten. */
  #past: OutboundStats = NO_OUTBOUND_STATS;
  #cancel: (() => void) | null = null;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Routes that are remembered (count). */
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

  /** A route that is the peer's no more changes nothing. */
  forget(peer: PeerId, route: R): void {
    if (this.#routes.get(peer) !== route) return;
    this.#routes.delete(peer);
    this.#seen.delete(route);
    this.#past = addOutboundStats(this.#past, route.outbound.stats());
  }

  /** Of all together, the forgotten ones too. */
  stats(): OutboundStats {
    let all = this.#past;
    for (const route of this.#routes.values()) all = addOutboundStats(all, route.outbound.stats());
    return all;
  }

  /** Forgets nothing any more. */
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
