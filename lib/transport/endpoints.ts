/** What a channel was told to bind or to connect to. */
export interface Endpoint {
  readonly address: string;
  readonly side: "bound" | "connected";
}

const WILDCARD = /^tcp:\/\/(?:\*|0\.0\.0\.0|\[::\]):/;

/**
 * What a channel is bound and connected to, and which of that a monitor event is about.
 *
 * libzmq reports a bound wildcard by the interface over which a peer came, and a host name by its
 * number once it was looked up. Events of endpoints that were given up may still arrive: they are
 * about nothing.
 */
export class Endpoints {
  /** What libzmq calls each of the addresses that we have bound: what is behind the gate, where there is one. */
  readonly #bound = new Map<string, string>();
  /** What libzmq calls each of the addresses that we are connected to, beside the address itself. */
  readonly #connected = new Map<string, Set<string>>();

  get bound(): readonly string[] {
    return [...this.#bound.keys()];
  }

  isConnected(address: string): boolean {
    return this.#connected.has(address);
  }

  addBound(address: string, nativeName: string = address): void {
    this.#bound.set(address, nativeName);
  }

  addConnected(address: string): void {
    this.#connected.set(address, new Set());
  }

  /** @returns false when it was not bound */
  deleteBound(address: string): boolean {
    return this.#bound.delete(address);
  }

  /** @returns false when it was not connected */
  deleteConnected(address: string): boolean {
    return this.#connected.delete(address);
  }

  /** libzmq connects to `address`: if that is none of ours, it is another name of one. */
  learn(address: string): void {
    if (!address.startsWith("tcp:") || this.find(address)?.side === "connected") return;
    const alike = [...this.#connected].filter(([text]) => portOf(text) === portOf(address));
    const [, names] = alike.find(([, { size }]) => size === 0) ?? alike[0] ?? [];
    names?.add(address);
  }

  /** @returns null for an endpoint that was given up */
  find(address: string): Endpoint | null {
    if (this.#connected.has(address)) return { address, side: "connected" };
    for (const [text, nativeName] of this.#bound) {
      if (nativeName === address) return { address: text, side: "bound" };
    }
    for (const [text, names] of this.#connected) {
      if (names.has(address)) return { address: text, side: "connected" };
    }
    for (const text of this.#bound.keys()) {
      if (!WILDCARD.test(text) || portOf(text) !== portOf(address)) continue;
      return { address: text, side: "bound" };
    }
    return null;
  }
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}
