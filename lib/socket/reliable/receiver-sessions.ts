import type { Batch } from "../../batch/batch.ts";
import type { Clock } from "../../clock.ts";
import { type Hello, parseWelcome, type Welcome } from "../../delivery/handshake.ts";
import {
  encodeLinkMessage,
  type LinkMessageInput,
  RANGES_MAX,
} from "../../delivery/link-message.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { Window } from "../../delivery/window.ts";
import type { LinkPeer } from "../../transport/link-hub.ts";
import type { InboxMemory } from "./inbox-memory.ts";
import type { ReceiverLink, ReceiverStream } from "./receiver-stream.ts";

/** What {@link ReceiverSessions} are made of. */
export interface ReceiverSessionsOptions {
  readonly clock: Clock;
  /** A random whole number from 1 to 2^53 - 1. */
  readonly session: () => number;
  readonly hello: Hello;
  readonly heartbeatMs: number;
  readonly memory: InboxMemory | null;
  /** Messages of the application's that are not yet looked at, to be kept for it. */
  readonly untouched: () => readonly {
    readonly stream: ReceiverStream;
    readonly range: SeqRange;
  }[];
  readonly onPeer: (type: "peer" | "peerLost", address: string, peers: number) => void;
  /** The sender has given what we did not come back for to others by now. */
  readonly onExpired: (stream: ReceiverStream) => void;
}

/** First wait for an answer to a hello; it doubles (milliseconds). */
const HELLO_MS = 1_000;
const HELLO_MS_MAX = 30_000;
/** A sender that was silent for so many of its heartbeats is gone (count). */
const HEARTBEATS_MISSED_MAX = 3;
/** Streams that are remembered without a session (count). */
const STREAMS_IDLE_MAX = 1_024;

/** The sessions of a receiver, the streams that they carry, and the signs of life on them. */
export class ReceiverSessions {
  readonly #options: ReceiverSessionsOptions;
  readonly #links = new Map<LinkPeer, ReceiverLink>();
  readonly #streams = new Map<string, ReceiverStream>();
  #openCount = 0;
  #cancelBeat: (() => void) | null = null;
  #stopped = false;

  constructor(options: ReceiverSessionsOptions) {
    this.#options = options;
    this.#beat();
  }

  /** Sessions that messages may come over (count). */
  get openCount(): number {
    return this.#openCount;
  }

  get streams(): Iterable<ReceiverStream> {
    return this.#streams.values();
  }

  get links(): Iterable<ReceiverLink> {
    return this.#links.values();
  }

  /** The session of a connection. */
  of(peer: LinkPeer): ReceiverLink | undefined {
    return this.#links.get(peer);
  }

