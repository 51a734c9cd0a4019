import { type InspectOptions, inspect } from "node:util";
import type { Role } from "../role.ts";
import type { Addresses } from "../transport/monitor/address-book.ts";
import type { SocketStats, SocketStatus } from "./socket-stats.ts";

/** The parts of a socket that `console.log` shows. */
export interface Visible {
  readonly role: Role;
  /** The option `name`. */
  readonly name: string | null;
  readonly status: SocketStatus;
  readonly addresses: Addresses;
  readonly stats: SocketStats;
}

/**
 * Defines the output of `console.log` for the objects of a class: role, name, status, addresses, peers, and the
 * counters that are not zero. No other option is part of it, so no key is printed.
 *
 * Called in a static block of the class: TypeScript cannot declare a method of that name, and no code calls it
 * directly.
 */
export function showAs<S extends object>(
  of: { readonly prototype: S },
  look: (object: S) => Visible,
): void {
  const value = function (this: S, depth: number | null, options: InspectOptions): string {
    const visible = look(this);
    return depth !== null && depth < 0 ? `[${visible.role}]` : text(visible, options);
  };
  Object.defineProperty(of.prototype, inspect.custom, { value });
}

function text({ role, name, status, addresses, stats }: Visible, options: InspectOptions): string {
  const { peers, ...rest } = stats;
  const counters = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== 0));
  const { bound, connected } = addresses;
  const named = name === null ? {} : { name };
  const fields = status === "closed" ? { status } : { status, bound, connected, peers };
  // The lists of addresses are shown however deep the socket is nested in another object.
  return `${role} ${inspect({ ...named, ...fields, ...counters }, { ...options, depth: 1 })}`;
}
