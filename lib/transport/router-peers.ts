import type { Channel } from "./channel.ts";
import type { LinkPeer } from "./link-peer.ts";
import { LinkWriter, type LinkWriterListener } from "./link-writer.ts";

/** Remembered peers of a ROUTER at the same time; messages of further ones are ignored (count). */
const PEERS_MAX = 65_536;
/**
 * Time for which a peer that does not read is ignored, and for which a forgotten one stays known
 * (milliseconds).
 */
const REST_MS = 1_000;

/** Dependencies of {@link RouterPeers}. */
export interface RouterPeersOptions {
  readonly channel: Channel;
  readonly onGone: (peer: RouterPeer) => void;
  /** A peer that does not read was dropped. */
  readonly onStuck: (peer: RouterPeer) => void;
}

/**
 * The peers of a ROUTER, by the ids that ZeroMQ gave their connections.
 *
 * ZeroMQ cannot end one connection of a ROUTER. So the messages of a peer that does not read the
 * replies it provokes are ignored for a while instead, repeatedly: it costs no more than its
 * frames.
 */
export class RouterPeers {
  readonly #options: RouterPeersOptions;
  readonly #peers = new Map<string, RouterPeer>();
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: RouterPeersOptions) {
    this.#options = options;
  }

  /** Peers that are remembered (count). */
  get size(): number {
    return this.#peers.size;
  }

  /** The sender of a message; null where it is ignored. */
  heard(id: Buffer): RouterPeer | null {
    const key = id.toString("latin1");
    const nowMs = performance.now();
    let peer = this.#peers.get(key);
    if (peer === undefined || peer.isPast(nowMs)) {
      if (peer === undefined && this.#peers.size >= PEERS_MAX) return null;
      peer = this.#make(key, Buffer.from(id));
    }
    if (peer.isDeaf) return null;
    peer.heardMs = nowMs;
    peer.isForgotten = false;
    return peer;
  }

  /**
   * The ROUTER reports that a connection was made or has ended, in turn for each id.
   *
   * @returns the peer, and whether it is new; null where it is ignored
   */
  changed(id: Buffer): { readonly peer: RouterPeer; readonly isNew: boolean } | null {
    const known = this.get(id);
    if (known !== null) return { peer: known, isNew: false };
    const peer = this.heard(id);
    return peer === null ? null : { peer, isNew: true };
  }

  /** The peer with this id; null where none is known. */
  get(id: Buffer): RouterPeer | null {
    return this.#peers.get(id.toString("latin1")) ?? null;
  }

  /** Forgets all peers. @returns them */
  clear(): RouterPeer[] {
    const all = [...this.#peers.values()];
    for (const peer of all) peer.close();
    this.#peers.clear();
    return all;
  }

  /** Whether a peer is known by this id. */
  has(id: Buffer): boolean {
    return this.#peers.has(id.toString("latin1"));
  }

  /** Resolves when nothing waits for any of them. */
  async idle(): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer.idle()));
  }

  close(): void {
    if (this.#sweep !== null) clearTimeout(this.#sweep);
  }

  #make(key: string, id: Buffer): RouterPeer {
    const { channel, onGone, onStuck } = this.#options;
    const peer: RouterPeer = new RouterPeer(id, {
      address: channel.peerAddress,
      writer: (listener) => new LinkWriter(channel, listener),
      onForgotten: () => this.#sweepLater(),
      onClosed: () => this.#peers.get(key) === peer && this.#peers.delete(key),
      onGone: () => onGone(peer),
      onStuck: () => {
        this.#sweepLater();
        onStuck(peer);
      },
    });
    this.#peers.set(key, peer);
    return peer;
  }

  #sweepLater(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = null;
      const nowMs = performance.now();
      let left = false;
      for (const [key, peer] of this.#peers) {
        if (peer.isPast(nowMs)) this.#peers.delete(key);
        else left ||= peer.isForgotten || peer.isDeaf;
      }
      if (left) this.#sweepLater();
    }, REST_MS).unref();
  }
}

interface RouterPeerOptions {
  readonly address: string;
  readonly writer: (listener: LinkWriterListener) => LinkWriter;
  readonly onForgotten: () => void;
  readonly onClosed: () => void;
  readonly onGone: () => void;
  readonly onStuck: () => void;
}

/** An incoming connection. */
export class RouterPeer implements LinkPeer {
  readonly address: string;
  readonly isShared = false;
  name: string | null = null;
  /** Time of the last message from the peer (ms). */
  heardMs = 0;
  /** Nothing is expected of the peer. */
  isForgotten = false;
  readonly #id: Buffer;
  readonly #writer: LinkWriter;
  readonly #options: RouterPeerOptions;
  /** Time at which the peer was detected not to read (ms); infinite for none. */
  #deafMs = Number.POSITIVE_INFINITY;

  constructor(id: Buffer, options: RouterPeerOptions) {
    this.address = options.address;
    this.#id = id;
    this.#options = options;
    this.#writer = options.writer({
      onGone: options.onGone,
      onStuck: () => {
        this.#deafMs = performance.now();
        options.onStuck();
      },
    });
  }

  /** Whether the peer does not read, and is ignored. */
  get isDeaf(): boolean {
    return this.#deafMs !== Number.POSITIVE_INFINITY;
  }

  /** Whether the peer can be removed: its next message counts as that of another peer. */
  isPast(nowMs: number): boolean {
    if (this.isDeaf) return nowMs - this.#deafMs >= REST_MS;
    return this.isForgotten && this.#writer.isIdle && nowMs - this.heardMs >= REST_MS;
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
    this.#writer.write([this.#id, ...parts], isData);
  }

  close(): void {
    this.#writer.close();
    // A peer that does not read stays known for as long as it is ignored.
    if (!this.isDeaf) this.#options.onClosed();
  }

  forget(): void {
    this.isForgotten = true;
    this.#options.onForgotten();
  }
}