  /** Asks for a session on a connection, again until there is an answer. */
  ask(peer: LinkPeer): void {
    const link = this.#linkOf(peer);
    // A connection that has a session: the sender has forgotten it.
    this.close(link);
    link.cancelRetry?.();
    link.session = this.#options.session();
    const ask = (): void => {
      const { session } = link;
      this.say(peer, { type: "hello", session, text: JSON.stringify(this.#options.hello) });
      const delayMs = Math.min(HELLO_MS * 2 ** Math.min(link.hellos, 10), HELLO_MS_MAX);
      link.hellos += 1;
      link.cancelRetry = this.#options.clock.after(delayMs, ask);
    };
    ask();
  }

  /** The sender accepts. @returns the stream that the session carries, or in words why we do not */
  open(link: ReceiverLink, text: string): ReceiverStream | string {
    const welcome = parseWelcome(text);
    if (typeof welcome === "string") return `welcome: ${welcome}`;
    const { codec } = this.#options.hello;
    if (welcome.codec !== codec) {
      return `the codecs differ: ${welcome.codec} at the sender, ${codec} at the receiver`;
    }
    link.cancelRetry?.();
    link.cancelRetry = null;
    link.hellos = 0;
    const stream = this.#streamOf(welcome);
    // The sender came over a new connection before the end of the old one was noticed.
    if (stream.link !== null) this.close(stream.link);
    stream.cancelGrace?.();
    stream.cancelGrace = null;
    stream.link = link;
    stream.welcome = welcome;
    link.stream = stream;
    this.#openCount += 1;
    return stream;
  }

  /** The session is over; the connection may carry another. */
  close(link: ReceiverLink): void {
    const { stream } = link;
    if (stream === null) return;
    const { clock, onPeer, onExpired } = this.#options;
    link.stream = null;
    this.#openCount -= 1;
    if (stream.link === link) {
      stream.link = null;
      stream.window.step({ type: "closed" });
      stream.cancelGrace = clock.after(stream.welcome.graceMs, () => {
        stream.cancelGrace = null;
        onExpired(stream);
      });
    }
    onPeer("peerLost", link.peer.address, this.#openCount);
  }

  /** The connection is of no more use. */
  end(link: ReceiverLink): void {
    this.close(link);
    link.cancelRetry?.();
    this.#links.delete(link.peer);
  }

  /** The connection is of no more use, though it is there. */
  forget(link: ReceiverLink): void {
    this.end(link);
    link.peer.forget();
  }

  /** Says something to the sender of a stream, where there is a session that has begun. */
  tell(stream: ReceiverStream, message: Omit<LinkMessageInput, "session">): void {
    const { link } = stream;
    if (link === null || link.acks === 0) return;
    this.say(link.peer, { ...message, session: link.session });
  }

  /** Says something of ranges, in as many messages as it takes. */
  tellRanges(
    stream: ReceiverStream,
    message: Omit<LinkMessageInput, "session">,
    ranges: readonly SeqRange[],
  ): void {
    for (let at = 0; at < ranges.length; at += RANGES_MAX) {
      this.tell(stream, { ...message, ranges: ranges.slice(at, at + RANGES_MAX) });
    }
  }

  say(peer: LinkPeer, message: LinkMessageInput): void {
    if (!this.#stopped) peer.send([encodeLinkMessage(message)]);
  }

  /** Says nothing more. */
  stop(): void {
    this.#stopped = true;
    for (const link of this.#links.values()) link.cancelRetry?.();
    for (const stream of this.#streams.values()) stream.cancelGrace?.();
    this.#cancelBeat?.();
  }

  #linkOf(peer: LinkPeer): ReceiverLink {
    let link = this.#links.get(peer);
    if (link === undefined) {
      const heardMs = this.#options.clock.nowMs();
      const session = 0;
      link = { peer, session, stream: null, acks: 0, heardMs, cancelRetry: null, hellos: 0 };
      this.#links.set(peer, link);
    }
    return link;
  }

  #streamOf(welcome: Welcome): ReceiverStream {
    const id = welcome.stream;
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      const window = new Window<Batch>(this.#options.memory?.recall(id) ?? null);
      const idle = { link: null, cancelGrace: null, isAckDue: false, isRemembered: true };
      stream = {
        id,
        window,
        welcome,
        reasons: new Map(),
        storing: new Map(),
        acking: null,
        ...idle,
      };
      this.#streams.set(id, stream);
      this.#forgetIdle();
    }
    return stream;
  }

  #forgetIdle(): void {
    for (const [id, stream] of this.#streams) {
      if (this.#streams.size <= STREAMS_IDLE_MAX + this.#links.size) return;
      if (stream.link === null && stream.window.isEmpty) this.#streams.delete(id);
    }
  }

  /** Signs of life, and of what waits here unspoilt: its lease goes on. */
  #beat(): void {
    const { heartbeatMs, clock } = this.#options;
    let everyMs = heartbeatMs === 0 ? Number.POSITIVE_INFINITY : heartbeatMs;
    for (const { welcome, link } of this.#streams.values()) {
      if (link !== null) everyMs = Math.min(everyMs, welcome.leaseMs / 3);
    }
    const delayMs = Math.max(1, Math.min(everyMs, 1_000));
    this.#cancelBeat = clock.after(delayMs, () => {
      const untouched = this.#options.untouched();
      for (const stream of this.#streams.values()) this.#keep(stream, untouched);
      this.#beat();
    });
  }

  #keep(
    stream: ReceiverStream,
    untouched: readonly { readonly stream: ReceiverStream; readonly range: SeqRange }[],
  ): void {
    const { link, window, welcome } = stream;
    if (link === null) return;
    const silentMs = this.#options.clock.nowMs() - link.heardMs;
    if (welcome.heartbeatMs > 0 && silentMs > welcome.heartbeatMs * HEARTBEATS_MISSED_MAX) {
      this.ask(link.peer);
      return;
    }
    const ranges = [
      ...window.waiting(),
      ...untouched.filter((some) => some.stream === stream).map((some) => some.range),
    ].sort((a, b) => a.first - b.first);
    const word = welcome.leaseMs;
    this.tell(stream, { type: "extend", word, ranges: ranges.slice(0, RANGES_MAX) });
  }
}
