import type { Clock } from "../../../clock.ts";
import type { Hello } from "../../../delivery/protocol/handshake.ts";
import type { LinkMessageInput } from "../../../delivery/protocol/link-message.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";
import type { ReceiverLink } from "./receiver-stream.ts";

/** First wait for a reply to a hello; doubled each time (milliseconds). */
const HELLO_MS = 1_000;
const HELLO_MS_MAX = 30_000;
/** A sender that was refused because another has its stream is asked again after this time (milliseconds). */
const RIVAL_MS = 30_000;
/** First pause before asking for another session, if nothing could be stored; doubled each time (milliseconds). */
const POSTPONE_MS = 200;
const POSTPONE_MS_MAX = 10_000;

/** Dependencies of {@link SessionRequests}. */
export interface SessionRequestsOptions {
  readonly clock: Clock;
  /** A random integer from 1 to 2^53 - 1. */
  readonly session: () => number;
  readonly hello: Hello;
  readonly sendTo: (peer: LinkPeer, message: LinkMessageInput) => void;
  /** A pause is over: a session is to be asked for on this connection. */
  readonly onDue: (link: ReceiverLink) => void;
}

/** Hellos: when a receiver asks for a session, how often, and the pause before it asks for another. */
export class SessionRequests {
  readonly #options: SessionRequestsOptions;
  /** Connections whose senders were refused because of another sender (count). */
  #rivals = 0;

  constructor(options: SessionRequestsOptions) {
    this.#options = options;
  }

  /** Asks for a session under a new number, and repeats that until there is a reply. */
  ask(link: ReceiverLink): void {
    this.withdraw(link);
    link.acks = 0;
    link.session = this.#options.session();
    this.#ask(link);
  }

  /** Asks for a heartbeat in the existing session. */
  sendHello({ peer, session }: ReceiverLink): void {
    const { sendTo, hello } = this.#options;
    sendTo(peer, { type: "hello", session, text: JSON.stringify(hello) });
  }

  /** Asks after a short pause on a connection whose last sessions ended too quickly one after the other. */
  askLater(link: ReceiverLink): void {
    this.#askAfter(link, HELLO_MS);
  }

  /** Nothing could be stored: asks again after a pause. */
  postpone(link: ReceiverLink): void {
    const delayMs = Math.min(POSTPONE_MS * 2 ** Math.min(link.postponed, 10), POSTPONE_MS_MAX);
    link.postponed += 1;
    this.#askAfter(link, delayMs);
  }

  /** Another sender has the stream: asks this one again later, when that may have changed. */
  defer(link: ReceiverLink, stream: string): void {
    this.#setRival(link, stream);
    this.#askAfter(link, RIVAL_MS);
  }

  /** A stream has no session any more. Its sender may come back within the grace; then another sender may get it. */
  released(stream: string, graceMs: number, links: Iterable<ReceiverLink>): void {
    if (this.#rivals === 0) return;
    for (const link of links) {
      if (link.rivalOf === stream) this.#askAfter(link, graceMs);
    }
  }

  /** A reply has arrived. */
  replied(link: ReceiverLink): void {
    link.cancelRetry?.();
    link.cancelRetry = null;
  }

  /** The session has begun. */
  begun(link: ReceiverLink): void {
    this.replied(link);
    link.hellos = 0;
  }

  /** Ends the requests on a connection. */
  withdraw(link: ReceiverLink): void {
    link.cancelRetry?.();
    this.#setRival(link, null);
  }

  #ask(link: ReceiverLink): void {
    this.sendHello(link);
    const delayMs = Math.min(HELLO_MS * 2 ** Math.min(link.hellos, 10), HELLO_MS_MAX);
    link.hellos += 1;
    link.cancelRetry = this.#options.clock.after(delayMs, () => this.#ask(link));
  }

  #askAfter(link: ReceiverLink, delayMs: number): void {
    const { clock, onDue } = this.#options;
    link.cancelRetry?.();
    link.cancelRetry = clock.after(delayMs, () => onDue(link));
  }

  #setRival(link: ReceiverLink, stream: string | null): void {
    this.#rivals += Number(stream !== null) - Number(link.rivalOf !== null);
    link.rivalOf = stream;
  }
}
