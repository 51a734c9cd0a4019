import { TURN_MS_MAX } from "../clock.ts";
import { BrokerlessError } from "../errors.ts";
import { describe } from "../options.ts";
import { peerLabel } from "../peer-text.ts";
import { Channel, type ChannelListener, type ChannelOptions } from "./channel.ts";
import type { LinkPeer } from "./link-peer.ts";
import { LinkWriter } from "./link-writer.ts";
import type { Addresses } from "./monitor/address-book.ts";
import type { Address } from "./native/address.ts";
import { type NativeKind, reportConnections } from "./native/native.ts";
import { RouterPeers } from "./router-peers.ts";

/** Receives the events of the connections of a {@link LinkHub}. */
export interface LinkHubListener {
  /** A connection to a peer was made: this side sends first. For incoming ones, see `knowsIncoming`. */
  readonly onConnect: (peer: LinkPeer) => void;
  /** Nothing more is read from the same native socket until a promise that it returns is resolved. */
  readonly onMessage: (peer: LinkPeer, parts: readonly Buffer[]) => Promise<void> | void;
  /** The connection has ended. */
  readonly onGone: (peer: LinkPeer) => void;
  /** An incoming connection has ended, but only a send to each peer shows which one. */
  readonly onSuspect: () => void;
  readonly onProblem: (error: BrokerlessError) => void;
  readonly onUnguarded: (error: BrokerlessError) => void;
}

/** Options of a {@link LinkHub}. */
export interface LinkHubOptions extends Omit<ChannelOptions, "listener"> {
  /**
   * Whether incoming connections are known before their first message, and their ends are reported at once: then
   * `onConnect` is called for them too, and `onSuspect` never. Default false.
   */
  readonly knowsIncoming?: boolean;
  /**
   * Whether bound addresses have a DEALER in place of a ROUTER, so that REP sockets can connect too. All peers that
   * connect there are one {@link LinkPeer}, for as long as there is one of them. Default false.
   */
  readonly sharesIncoming?: boolean;
}

/** Frames of a message between reliable sockets: a header, and a batch (count). */
export const LINK_PARTS_MAX = 2;
/**
 * An ended connection may have left unread messages, including acknowledgements: its end is
 * reported once none has arrived for this time (milliseconds).
 */
const QUIET_MS = 30;

