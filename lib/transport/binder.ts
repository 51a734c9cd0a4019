import { BrokerlessError } from "../errors.ts";
import { describe } from "../options.ts";
import { addressError } from "./address-error.ts";
import { ClientIdentity, type ResolvedSecurity, ServerIdentity } from "./curve/security.ts";
import { needsGate } from "./gate/gate-policy.ts";
import type { GateLimits } from "./gate/gate-reader.ts";
import { GatedListener } from "./gate/gated-listener.ts";
import { bindFreeName, isInproc } from "./inproc/inproc-endpoints.ts";
import type { Address } from "./native/address.ts";
import { bindFreePath, hasFile } from "./native/ipc-path.ts";
import type { NativeKind, NativeSettings } from "./native/native.ts";
import { takingDescriptors } from "./native/out-of-descriptors.ts";
import { skipRoutingIds } from "./native/router-ids.ts";
import { SocketFile } from "./native/socket-file.ts";
import type { SocketParts } from "./socket-parts.ts";

/** How a {@link Binder} binds. */
export interface BinderOptions {
  readonly kind: NativeKind;
  readonly settings: NativeSettings;
  readonly security: ResolvedSecurity;
  /** Whether peers pass a gate; null: by {@link needsGate}. */
  readonly gate: boolean | null;
  /** What the gate lets pass: it depends on the role. */
  readonly gateLimits: GateLimits;
  /** The gate refused a peer, or cut it off. */
  readonly onRefused: (error: BrokerlessError) => void;
}

const NO_GATE =
  'option "gate": there is none before an abstract name, or before a client of CURVE that binds';
/** What libzmq calls an IPv4 address that it binds when it has bound one of IPv6. */
const MAPPED_IPV4 = /\[::ffff:([\d.]+)\]/;

/**
 * The bound addresses of a socket, each with what it needs: a gate, the file of an ipc socket with its mode, a name
 * over inproc. Knows when an address that was given up can be bound again.
 *
 * @see docs/decisions/0004-security.md
 * @see docs/decisions/0059-ipc-mode.md
 */
export class Binder {
  readonly #parts: SocketParts;
  readonly #options: BinderOptions;
  /** By the address that peers know. */
  readonly #gates = new Map<string, GatedListener>();
  /** Routing ids of peers behind the gates of a ROUTER. */
  readonly #identities = new Set<string>();
  /** At gates that were given up (count). */
  #refusedBefore = 0;
  /** Whether routing ids were skipped, before the first native bind. */
  #skipped = false;
  #closed = false;

