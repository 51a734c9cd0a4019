/** What a channel was told to bind or to connect to. */
export interface Endpoint {
  readonly address: string;
  readonly side: "bound" | "connected";
}

/** Where a socket can be found, and where it goes. */
export interface Addresses {
  readonly bound: readonly string[];
  readonly connected: readonly string[];
}

const WILDCARD = /^tcp:\/\/(?:\*|0\.0\.0\.0|\[::\]):/;

/**
 * What a channel is bound and connected to, and which of that a monitor event is about.
 *
 * libzmq reports a bound wildcard by the interface over which a peer came, and a number by its shortest form. Events of endpoints that were given up may still arrive: they are
 * about nothing.
 */
export class AddressBook {
  /** What libzmq calls each of the addresses that we have bound: what is behind the gate, where there is one. */
  readonly #bound = new Map<string, string>();
  /** What libzmq calls each of the addresses that we are connected to, beside the address itself. */
  readonly #connected = new Map<string, Set<string>>();
  /** Those of them whose host is a name: where they lead is told, not learned. */
  readonly #named = new Set<string>();

  get bound(): readonly string[] {
    return [...this.#bound.keys()];
  }

  get connected(): readonly string[] {
    return [...this.#connected.keys()];
  }

  isConnected(address: string): boolean {
    return this.#connected.has(address);
  }

  addBound(address: string, nativeName: string = address): void {
    this.#bound.set(address, nativeName);
  }

  /** @param isNamed whether its host is a name, and {@link move} tells where it leads */
  addConnected(address: string, isNamed = false): void {
    this.#connected.set(address, new Set());
    if (isNamed) this.#named.add(address);
  }

  /** The name in a connected address leads to `place` now. */
  move(address: string, place: string): void {
    this.#connected.set(address, new Set([place]));
  }

  /** What libzmq was told to connect to; null where the name of the host was not found yet. */
  placeOf(address: string): string | null {
    if (!this.#named.has(address)) return address;
    const [place] = this.#connected.get(address) ?? [];
    return place ?? null;
  }

  /** What libzmq calls a bound address; the address itself where it is not bound. */
  nativeNameOf(address: string): string {
    return this.#bound.get(address) ?? address;
  }

  /** @returns false when it was not bound */
  deleteBound(address: string): boolean {
    return this.#bound.delete(address);
  }

  /** @returns false when it was not connected */
  deleteConnected(address: string): boolean {
    this.#named.delete(address);
    return this.#connected.delete(address);
  }

  /** libzmq connects to `address`: if that is none of ours, it is another name of one. */
  learn(address: string): void {
    if (!address.startsWith("tcp:") || this.find(address)?.side === "connected") return;
    const port = portOf(address);
    const alike = [...this.#connected].filter(
      ([text]) => portOf(text) === port && !this.#named.has(text),
    );
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
