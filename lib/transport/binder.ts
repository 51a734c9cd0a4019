import { BrokerlessError } from "../errors.ts";
import { describe } from "../options.ts";
import { addressError } from "./address-error.ts";
import { ClientIdentity, type ResolvedSecurity, ServerIdentity } from "./curve/security.ts";
import { needsGate } from "./gate/gate-policy.ts";
import type { GateLimits } from "./gate/gate-reader.ts";
import { GatedListener } from "./gate/gated-listener.ts";
import { bindFreeName, isInproc } from "./inproc/inproc-endpoints.ts";
import type { Address } from "./native/address.ts";
import { bindTo, disconnectFrom } from "./native/errno.ts";
import { bindFreePath, hasFile } from "./native/ipc-path.ts";
import type { NativeKind, NativeSettings } from "./native/native.ts";
import { takingDescriptors } from "./native/out-of-descriptors.ts";
import { skipRoutingIds } from "./native/router-ids.ts";
import { SocketFile } from "./native/socket-file.ts";
import type { SocketParts } from "./socket-parts.ts";

/** Options of a {@link Binder}. */
export interface BinderOptions {
  readonly kind: NativeKind;
  readonly settings: NativeSettings;
  readonly security: ResolvedSecurity;
  /** Whether peers connect through a gate; null: as {@link needsGate} decides. */
  readonly gate: boolean | null;
  /** Limits of the gate, which depend on the role. */
  readonly gateLimits: GateLimits;
  /** The gate refused a peer, or cut it off. */
  readonly onRefused: (error: BrokerlessError) => void;
}

const NO_GATE =
  'option "gate": there is none before an abstract name, or before a client of CURVE that binds';
/** libzmq's form of an IPv4 address that is bound after an IPv6 one. */
const MAPPED_IPV4 = /\[::ffff:([\d.]+)\]/;

/**
 * The bound addresses of a socket, each with its resources: a gate, the file of an ipc socket with
 * its mode, a name over inproc. Tracks when a released address can be bound again.
 *
 * @see docs/decisions/0004-security.md
 * @see docs/decisions/0059-whose-socket-file.md
 */
export class Binder {
  readonly #parts: SocketParts;
  readonly #options: BinderOptions;
  /** Gates by the address for peers. */
  readonly #gates = new Map<string, GatedListener>();
  /** Routing ids of peers behind the gates of a ROUTER. */
  readonly #identities = new Set<string>();
  /** Connections that released gates refused (count). */
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
   * @throws TypeError where a requested gate is impossible; BrokerlessError `BROKERLESS_ADDRESS`
   *   when the operating system refuses, `BROKERLESS_CLOSED`
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
    // zeromq's unbind blocks the socket meanwhile; with libzmq, disconnect ends a bound endpoint
    // too.
    if (isInproc(address)) inproc.release(address);
    else disconnectFrom(native, nativeName);
    this.#refusedBefore += this.#gates.get(address)?.refused ?? 0;
    this.#gates.delete(address);
    calls.wake();
    calls.nudgeLater();
    return freed;
  }

  /** Refuses to bind from now on. */
  stop(): void {
    this.#closed = true;
  }

  /** The native socket is about to close. Resolves when every address can be bound again. */
  async close(): Promise<void> {
    this.stop();
    const { endpoints } = this.#parts;
    const freed = endpoints.bound.map((each) => this.#freed(each, endpoints.nativeNameOf(each)));
    await Promise.all(freed);
  }

  /** Resolves when the gates have passed on what the native socket wrote, after {@link close}. */
  async ended(): Promise<void> {
    await Promise.all([...this.#gates.values()].map((gate) => gate.ended()));
  }

  /** Removes the files, for a thread that ends. */
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

  /** Whether unknown peers may choose a routing id of ZeroMQ's own form. */
  get #meetsStrangers(): boolean {
    const isNamed = this.#options.security instanceof ServerIdentity;
    return this.#options.kind === "router" && !isNamed && !this.#skipped;
  }

  /** Binds and registers the address in one step: a close must know everything that is bound. */
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

  /**
   * @param place path of a socket's file: libzmq sets its mode by the umask, and no other account
   *   may connect
   */
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
      if (nativeName !== null) disconnectFrom(native, nativeName);
      throw error;
    }
    const resolved = transport === "tcp" ? nativeName.replace(MAPPED_IPV4, "$1") : text;
    endpoints.addBound(resolved, nativeName);
    calls.wake();
    return resolved;
  }

  /** @returns libzmq's name of the endpoint */
  #bindEndpoint(endpoint: string): string {
    const { native, inproc } = this.#parts;
    if (isInproc(endpoint)) {
      inproc.bind(endpoint);
      return endpoint;
    }
    bindTo(native, endpoint);
    return native.lastEndpoint ?? endpoint;
  }

  async #bindGated(address: string): Promise<string> {
    const { native, endpoints } = this.#parts;
    const { kind, gateLimits: limits, settings, security, onRefused } = this.#options;
    const gate = await GatedListener.open({
      address,
      bindInner: (inner) => {
        this.#assertOpen();
        bindTo(native, inner);
      },
      unbindInner: (inner) => {
        if (!native.closed) disconnectFrom(native, inner);
      },
      limits,
      mechanism: security instanceof ServerIdentity ? "CURVE" : "NULL",
      heartbeatMs: settings.heartbeatMs,
      identities: kind === "router" ? this.#identities : null,
      onRefused,
    });
    if (this.#closed) await gate.close(0);
    this.#assertOpen();
    this.#gates.set(gate.address, gate);
    endpoints.addBound(gate.address, gate.inner);
    return gate.address;
  }

  #assertOpen(): void {
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
  }

  /** Resolves when a released address can be bound again. */
  #freed(address: string, nativeName: string): Promise<void> {
    if (isInproc(address)) return Promise.resolve();
    const { lingerMs } = this.#options.settings;
    return this.#gates.get(address)?.close(lingerMs) ?? this.#parts.watch.released(nativeName);
  }
}
