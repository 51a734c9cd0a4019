/** An address to which a channel is bound or connected. */
export interface Endpoint {
  readonly address: string;
  readonly side: "bound" | "connected";
}

/** The bound and connected addresses of a socket. */
export interface Addresses {
  readonly bound: readonly string[];
  readonly connected: readonly string[];
}

/** In place of an address, where a peer may have used any of several. */
const SEVERAL = "bound";

const WILDCARD = /^tcp:\/\/(?:\*|0\.0\.0\.0|\[::\]):/;

/**
 * The bound and connected addresses of a channel, and the mapping from a monitor event to one of
 * them.
 *
 * libzmq reports a bound wildcard by the interface of the incoming connection, and an IP address in
 * its shortest form. Events of released endpoints may still arrive: they match no address.
 */
export class AddressBook {
  /** libzmq's name of each bound address: the address behind the gate, where there is one. */
  readonly #bound = new Map<string, string>();
  /** libzmq's other names of each connected address. */
  readonly #connected = new Map<string, Set<string>>();
  /**
   * Connected addresses with a host name: their IP addresses are set with {@link move}, and not
   * learned.
   */
  readonly #named = new Set<string>();

  get bound(): readonly string[] {
    return [...this.#bound.keys()];
  }

  get connected(): readonly string[] {
    return [...this.#connected.keys()];
  }

  /** The only address; `"bound"` where there is more than one. */
  get sole(): string {
    const [address, ...others] = [...this.#bound.keys(), ...this.#connected.keys()];
    return address === undefined || others.length > 0 ? SEVERAL : address;
  }

  isConnected(address: string): boolean {
    return this.#connected.has(address);
  }

  addBound(address: string, nativeName: string = address): void {
    this.#bound.set(address, nativeName);
  }

  /** @param isNamed whether its host is a name, whose IP address is set with {@link move} */
  addConnected(address: string, isNamed = false): void {
    this.#connected.set(address, new Set());
    if (isNamed) this.#named.add(address);
  }

  /** Sets the IP address of the host name in a connected address. */
  move(address: string, place: string): void {
    this.#connected.set(address, new Set([place]));
  }

  /** The address to which libzmq connects; null while the host name is not resolved. */
  placeOf(address: string): string | null {
    if (!this.#named.has(address)) return address;
    const [place] = this.#connected.get(address) ?? [];
    return place ?? null;
  }

  /** libzmq's name of a bound address; the address itself where it is not bound. */
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

  /** libzmq connects to `address`: if it is unknown, it is another name of a connected address. */
  learn(address: string): void {
    if (!address.startsWith("tcp:") || this.find(address)?.side === "connected") return;
    const port = portOf(address);
    const alike = [...this.#connected].filter(
      ([text]) => portOf(text) === port && !this.#named.has(text),
    );
    const [, names] = alike.find(([, { size }]) => size === 0) ?? alike[0] ?? [];
    names?.add(address);
  }

  /** @returns null for a released endpoint */
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
