import { lookup } from "node:dns";
import { isIP } from "node:net";
import { BrokerlessError } from "../../errors.ts";

/** Dependencies of {@link NamedHosts}. */
export interface NamedHostsOptions {
  /** Looks a name up. @throws the error of the system */
  readonly resolve: ResolveHost;
  /** Connects to one literal address, from where `previous` (another one) was before. */
  readonly move: (move: Move) => void;
  /** A name cannot be used now; it is looked up again. */
  readonly onProblem: (error: BrokerlessError) => void;
}

/** Another place for a connected address. Places are literal addresses; null where there was none. */
export interface Move {
  readonly address: string;
  readonly from: string | null;
  readonly to: string;
}

/** @returns the addresses of a host, IPv4 and IPv6, the preferred one first; not empty */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** First pause before a name is looked up again (milliseconds). */
const PAUSE_MS = 100;
/** Longest pause (milliseconds). */
const PAUSE_MS_MAX = 1_000;

/** A host that is connected to by its name. */
interface Named {
  readonly address: string;
  readonly host: string;
  readonly port: string;
  /** What the native socket is connected to. */
  place: string | null;
  /** Looked up, or tried, in vain so often (count). */
  tries: number;
  timer: NodeJS.Timeout | null;
  isAsking: boolean;
  /** What was reported last, so that it is not reported at every try. */
  problem: string | null;
}

/**
 * The addresses with a host name that a socket is connected to, and where they lead.
 *
 * libzmq would look a name up in the one thread in which all sockets of the process live, for as long as a name
 * server takes, and with one family of addresses only. Here names are looked up outside, before the first
 * connection and again whenever one is lost or cannot be made: then the next address of the name is tried, or what
 * it has become.
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

  /** @returns the literal address that the native socket is connected to; null where it is none yet */
  delete(address: string): string | null {
    const named = this.#named.get(address);
    if (named === undefined) return null;
    this.#named.delete(address);
    if (named.timer !== null) clearTimeout(named.timer);
    return named.place;
  }

  /** The connection is made. */
  onConnected(address: string): void {
    const named = this.#named.get(address);
    if (named !== undefined) named.tries = 0;
  }

  /** The connection is lost, or could not be made. */
  onLost(address: string): void {
    const named = this.#named.get(address);
    if (named !== undefined) this.#askLater(named);
  }

  close(): void {
    for (const address of [...this.#named.keys()]) this.delete(address);
  }

  #askLater(named: Named): void {
    if (named.timer !== null || named.isAsking) return;
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** named.tries) * (1 + Math.random());
    named.tries += 1;
    named.timer = setTimeout(() => {
      named.timer = null;
      void this.#ask(named);
    }, pauseMs);
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

  /** Goes on to the address behind the one that was tried, or stays where there is no other. */
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

/** Whether an address is `tcp` with a host that has to be looked up. */
export function hasHostName(address: string): boolean {
  if (!address.startsWith("tcp://")) return false;
  const host = address.slice("tcp://".length, address.lastIndexOf(":"));
  return !host.startsWith("[") && isIP(host) === 0;
}

/** Asks the system, in Node's pool of threads, as every other connection of a program does. */
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