  constructor(parts: SocketParts, options: BinderOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Connections that a gate has refused or cut off (count). */
  get refused(): number {
    let count = this.#refusedBefore;
    for (const gate of this.#gates.values()) count += gate.refused;
    return count;
  }

  /**
   * @param address checked, and allowed
   * @returns the address with its wildcard resolved
   * @throws TypeError where the gate that is asked for cannot be; BrokerlessError `BROKERLESS_ADDRESS` when the
   * operating system refuses, `_CLOSED`
   */
  async bind(address: Address): Promise<string> {
    const bind = this.#passesGate(address)
      ? this.#bindGated(address.text)
      : this.#bindNative(address);
    try {
      return await bind;
    } catch (cause) {
      this.#assertOpen();
      throw cause instanceof BrokerlessError ? cause : addressError("bind", address.text, cause);
    }
  }

  /** Stops accepting peers. @returns when the address can be bound again @throws BrokerlessError where it is not bound */
  unbind(address: string): Promise<void> {
    const { native, endpoints, inproc, watch, calls } = this.#parts;
    const nativeName = endpoints.nativeNameOf(address);
    if (!endpoints.deleteBound(address)) {
      throw addressError("unbind", describe(address), "it is not bound");
    }
    const freed = this.#freed(address, nativeName);
    watch.forget(address);
    // zeromq's unbind blocks the socket meanwhile; libzmq ends a bound endpoint with this call too.
    if (isInproc(address)) inproc.release(address);
    else native.disconnect(nativeName);
    this.#refusedBefore += this.#gates.get(address)?.refused ?? 0;
    this.#gates.delete(address);
    calls.wake();
    calls.nudgeLater();
    return freed;
  }

  /** Binds nothing more; the native socket is about to close. Resolves when every address can be bound again. */
  async close(): Promise<void> {
    this.#closed = true;
    const { endpoints } = this.#parts;
    const freed = endpoints.bound.map((each) => this.#freed(each, endpoints.nativeNameOf(each)));
    await Promise.all(freed);
  }

  /** Removes what would be left behind, for a thread that ends. */
  closeNow(): void {
    this.#closed = true;
    for (const gate of this.#gates.values()) gate.closeNow();
  }

  #passesGate(address: Address): boolean {
    const { gate, security } = this.#options;
    if (gate !== true) return gate ?? needsGate(address, security);
    const cannot = security instanceof ClientIdentity || address.text.startsWith("ipc://@");
    if (cannot) throw new TypeError(NO_GATE);
    return address.transport !== "inproc";
  }

  /** Whether nobody keeps a peer from choosing a routing id of ZeroMQ's own kind. */
  get #meetsStrangers(): boolean {
    const isNamed = this.#options.security instanceof ServerIdentity;
    return this.#options.kind === "router" && !isNamed && !this.#skipped;
  }

  /** Binds, and remembers it, in one step: what closes the socket must know of all that is bound. */
  async #bindNative(address: Address): Promise<string> {
    if (this.#meetsStrangers) takingDescriptors(() => skipRoutingIds(this.#parts.native));
    this.#skipped = true;
    const { text, transport } = address;
    if (transport === "inproc") return await bindFreeName(() => this.#bindNow(address));
    if (transport === "tcp") return this.#bindNow(address);
    const path = text.slice("ipc://".length);
    return await bindFreePath(path, (place) =>
      this.#bindNow(address, hasFile(path) ? place : null),
    );
  }

  /** @param place of the file of a socket: libzmq makes it as the umask says, and nobody else shall connect */
  #bindNow({ text, transport }: Address, place: string | null = null): string {
    this.#assertOpen();
    const { native, endpoints, calls } = this.#parts;
    const file = place === null ? null : new SocketFile(place);
    let nativeName: string | null = null;
    try {
      nativeName = this.#bindEndpoint(file === null ? text : `ipc://${file.draft}`);
      file?.publish();
    } catch (error) {
      file?.remove();
      if (nativeName !== null) native.disconnect(nativeName);
      throw error;
    }
    const resolved = transport === "tcp" ? nativeName.replace(MAPPED_IPV4, "$1") : text;
    endpoints.addBound(resolved, nativeName);
    calls.wake();
    return resolved;
  }

  /** @returns what libzmq calls it */
  #bindEndpoint(endpoint: string): string {
    const { native, inproc } = this.#parts;
    if (isInproc(endpoint)) {
      inproc.bind(endpoint);
      return endpoint;
    }
    native.bindSync(endpoint);
    return native.lastEndpoint ?? endpoint;
  }

  async #bindGated(address: string): Promise<string> {
    const { native, endpoints } = this.#parts;
    const { kind, gateLimits: limits, settings, security, onRefused } = this.#options;
    const gate = await GatedListener.open({
      address,
      bindInner: (inner) => {
        this.#assertOpen();
        native.bindSync(inner);
      },
      unbindInner: (inner) => {
        if (!this.#closed) native.disconnect(inner);
      },
      limits,
      mechanism: security instanceof ServerIdentity ? "CURVE" : "NULL",
      heartbeatMs: settings.heartbeatMs,
      identities: kind === "router" ? this.#identities : null,
      onRefused,
    });
    if (this.#closed) await gate.close();
    this.#assertOpen();
    this.#gates.set(gate.address, gate);
    endpoints.addBound(gate.address, gate.inner);
    return gate.address;
  }

  #assertOpen(): void {
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
  }

  /** Resolves when a bound address can be bound again, once it has been given up. */
  #freed(address: string, nativeName: string): Promise<void> {
    if (isInproc(address)) return Promise.resolve();
    return this.#gates.get(address)?.close() ?? this.#parts.watch.released(nativeName);
  }
}
