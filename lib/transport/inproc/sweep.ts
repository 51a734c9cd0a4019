import { Router } from "zeromq";
import { bindTo, disconnectFrom } from "../native/errno.ts";
import { AGAIN, openBound, SUFFIX } from "./presence.ts";

/** Registers a socket that stays open after its owner, until it resolves. */
export function keep(sweeping: Promise<void>): void {
  sweeps.add(sweeping);
  void sweeping.then(() => sweeps.delete(sweeping));
}

/** Internal sockets that stay open briefly after their owners. */
const sweeps = new Set<Promise<void>>();

/** Resolves when no internal socket of a released address is left. */
export async function swept(): Promise<void> {
  await Promise.all(sweeps);
}

/**
 * Releases closed connectors of an inproc address that nobody has bound: until it is bound, libzmq
 * keeps their sockets, and their monitors keep the process alive. Therefore this function binds it
 * briefly. Connectors that are still open are asked to connect again.
 */
export function sweep(address: string): void {
  const data = new Router({});
  data.linger = 0;
  try {
    bindTo(data, address);
    disconnectFrom(data, address);
    const presence = openBound(address, AGAIN);
    disconnectFrom(presence, address + SUFFIX);
    presence.close();
  } catch {
    // Another socket has bound the address, which releases the connectors.
  }
  data.close();
}
