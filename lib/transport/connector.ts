import { BrokerlessError } from "../errors.ts";
import { describe } from "../options.ts";
import { addressError } from "./address-error.ts";
import { isInproc } from "./inproc/inproc-endpoints.ts";
import type { Address } from "./native/address.ts";
import { connectTo, disconnectFrom } from "./native/errno.ts";
import { type AddressChange, hasHostName, type NamedHosts } from "./native/named-hosts.ts";
import { takingDescriptors } from "./native/out-of-descriptors.ts";
import type { SocketParts } from "./socket-parts.ts";

/** Options of a {@link Connector}. */
export interface ConnectorOptions {
  /** Resolves host names, and calls {@link Connector.move}. */
  readonly hosts: NamedHosts;
  /** An IP address of a host name cannot be connected to. */
  readonly onProblem: (error: BrokerlessError) => void;
}

/**
 * The connected addresses of a socket, including the IP addresses of host names and the binders of
 * inproc names.
 *
 * @see docs/decisions/0013-names-and-paths.md
 */
export class Connector {
  readonly #parts: SocketParts;
  readonly #options: ConnectorOptions;
  #closed = false;

  constructor(parts: SocketParts, options: ConnectorOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /**
   * Connects to an address to which the socket is not connected yet. @throws BrokerlessError
   * `BROKERLESS_ADDRESS`
   */
  connect({ text, transport }: Address): void {
    const { native, endpoints, inproc, calls } = this.#parts;
    if (hasHostName(text)) {
      endpoints.addConnected(text, true);
      this.#options.hosts.add(text);
      return;
    }
    try {
      if (transport === "inproc") takingDescriptors(() => inproc.connect(text));
      else connectTo(native, text);
    } catch (cause) {
      throw cause instanceof BrokerlessError ? cause : addressError("connect to", text, cause);
    }
    endpoints.addConnected(text);
    calls.wake();
  }

  /** @throws BrokerlessError `BROKERLESS_ADDRESS` where it is not connected */
  disconnect(address: string): void {
    const { native, endpoints, inproc, watch, calls } = this.#parts;
    const { hosts } = this.#options;
    const isNamed = hosts.has(address);
    if (!endpoints.deleteConnected(address)) {
      throw addressError("disconnect from", describe(address), "it is not connected");
    }
    const place = isNamed ? hosts.delete(address) : address;
    const isParked = watch.isParked(address);
    watch.forget(address);
    if (place === null || isParked) return;
    if (isInproc(address)) inproc.release(address);
    else disconnectFrom(native, place);
    calls.wake();
    calls.nudgeLater();
  }

  /** The IP address of a host name was resolved, or has changed. */
  move({ address, from, to }: AddressChange): void {
    if (this.#closed) return;
    const { native, endpoints, watch, calls } = this.#parts;
    if (from !== null && !watch.isParked(address)) disconnectFrom(native, from);
    watch.moved(address);
    endpoints.move(address, to);
    const { ipv6 } = native;
    const isV6 = to.includes("[");
    // Only where it changes: zeromq.js warns of each change while another address is in use, though
    // it only affects the next connect.
    if (isV6 !== ipv6) native.ipv6 = isV6;
    try {
      connectTo(native, to);
    } catch (cause) {
      this.#options.onProblem(addressError("connect to", address, cause));
    } finally {
      if (isV6 !== ipv6) native.ipv6 = ipv6;
    }
    calls.wake();
  }

  /** The native socket is about to close. */
  close(): void {
    this.#closed = true;
    this.#options.hosts.close();
  }
}