/**
 * The connections of a reliable socket: one ROUTER for all bound addresses, and a DEALER for each
 * connected address, so that a message always goes to a certain peer.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class LinkHub {
  readonly #options: LinkHubOptions;
  readonly #listener: LinkHubListener;
  #router: { readonly channel: Channel; readonly peers: RouterPeers } | null = null;
  /** The bound DEALER, with `sharesIncoming`. */
  #shared: DealerChannel | null = null;
  readonly #dealers = new Map<string, DealerChannel>();
  /** Channels of released addresses, until they are closed. */
  readonly #closing = new Set<Promise<void>>();
  #suspecting: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: LinkHubOptions, listener: LinkHubListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Remembered peers of the bound addresses (count): a measure of memory. */
  get remembered(): number {
    return this.#router?.peers.size ?? 0;
  }

  get addresses(): Addresses {
    const bound = this.#bound?.addresses.bound ?? [];
    return { bound, connected: [...this.#dealers.keys()] };
  }

  /** Connections at bound addresses that were refused, by a gate or in the handshake, or cut off by a gate (count). */
  get connectionsRefused(): number {
    return this.#bound?.connectionsRefused ?? 0;
  }

  /** @throws as {@link Channel.bind} */
  bind(address: Address): Promise<string> {
    if (this.#options.sharesIncoming) {
      this.#shared ??= this.#openShared();
      return this.#shared.channel.bind(address);
    }
    this.#router ??= this.#openRouter();
    return this.#router.channel.bind(address);
  }

  /** @throws as {@link Channel.connect} */
  connect(address: Address): void {
    if (this.#dealers.has(address.text)) return;
    const dealer: DealerChannel = {
      channel: this.#open("dealer", ({ type, address: endpoint }) => {
        // A connection may still be made after its address was given up.
        if (this.#dealers.get(address.text) !== dealer) return;
        const before = dealer.peer;
        before?.close();
        if (type === "peer") {
          dealer.peer = this.#dealerPeer(dealer, address, endpoint);
          if (before !== null) this.#listener.onGone(before);
          this.#listener.onConnect(dealer.peer);
        } else if (before !== null) {
          whenQuiet(before, () => {
            if (dealer.peer !== before) return;
            dealer.peer = null;
            this.#listener.onGone(before);
            // Its unsent messages belong to an ended session, and must not go to the next
            // connection.
            if (!this.#closed) dealer.channel.renew(address.text);
          });
        }
      }),
      peer: null,
    };
    dealer.channel.connect(address);
    this.#dealers.set(address.text, dealer);
    void this.#read(dealer.channel, (parts) => this.#heardBy(dealer, parts));
  }

  /** @throws as {@link Channel.unbind} */
  async unbind(address: string): Promise<void> {
    if (this.#bound === null) throw notThere("unbind", address, "bound");
    await this.#bound.unbind(address);
    this.#listener.onSuspect();
    // Nothing reports the ends of these connections.
    if (!this.#options.knowsIncoming || this.#router === null) return;
    if (this.#router.channel.addresses.bound.length > 0) return;
    for (const peer of this.#router.peers.clear()) this.#listener.onGone(peer);
  }

  /** @throws as {@link Channel.disconnect} */
  disconnect(address: string): void {
    const dealer = this.#dealers.get(address);
    if (dealer === undefined) throw notThere("disconnect from", address, "connected");
    this.#dealers.delete(address);
    if (dealer.peer !== null) this.#listener.onGone(dealer.peer);
    dealer.peer = null;
    const closing = dealer.channel.close();
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }

  /**
   * Closes once its messages are with ZeroMQ, which may linger; resolves when every bound address
   * can be bound again.
   */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#suspecting !== null) clearTimeout(this.#suspecting);
    const peers = this.#router === null ? [] : [this.#router.peers.idle()];
    for (const { peer } of this.#dealers.values()) if (peer !== null) peers.push(peer.idle());
    if (this.#shared?.peer != null) peers.push(this.#shared.peer.idle());
    if (peers.length > 0) await this.#patience(Promise.all(peers));
    this.#router?.peers.close();
    const channels = [...this.#dealers.values()].map((dealer) => dealer.channel);
    if (this.#bound !== null) channels.push(this.#bound);
    await Promise.all([...channels.map((channel) => channel.close()), ...this.#closing]);
  }

  /** The channel of the bound addresses; null before the first. */
  get #bound(): Channel | null {
    return this.#router?.channel ?? this.#shared?.channel ?? null;
  }

  /** A peer that does not read must not prevent the close. */
  async #patience(idle: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise((resolve) => {
      timer = setTimeout(resolve, this.#options.settings.lingerMs);
    });
    await Promise.race([idle, tooLate]);
    clearTimeout(timer);
  }

  #openRouter(): { readonly channel: Channel; readonly peers: RouterPeers } {
    const { knowsIncoming = false } = this.#options;
    const channel = this.#open(
      "router",
      ({ type }) => {
        if (type === "peerLost" && !knowsIncoming) this.#suspect();
      },
      (type, id) => {
        if (!knowsIncoming) return;
        if (type === "peer") {
          if (!peers.has(id)) this.#onChanged(peers, id);
          return;
        }
        // Over inproc its last messages may not have been read.
        const peer = peers.get(id);
        if (peer !== null) whenQuiet(peer, () => peers.has(id) && this.#onChanged(peers, id));
      },
    );
    const peers = new RouterPeers({
      channel,
      onGone: (peer) => whenQuiet(peer, () => this.#listener.onGone(peer)),
      onStuck: (peer) => this.#giveUp(peer),
    });
    const reports = knowsIncoming && reportConnections(channel.native);
    void this.#read(channel, (parts) => {
      const id = parts[0]!;
      if (reports && parts.length === 2 && parts[1]!.length === 0) {
        this.#onChanged(peers, id);
        return undefined;
      }
      const isNew = knowsIncoming && !peers.has(id);
      const peer = peers.heard(id);
      if (peer === null) return undefined;
      if (isNew) this.#listener.onConnect(peer);
      return this.#listener.onMessage(peer, parts.slice(1));
    });
    return { channel, peers };
  }

  /** An incoming connection was made, or has ended, after all of its messages. */
  #onChanged(peers: RouterPeers, id: Buffer): void {
    const change = peers.changed(id);
    if (change === null) return;
    if (change.isNew) this.#listener.onConnect(change.peer);
    else {
      change.peer.close();
      this.#listener.onGone(change.peer);
    }
  }

  #openShared(): DealerChannel {
    const shared: DealerChannel = {
      channel: this.#open("dealer", ({ type, address, peers }) => {
        const before = shared.peer;
        if (type === "peer" && before === null) {
          shared.peer = new DealerPeer(shared.channel, address, {
            onStuck: () => {},
            isShared: true,
          });
          this.#listener.onConnect(shared.peer);
        } else if (peers === 0 && before !== null) {
          shared.peer = null;
          before.close();
          whenQuiet(before, () => this.#listener.onGone(before));
        }
      }),
      peer: null,
    };
    void this.#read(shared.channel, (parts) => this.#heardBy(shared, parts));
    return shared;
  }

  #heardBy({ peer }: DealerChannel, parts: readonly Buffer[]): Promise<void> | void {
    if (peer === null) return undefined;
    peer.heardMs = performance.now();
    return this.#listener.onMessage(peer, parts);
  }

  #dealerPeer(dealer: DealerChannel, address: Address, endpoint: string): DealerPeer {
    const { channel } = dealer;
    const onStuck = (): void => {
      if (dealer.peer !== peer || channel.closed) return;
      dealer.peer = null;
      this.#giveUp(peer);
      channel.disconnect(address.text);
      channel.connect(address);
    };
    const peer = new DealerPeer(channel, endpoint, { onStuck, isShared: false });
    return peer;
  }

  /** Drops a peer that does not read its messages. */
  #giveUp(peer: LinkPeer): void {
    const message = `dropped a peer (${peerLabel(peer)}): it read nothing for 30 s, or more than 4 MiB besides messages waited for it`;
    this.#listener.onProblem(new BrokerlessError("BROKERLESS_PROTOCOL", message));
    this.#listener.onGone(peer);
  }

  /**
   * One check for all connections that end at about the same time: each check costs a message to
   * every remaining peer.
   */
  #suspect(): void {
    this.#suspecting ??= setTimeout(() => {
      this.#suspecting = null;
      if (!this.#closed) this.#listener.onSuspect();
    }, QUIET_MS).unref();
  }

  #open(
    kind: NativeKind,
    onPeer: ChannelListener["onPeer"],
    onNamed: ChannelListener["onNamed"] = () => {},
  ): Channel {
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
    const { onProblem, onUnguarded } = this.#listener;
    const listener = { onPeer, onNamed, onProblem, onUnguarded };
    const ways = { sendsWait: false, keepsUnread: kind === "dealer", peersKeepUnread: true };
    return new Channel(kind, { ...this.#options, listener, ...ways });
  }

  /** The only reader of a channel; ends with it. */
  async #read(channel: Channel, onParts: (parts: Buffer[]) => Promise<void> | void): Promise<void> {
    let turnMs = performance.now();
    while (!channel.closed) {
      let parts: Buffer[];
      try {
        parts = await channel.receive();
      } catch (error) {
        if (channel.closed) return;
        const message = `cannot receive: ${error instanceof Error ? error.message : error}`;
        this.#listener.onProblem(
          new BrokerlessError("BROKERLESS_PROTOCOL", message, { cause: error }),
        );
        return;
      }
      const handled = onParts(parts);
      if (handled !== undefined) await handled;
      const nowMs = performance.now();
      if (nowMs - turnMs < TURN_MS_MAX) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turnMs = performance.now();
    }
  }
}

