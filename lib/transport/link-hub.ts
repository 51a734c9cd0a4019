import { TURN_MS_MAX } from "../clock.ts";
import { BrokerlessError } from "../errors.ts";
import { describe } from "../options.ts";
import { peerLabel } from "../peer-text.ts";
import { Channel, type ChannelOptions } from "./channel.ts";
import type { LinkPeer } from "./link-peer.ts";
import { LinkWriter } from "./link-writer.ts";
import type { Addresses } from "./monitor/address-book.ts";
import type { Address } from "./native/address.ts";
import type { NativeKind } from "./native/native.ts";
import { RouterPeers } from "./router-peers.ts";

/** Receives the events of the connections of a {@link LinkHub}. */
export interface LinkHubListener {
  /** A connection to a peer was made: this side sends first. */
  readonly onConnect: (peer: LinkPeer) => void;
  readonly onMessage: (peer: LinkPeer, parts: readonly Buffer[]) => void;
  /** The connection has ended. */
  readonly onGone: (peer: LinkPeer) => void;
  /** An incoming connection has ended, but only a send to each peer shows which one. */
  readonly onSuspect: () => void;
  readonly onProblem: (error: BrokerlessError) => void;
  readonly onUnguarded: (error: BrokerlessError) => void;
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
  readonly #options: Omit<ChannelOptions, "listener">;
  readonly #listener: LinkHubListener;
  #router: { readonly channel: Channel; readonly peers: RouterPeers } | null = null;
  readonly #dealers = new Map<string, DealerChannel>();
  /** Channels of released addresses, until they are closed. */
  readonly #closing = new Set<Promise<void>>();
  #suspecting: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: Omit<ChannelOptions, "listener">, listener: LinkHubListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Remembered peers of the bound addresses (count): a measure of memory. */
  get remembered(): number {
    return this.#router?.peers.size ?? 0;
  }

  get addresses(): Addresses {
    const bound = this.#router?.channel.addresses.bound ?? [];
    return { bound, connected: [...this.#dealers.keys()] };
  }

  /** Connections at bound addresses that were refused, by a gate or in the handshake, or cut off by a gate (count). */
  get connectionsRefused(): number {
    return this.#router?.channel.connectionsRefused ?? 0;
  }

  /** @throws as {@link Channel.bind} */
  bind(address: Address): Promise<string> {
    this.#router ??= this.#openRouter();
    return this.#router.channel.bind(address);
  }

  /** @throws as {@link Channel.connect} */
  connect(address: Address): void {
    if (this.#dealers.has(address.text)) return;
    const dealer: DealerChannel = {
      channel: this.#open("dealer", ({ type, address: endpoint }) => {
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
    void this.#read(dealer.channel, (parts) => {
      if (dealer.peer === null) return;
      dealer.peer.heardMs = performance.now();
      this.#listener.onMessage(dealer.peer, parts);
    });
  }

  /** @throws as {@link Channel.unbind} */
  async unbind(address: string): Promise<void> {
    if (this.#router === null) throw notThere("unbind", address, "bound");
    await this.#router.channel.unbind(address);
    this.#listener.onSuspect();
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
    if (peers.length > 0) await this.#patience(Promise.all(peers));
    this.#router?.peers.close();
    const channels = [...this.#dealers.values()].map((dealer) => dealer.channel);
    if (this.#router !== null) channels.push(this.#router.channel);
    await Promise.all([...channels.map((channel) => channel.close()), ...this.#closing]);
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
    const channel = this.#open("router", ({ type }) => {
      if (type === "peerLost") this.#suspect();
    });
    const peers = new RouterPeers({
      channel,
      onGone: (peer) => whenQuiet(peer, () => this.#listener.onGone(peer)),
      onStuck: (peer) => this.#giveUp(peer),
    });
    void this.#read(channel, (parts) => {
      const peer = peers.heard(parts[0]!);
      if (peer !== null) this.#listener.onMessage(peer, parts.slice(1));
    });
    return { channel, peers };
  }

  #dealerPeer(dealer: DealerChannel, address: Address, endpoint: string): DealerPeer {
    const { channel } = dealer;
    const peer: DealerPeer = new DealerPeer(channel, endpoint, () => {
      if (dealer.peer !== peer || channel.closed) return;
      dealer.peer = null;
      this.#giveUp(peer);
      channel.disconnect(address.text);
      channel.connect(address);
    });
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

  #open(kind: NativeKind, onPeer: ChannelOptions["listener"]["onPeer"]): Channel {
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
    const { onProblem, onUnguarded } = this.#listener;
    const listener = { onPeer, onProblem, onUnguarded };
    const ways = { sendsWait: false, keepsUnread: kind === "dealer", peersKeepUnread: true };
    return new Channel(kind, { ...this.#options, listener, ...ways });
  }

  /** The only reader of a channel; ends with it. */
  async #read(channel: Channel, onParts: (parts: Buffer[]) => void): Promise<void> {
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
      onParts(parts);
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
  name: string | null = null;
  /** Time of the last message from the peer (ms). */
  heardMs = 0;
  readonly #writer: LinkWriter;

  constructor(channel: Channel, address: string, onStuck: () => void) {
    this.address = address;
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

  send(parts: readonly Uint8Array[]): void {
    this.#writer.write(parts, parts.length > 1);
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
