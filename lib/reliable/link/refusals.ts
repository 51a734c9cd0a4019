import type { Clock } from "../../clock.ts";
import {
  decodeLinkMessage,
  type LinkMessage,
  type LinkMessageInput,
  REFUSED,
} from "../../delivery/protocol/link-message.ts";
import { BrokerlessError } from "../../errors.ts";
import { peerLabel, peerText } from "../../peer-text.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";
import { ReplyLimit } from "./reply-limit.ts";

const COPY =
  'stop it, or make the copy one of its own by "npx brokerless journal repair --new-stream DIRECTORY"';

/** Dependencies of {@link Refusals}. */
export interface RefusalsOptions {
  readonly clock: Clock;
  /** The role of the peers of this end. */
  readonly peers: "sender" | "receiver";
  readonly sendTo: (peer: LinkPeer, message: LinkMessageInput) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/** The messages of a link that end a session, or refuse one, and the errors that each end reports. */
export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #replies: ReplyLimit;

  constructor(options: RefusalsOptions) {
    this.#options = options;
    this.#replies = new ReplyLimit(options.clock);
  }

  /** @returns whether the connection gets one more reply now */
  allows(peer: LinkPeer): boolean {
    return this.#replies.allows(peer);
  }

  /** Refuses a peer's message, and reports that on both sides. */
  refuse(peer: LinkPeer, session: number, text: string): void {
    if (this.allows(peer)) this.#options.sendTo(peer, { type: "refuse", session, text });
    const message = `refused a peer (${peerLabel(peer)}): ${text}`;
    this.#options.onProblem(new BrokerlessError("BROKERLESS_PROTOCOL", message));
  }

  /** Tells a peer that the session of its message does not exist. */
  noSession(peer: LinkPeer, session: number): void {
    if (!this.allows(peer)) return;
    const text = "no such session: it has ended, or never was";
    this.#options.sendTo(peer, { type: "refuse", session: session || 1, text });
  }

  /** Refuses a peer that asks for something another peer has. */
  refuseRival(peer: LinkPeer, session: number, text: string): void {
    const { peers, sendTo, onProblem } = this.#options;
    sendTo(peer, { type: "refuse", session, argument: REFUSED.rival, text });
    onProblem(rivalError(peers, `refused a peer: ${text}`));
  }

  /** A peer refuses this end. @returns whether the reason is that another peer has what this end asks for */
  refused(peer: LinkPeer, { text, argument }: LinkMessage): boolean {
    const { peers, onProblem } = this.#options;
    const message = `refused by a peer (${peerLabel(peer)}): ${peerText(text)}`;
    const isRival = argument === REFUSED.rival;
    const own = peers === "sender" ? "receiver" : "sender";
    onProblem(
      isRival ? rivalError(own, message) : new BrokerlessError("BROKERLESS_PROTOCOL", message),
    );
    return isRival;
  }
}

/**
 * Decodes the first frame of a message. Pure.
 *
 * @param partsMax limit on the frames of a message (count)
 * @returns the message, or as text what is wrong with it
 */
export function readLinkMessage(parts: readonly Buffer[], partsMax: number): LinkMessage | string {
  const isFew = parts.length >= 1 && parts.length <= partsMax;
  const message = isFew ? decodeLinkMessage(parts[0]!) : null;
  if (message !== null && !("fault" in message)) return message;
  const fault = message === null ? `it has ${parts.length} frames` : message.fault;
  return `not a message of the link protocol: ${fault}`;
}

/**
 * The error text for both sides if a peer has the same role as this end, or is the socket itself. Pure.
 *
 * @param both the role of both ends
 */
export function sameRole(both: "sender" | "receiver"): string {
  const [own, wanted] =
    both === "sender"
      ? ["a reliable Push or WorkQueue", "a reliable Pull or Worker"]
      : ["a reliable Pull or Worker", "a reliable Push or WorkQueue"];
  return `both sides are ${both}s, of the same role: ${own} needs ${wanted} at the other end`;
}

/**
 * The error for both sides if two peers exist where there can be only one. Pure.
 *
 * @param kind role of the two
 * @param text names both
 */
function rivalError(kind: "sender" | "receiver", text: string): BrokerlessError {
  const what = kind === "sender" ? "journal" : "inbox";
  const message = `${text}. One of them runs on a copy of the other's ${what}: ${COPY}`;
  return new BrokerlessError("BROKERLESS_LOCKED", message);
}
