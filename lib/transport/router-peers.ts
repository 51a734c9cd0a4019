import type { Channel } from "./channel.ts";
import type { LinkPeer } from "./link-peer.ts";
import { LinkWriter, type LinkWriterListener } from "./link-writer.ts";

/** Peers of a ROUTER that are remembered at the same time; more are not listened to (count). */
const PEERS_MAX = 65_536;
/** So long a peer that does not read is not listened to, and one that was forgotten is known (milliseconds). */
const REST_MS = 1_000;
/** The address of a peer where there are several that it may have come to: ZeroMQ does not say which. */
const SEVERAL = "bound";

/** Dependencies of {@link RouterPeers}. */
export interface RouterPeersOptions {
  readonly channel: Channel;
  readonly onGone: (peer: RouterPeer) => void;
  /** A peer that does not read was given up. */
  readonly onStuck: (peer: RouterPeer) => void;
}

/**
 * The peers of a ROUTER, by the ids that ZeroMQ gave their connections.
 *
 * ZeroMQ cannot end one connection of a ROUTER. So a peer that does not read what it makes us say is not listened
 * to for a while instead, time after time: it costs no more than its frames.
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

  /** The peer that said something; null where it is not listened to. */
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

  /** Resolves when nothing waits for any of them. */
  async idle(): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer.idle()));
  }

  close(): void {
    if (this.#sweep !== null) clearTimeout(this.#sweep);
  }

  #make(key: string, id: Buffer): RouterPeer {
    const { channel, onGone, onStuck } = this.#options;
    const { bound } = channel.addresses;
    const peer: RouterPeer = new RouterPeer(id, {
      address: bound.length === 1 ? bound[0]! : SEVERAL,
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

/** A connection that others made. */
export class RouterPeer implements LinkPeer {
  readonly address: string;
  name: string | null = null;
  /** When it was heard last (ms). */
  heardMs = 0;
  /** Nothing is expected of it. */
  isForgotten = false;
  readonly #id: Buffer;
  readonly #writer: LinkWriter;
  readonly #options: RouterPeerOptions;
  /** When it was found not to read (ms); infinite where it was not. */
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

  /** It does not read, and is not listened to. */
  get isDeaf(): boolean {
    return this.#deafMs !== Number.POSITIVE_INFINITY;
  }

  /** Whether it need not be known any more: what it says next is that of another. */
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

  send(parts: readonly Uint8Array[]): void {
    this.#writer.write([this.#id, ...parts], parts.length > 1);
  }

  close(): void {
    this.#writer.close();
    // One that does not read is known for as long as it is not listened to.
    if (!this.isDeaf) this.#options.onClosed();
  }

  forget(): void {
    this.isForgotten = true;
    this.#options.onForgotten();
  }
}
