import { lookup } from "node:dns";
import { isIP } from "node:net";
import { BrokerlessError } from "../../errors.ts";
import { retryPauseMs } from "./retry-pause.ts";

/** Dependencies of {@link NamedHosts}. */
export interface NamedHostsOptions {
  /** Resolves a name. @throws the error of the system */
  readonly resolve: ResolveHost;
  /** Connects to one literal address, in place of `previous`, if any. */
  readonly move: (move: AddressChange) => void;
  /** A name cannot be used now; it will be resolved again. */
  readonly onProblem: (error: BrokerlessError) => void;
}

/** A change of the IP address of a connected address. Both are literal addresses; null for none. */
export interface AddressChange {
  readonly address: string;
  readonly from: string | null;
  readonly to: string;
}

/** @returns the addresses of a host, IPv4 and IPv6, the preferred one first; not empty */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** A connected address with a host name. */
interface Named {
  readonly address: string;
  readonly host: string;
  readonly port: string;
  /** The literal address to which the native socket is connected. */
  place: string | null;
  /** Consecutive failed lookups and connections (count). */
  tries: number;
  timer: NodeJS.Timeout | null;
  isAsking: boolean;
  /** The last reported problem, so that it is not reported again at every attempt. */
  problem: string | null;
}

/**
 * The connected addresses of a socket that have a host name, with their IP addresses.
 *
 * libzmq would resolve a name in the one thread that serves all sockets of the process, for as long
 * as a name server takes, and for one address family only. Here names are resolved outside of it,
 * before the first connection and again whenever a connection is lost or fails. Then the next IP
 * address of the name is tried, or a changed one.
 *
 * @see docs/decisions/0013-names-and-paths.md
 */
export class NamedHosts {
  readonly #options: NamedHostsOptions;
  readonly #named = new Map<string, Named>();

  constructor(options: NamedHostsOptions) {
    this.#options = options;
  }

  /** @param address `tcp://HOST:PORT`, checked, where HOST is a name */
  add(address: string): void {
    const colon = address.lastIndexOf(":");
    const named: Named = {
      address,
      host: address.slice("tcp://".length, colon),
      port: address.slice(colon + 1),
      place: null,
      tries: 0,
      timer: null,
      isAsking: false,
      problem: null,
    };
    this.#named.set(address, named);
    void this.#ask(named);
  }

  has(address: string): boolean {
    return this.#named.has(address);
  }

  /**
   * @returns the literal address to which the native socket is connected; null where there is none
   *   yet
   */
  delete(address: string): string | null {
    const named = this.#named.get(address);
    if (named === undefined) return null;
    this.#named.delete(address);
    if (named.timer !== null) clearTimeout(named.timer);
    return named.place;
  }

  /** The connection was made. */
  onConnected(address: string): void {
    const named = this.#named.get(address);
    if (named !== undefined) named.tries = 0;
  }

  /** The connection was lost, or could not be made. */
  onLost(address: string): void {
    const named = this.#named.get(address);
    if (named !== undefined) this.#askLater(named);
  }

  close(): void {
    for (const address of [...this.#named.keys()]) this.delete(address);
  }

  #askLater(named: Named): void {
    if (named.timer !== null || named.isAsking) return;
    const waitMs = retryPauseMs(named.tries);
    named.tries += 1;
    named.timer = setTimeout(() => {
      named.timer = null;
      void this.#ask(named);
    }, waitMs);
  }

  async #ask(named: Named): Promise<void> {
    named.isAsking = true;
    let hosts: readonly string[] = [];
    let problem: unknown = null;
    try {
      hosts = await this.#options.resolve(named.host);
    } catch (error) {
      problem = error;
    }
    named.isAsking = false;
    if (this.#named.get(named.address) !== named) return;
    if (hosts.length === 0) this.#onProblem(named, problem);
    else this.#onFound(named, hosts);
  }

  #onProblem(named: Named, cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : "it has no address";
    if (reason !== named.problem) {
      named.problem = reason;
      const text = `cannot connect to ${named.address}: ${reason}; it is tried again`;
      this.#options.onProblem(new BrokerlessError("BROKERLESS_ADDRESS", text, { cause }));
    }
    this.#askLater(named);
  }

  /** Moves on to the address after the current one, or stays where there is no other. */
  #onFound(named: Named, hosts: readonly string[]): void {
    named.problem = null;
    const places = hosts.map((host) => placeOf(host, named.port));
    const tried = named.place === null ? -1 : places.indexOf(named.place);
    const to = places[(tried + 1) % places.length]!;
    const from = named.place;
    if (to === from) return;
    named.place = to;
    this.#options.move({ address: named.address, from, to });
  }
}

/** Whether an address is `tcp` with a host that must be resolved. */
export function hasHostName(address: string): boolean {
  if (!address.startsWith("tcp://")) return false;
  const host = address.slice("tcp://".length, address.lastIndexOf(":"));
  return !host.startsWith("[") && isIP(host) === 0;
}

/** Resolves a name through the system, in Node's thread pool, as Node's own connections do. */
export const resolveBySystem: ResolveHost = (host) =>
  new Promise((resolve, reject) => {
    lookup(host, { all: true, verbatim: false }, (error, found) => {
      if (error !== null) reject(error);
      else resolve(found.map(({ address }) => address));
    });
  });

function placeOf(host: string, port: string): string {
  return isIP(host) === 6 ? `tcp://[${host}]:${port}` : `tcp://${host}:${port}`;
}