/** One outgoing connection. */
interface DealerChannel {
  readonly channel: Channel;
  peer: DealerPeer | null;
}

/** Calls back when nothing has arrived from a peer for a while. */
function whenQuiet(peer: { readonly heardMs: number }, call: () => void): void {
  const isQuiet = (): boolean => performance.now() - peer.heardMs >= QUIET_MS;
  const check = (): void => {
    if (isQuiet()) setImmediate(confirm);
    else setTimeout(check, QUIET_MS).unref();
  };
  // After a delay of the event loop, timers run before pending messages are read.
  const confirm = (): void => {
    if (isQuiet()) call();
    else check();
  };
  setTimeout(check, QUIET_MS).unref();
}

class DealerPeer implements LinkPeer {
  readonly address: string;
  readonly isShared: boolean;
  name: string | null = null;
  /** Time of the last message from the peer (ms). */
  heardMs = 0;
  readonly #writer: LinkWriter;

  constructor(
    channel: Channel,
    address: string,
    { onStuck, isShared }: { readonly onStuck: () => void; readonly isShared: boolean },
  ) {
    this.address = address;
    this.isShared = isShared;
    // A DEALER without a peer only fails with EAGAIN; its monitor reports that the peer has gone.
    this.#writer = new LinkWriter(channel, { onGone: () => {}, onStuck });
  }

  idle(): Promise<void> {
    return this.#writer.idle();
  }

  get isFull(): boolean {
    return this.#writer.isFull;
  }

  onRoom(call: () => void): void {
    this.#writer.onRoom(call);
  }

  send(parts: readonly Uint8Array[], isData: boolean = parts.length > 1): void {
    this.#writer.write(parts, isData);
  }

  close(): void {
    this.#writer.close();
  }

  forget(): void {}
}

function notThere(verb: string, address: string, what: string): BrokerlessError {
  const message = `cannot ${verb} ${describe(address)}: it is not ${what}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message);
}
