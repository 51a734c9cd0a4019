import { BrokerlessError } from "../errors.ts";
import type { Address } from "./address.ts";
import { Channel, type ChannelOptions } from "./channel.ts";
import { LinkWriter } from "./link-writer.ts";
import type { NativeKind } from "./native.ts";

/** The other end of a connection, to which messages can be sent. */
export interface LinkPeer {
  /** The endpoint over which it came or was reached, for people. */
  readonly address: string;
  /** Hands a message over, in order, as soon as there is room; never throws, never waits. */
  send(parts: readonly Uint8Array[]): void;
  /** Forgets the peer: what was not handed over is dropped. */
  close(): void;
  /**
   * Nothing is expected of the peer: it is not remembered once what was said to it is handed over. Should it speak
   * again, it is taken for another. A connection of our own making stays as it is.
   */
  forget(): void;
}

/** Told what happens on the connections of a {@link LinkHub}. */
export interface LinkHubListener {
  /** A connection that we made is up: it is ours to speak first. */
  readonly onConnect: (peer: LinkPeer) => void;
  readonly onMessage: (peer: LinkPeer, parts: readonly Buffer[]) => void;
  /** The connection is gone. */
  readonly onGone: (peer: LinkPeer) => void;
  /** A connection that others made is gone, but which one is only seen by sending to each. */
  readonly onSuspect: () => void;
  readonly onProblem: (error: BrokerlessError) => void;
  readonly onUnguarded: (error: BrokerlessError) => void;
}

/** Messages are received for so long before timers and other sockets get their turn (milliseconds). */
const TURN_MS_MAX = 8;
/**
 * A connection that is gone may have left messages that are still to be read, acknowledgements among them: its
 * end is told when none has come for so long (milliseconds).
 */
const QUIET_MS = 30;
/** Peers of a ROUTER that are remembered at the same time; more are not listened to (count). */
const PEERS_MAX = 65_536;

/**
 * The connections of a reliable socket: one ROUTER for all that it binds, and a DEALER for each address
 * that it connects to, so that a message always goes to a certain peer.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class LinkHub {
  readonly #options: Omit<ChannelOptions, "listener">;
  readonly #listener: LinkHubListener;
  #router: { readonly channel: Channel; readonly peers: Map<string, RouterPeer> } | null = null;
  readonly #dealers = new Map<string, DealerChannel>();
  #suspecting: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: Omit<ChannelOptions, "listener">, listener: LinkHubListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Peers that are remembered of those that connect to what we bind (count): a measure of memory. */
  get remembered(): number {
    return this.#router?.peers.size ?? 0;
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
          dealer.peer = new DealerPeer(dealer.channel, endpoint);
          if (before !== null) this.#listener.onGone(before);
          this.#listener.onConnect(dealer.peer);
        } else if (before !== null) {
          whenQuiet(before, () => {
            if (dealer.peer !== before) return;
            dealer.peer = null;
            this.#listener.onGone(before);
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
    void dealer.channel.close();
  }

  /**
   * Closes when what was sent is with ZeroMQ, where that lingers; resolves when every bound address can be
   * bound again.
   */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#suspecting !== null) clearTimeout(this.#suspecting);
    const peers = [...(this.#router?.peers.values() ?? [])].map((peer) => peer.idle());
    for (const { peer } of this.#dealers.values()) if (peer !== null) peers.push(peer.idle());
    if (peers.length > 0) await this.#patience(Promise.all(peers));
    const channels = [...this.#dealers.values()].map((dealer) => dealer.channel);
    if (this.#router !== null) channels.push(this.#router.channel);
    await Promise.all(channels.map((channel) => channel.close()));
  }

  /** A peer that takes nothing more does not keep us from closing. */
  async #patience(idle: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise((resolve) => {
      timer = setTimeout(resolve, this.#options.settings.lingerMs);
    });
    await Promise.race([idle, tooLate]);
    clearTimeout(timer);
  }

  #openRouter(): { readonly channel: Channel; readonly peers: Map<string, RouterPeer> } {
    const channel = this.#open("router", ({ type }) => {
      if (type === "peerLost") this.#suspect();
    });
    const peers = new Map<string, RouterPeer>();
    void this.#read(channel, (parts) => {
      const id = parts[0]!;
      const key = id.toString("latin1");
      let peer = peers.get(key);
      if (peer === undefined) {
        if (peers.size >= PEERS_MAX) return;
        const added = new RouterPeer(channel, Buffer.from(id), {
          // One that was forgotten and speaks again is another peer.
          onForgotten: () => peers.get(key) === added && peers.delete(key),
          onGone: () => whenQuiet(added, () => this.#listener.onGone(added)),
        });
        peer = added;
        peers.set(key, peer);
      }
      peer.heardMs = performance.now();
      this.#listener.onMessage(peer, parts.slice(1));
    });
    return { channel, peers };
  }

  /** One suspicion for all that go at about the same time: each costs a message to every peer that is left. */
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
    return new Channel(kind, { ...this.#options, listener, sendsWait: false });
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

/** One connection of our making. */
interface DealerChannel {
  readonly channel: Channel;
  peer: DealerPeer | null;
}

/** Calls back when nothing has been heard of a peer for a while. */
function whenQuiet(peer: { readonly heardMs: number }, call: () => void): void {
  const check = (): void => {
    if (performance.now() - peer.heardMs < QUIET_MS) setTimeout(check, QUIET_MS).unref();
    else call();
  };
  setTimeout(check, QUIET_MS).unref();
}

class DealerPeer implements LinkPeer {
  readonly address: string;
  /** When it was heard last (ms). */
  heardMs = 0;
  readonly #writer: LinkWriter;

  constructor(channel: Channel, address: string) {
    this.address = address;
    // A DEALER without a peer only says EAGAIN; that the peer is gone is what its monitor says.
    this.#writer = new LinkWriter(channel, () => {});
  }

  idle(): Promise<void> {
    return this.#writer.idle();
  }

  send(parts: readonly Uint8Array[]): void {
    this.#writer.write(parts);
  }

  close(): void {
    this.#writer.close();
  }

  forget(): void {}
}

class RouterPeer implements LinkPeer {
  readonly address = "bound";
  /** When it was heard last (ms). */
  heardMs = 0;
  readonly #id: Buffer;
  readonly #writer: LinkWriter;
  readonly #onForgotten: () => void;

  constructor(
    channel: Channel,
    id: Buffer,
    listener: { readonly onForgotten: () => void; readonly onGone: () => void },
  ) {
    this.#id = id;
    this.#onForgotten = listener.onForgotten;
    this.#writer = new LinkWriter(channel, listener.onGone);
  }

  idle(): Promise<void> {
    return this.#writer.idle();
  }

  send(parts: readonly Uint8Array[]): void {
    this.#writer.write([this.#id, ...parts]);
  }

  close(): void {
    this.#onForgotten();
    this.#writer.close();
  }

  forget(): void {
    this.#onForgotten();
  }
}

function notThere(verb: string, address: string, what: string): BrokerlessError {
  const message = `cannot ${verb} ${address}: it is not ${what}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message);
}
