import { readReady } from "../native/ready-command.ts";

/** Limits on a connection. */
export interface GateLimits {
  /** Frames of a message (count). 1 where the role sends and expects one. */
  readonly partsMax: number;
  /** Bytes of a message, all its frames together. */
  readonly messageBytesMax: number;
  /** Bytes of all topics to which a connection is subscribed; 0 where nobody subscribes. */
  readonly topicBytesMax: number;
  /** Concurrent connections of an address (count). */
  readonly connectionsMax: number;
}

/** Total and limit of the subscribed topics of all connections of a gate (bytes). */
export class TopicBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns false when less is left */
  take(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes <= this.#bytesMax;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Bytes of the greeting of a ZMTP 3 connection. */
const GREETING_BYTES = 64;
/**
 * Longest command other than a subscription: PING and PONG have at most 24 bytes, READY and
 * INITIATE some hundreds (bytes).
 */
const COMMAND_BYTES_MAX = 1024;
/** Longest topic, with the bytes before it. */
const TOPIC_BYTES_MAX = 1024 + 16;

/** Commands of a client in the CURVE handshake: HELLO and INITIATE (count). */
const CURVE_COMMANDS = 2;

/** The security mechanism required of a connection. */
export type GateMechanism = "NULL" | "CURVE";

/** Prefixes of a subscription and of its end in ZMTP 3.1 and ZMTP 3.0. */
const AS_COMMANDS = ["\x09SUBSCRIBE", "\x06CANCEL"] as const;
const AS_MESSAGES = ["\x01", "\x00"] as const;

const MORE = 1;
const LONG = 2;
const COMMAND = 4;
const KNOWN_FLAGS = MORE | LONG | COMMAND;

type State =
  | { readonly in: "greeting" }
  | { readonly in: "head" }
  | { readonly in: "body"; readonly captured: boolean }
  /** CURVE: the client has sent all that it may before the server's READY. */
  | { readonly in: "waiting" }
  /** CURVE: the rest is encrypted, and comes from an admitted client. */
  | { readonly in: "passing" }
  | { readonly in: "refused" };

/**
 * Parses the bytes of a ZMTP 3.x peer, and stops where libzmq has no limit of its own: messages of
 * endless parts, endless subscriptions, long commands before the handshake; and at routing ids that
 * end a process. With CURVE it parses the handshake alone: the rest is encrypted, and comes from an
 * admitted client.
 *
 * Pure apart from its own state, which is at most a topic and the subscribed topics; message bodies
 * are not read.
 */
export class GateReader {
  readonly #limits: Omit<GateLimits, "connectionsMax">;
  readonly #budget: TopicBudget;
  readonly #mechanism: GateMechanism;
  /** A partial greeting, frame header, or body of a subscription. */
  readonly #held: Buffer = Buffer.alloc(TOPIC_BYTES_MAX);
  readonly #topics = new Set<string>();
  #state: State = { in: "greeting" };
  #heldBytes = 0;
  #wantedBytes = GREETING_BYTES;
  #flags = 0;
  #parts = 0;
  #messageBytes = 0;
  #topicBytes = 0;
  #handshaken = false;
  #commands = 0;
  #identity: string | null = null;
  #name: string | null = null;

  /**
   * @param budget limit shared by all connections of the gate; default: the limit of this
   *   connection
   */
  constructor(
    limits: Omit<GateLimits, "connectionsMax">,
    budget: TopicBudget = new TopicBudget(limits.topicBytesMax),
    mechanism: GateMechanism = "NULL",
  ) {
    this.#limits = limits;
    this.#budget = budget;
    this.#mechanism = mechanism;
  }

  /** Whether the peer has sent READY; with CURVE, whether it was admitted. */
  get handshaken(): boolean {
    return this.#handshaken;
  }

  /** The routing id that the peer has chosen, in latin1; null for none, or an encrypted one. */
  get identity(): string | null {
    return this.#identity;
  }

  /** The name of the peer, safe to display; null where it has none, or sends it encrypted. */
  get name(): string | null {
    return this.#name;
  }

  /** Whether nothing may arrive before {@link admitted}. */
  get waiting(): boolean {
    return this.#state.in === "waiting";
  }

  /** CURVE: the server has sent READY. */
  admitted(): void {
    if (this.#state.in !== "waiting") return;
    this.#handshaken = true;
    this.#state = { in: "passing" };
  }

  /** Bytes of the topics to which the peer is subscribed. */
  get topicBytes(): number {
    return this.#topicBytes;
  }

  /** The connection has ended, and its subscriptions with it. */
  end(): void {
    this.#topics.clear();
    this.#budget.giveBack(this.#topicBytes);
    this.#topicBytes = 0;
  }

  /** @returns null when the bytes may pass, or why the connection must end */
  read(bytes: Buffer): string | null {
    if (this.#state.in === "passing") return null;
    let at = 0;
    while (at < bytes.length) {
      if (this.waiting) return this.#refused("bytes before READY");
      const taken = Math.min(this.#wantedBytes, bytes.length - at);
      if (this.#state.in !== "body" || this.#state.captured) {
        bytes.copy(this.#held, this.#heldBytes, at, at + taken);
      }
      this.#heldBytes += taken;
      this.#wantedBytes -= taken;
      at += taken;
      while (this.#wantedBytes === 0) {
        const refusal = this.#complete();
        if (refusal !== null) return this.#refused(refusal);
        if (this.waiting) break;
      }
    }
    return null;
  }

  #refused(refusal: string): string {
    this.#state = { in: "refused" };
    return refusal;
  }

  #complete(): string | null {
    switch (this.#state.in) {
      case "greeting":
        return this.#onGreeting();
      case "head":
        return this.#onHead();
      case "body":
        return this.#onBody(this.#state.captured);
      default:
        return "already refused";
    }
  }

  #onGreeting(): string | null {
    const held = this.#held;
    if (held[0] !== 0xff || held[9] !== 0x7f || (held[10] ?? 0) < 3) return "not ZMTP 3";
    const mechanism = held.toString("latin1", 12, 32);
    if (mechanism !== padded(this.#mechanism)) return wrongMechanism(this.#mechanism, mechanism);
    return this.#expect("head", 2);
  }

  #onHead(): string | null {
    this.#flags = this.#held[0] as number;
    const long = (this.#flags & LONG) !== 0;
    if (long && this.#heldBytes === 2) {
      this.#wantedBytes = 7;
      return null;
    }
    const bytes = long ? Number(this.#held.readBigUInt64BE(1)) : (this.#held[1] as number);
    return this.#onFrame(bytes);
  }

  #onFrame(bytes: number): string | null {
    if ((this.#flags & ~KNOWN_FLAGS) !== 0) return "unknown flags";
    const more = (this.#flags & MORE) !== 0;
    const subscribing = this.#limits.topicBytesMax > 0 && this.#handshaken;
    if ((this.#flags & COMMAND) !== 0) {
      if (more) return "a command of several frames";
      if (subscribing) return this.#capture(bytes);
      if (bytes > COMMAND_BYTES_MAX) return "a command too long";
      return this.#isReady ? this.#capture(bytes) : this.#expect("body", bytes);
    }
    if (!this.#handshaken) return "a message before READY";
    this.#parts += 1;
    this.#messageBytes += bytes;
    if (this.#messageBytes > this.#limits.messageBytesMax) return "a message too long";
    if (more && this.#parts >= this.#limits.partsMax) return "a message of too many frames";
    if (!more) {
      this.#parts = 0;
      this.#messageBytes = 0;
    }
    return subscribing ? this.#capture(bytes) : this.#expect("body", bytes);
  }

  /** Whether the current command is the READY of the NULL mechanism. */
  get #isReady(): boolean {
    return this.#mechanism === "NULL" && !this.#handshaken;
  }

  #onBody(captured: boolean): string | null {
    if (this.#isReady) return this.#onReady();
    if (captured) return this.#onCaptured();
    this.#commands += 1;
    if (this.#mechanism === "NULL" || this.#commands < CURVE_COMMANDS)
      return this.#expect("head", 2);
    this.#state = { in: "waiting" };
    return null;
  }

  #onReady(): string | null {
    const verdict = readReady(this.#held.toString("latin1", 0, this.#heldBytes));
    if (verdict.refusal !== undefined) return verdict.refusal;
    this.#identity = verdict.identity;
    this.#name = verdict.name;
    this.#handshaken = true;
    return this.#expect("head", 2);
  }

  #capture(bytes: number): string | null {
    if (bytes > TOPIC_BYTES_MAX) return "a topic too long";
    this.#state = { in: "body", captured: true };
    this.#heldBytes = 0;
    this.#wantedBytes = bytes;
    return null;
  }

  #onCaptured(): string | null {
    const body = this.#held.toString("latin1", 0, this.#heldBytes);
    const [subscribe, cancel] = (this.#flags & COMMAND) !== 0 ? AS_COMMANDS : AS_MESSAGES;
    let refusal: string | null = null;
    if (body.startsWith(subscribe)) refusal = this.#subscribe(body.slice(subscribe.length));
    else if (body.startsWith(cancel)) this.#unsubscribe(body.slice(cancel.length));
    // Messages other than subscriptions would stay in the XPUB until a program reads them.
    else if ((this.#flags & COMMAND) === 0) refusal = "a message that is no subscription";
    return refusal ?? this.#expect("head", 2);
  }

  #subscribe(topic: string): string | null {
    if (this.#topics.has(topic)) return null;
    this.#topics.add(topic);
    // Even the empty topic is counted.
    const bytes = topic.length + 1;
    this.#topicBytes += bytes;
    const hasRoom = this.#budget.take(bytes);
    const { topicBytesMax } = this.#limits;
    if (this.#topicBytes > topicBytesMax) {
      return `too many subscriptions: their topics have more than ${topicBytesMax} bytes (option "peerTopicBytesMax")`;
    }
    return hasRoom ? null : "too many subscriptions of all peers together";
  }

  #unsubscribe(topic: string): void {
    if (!this.#topics.delete(topic)) return;
    const bytes = topic.length + 1;
    this.#topicBytes -= bytes;
    this.#budget.giveBack(bytes);
  }

  #expect(what: "head" | "body", bytes: number): null {
    this.#state = what === "head" ? { in: "head" } : { in: "body", captured: false };
    this.#heldBytes = 0;
    this.#wantedBytes = bytes;
    return null;
  }
}

function padded(mechanism: GateMechanism): string {
  return mechanism.padEnd(20, "\0");
}

/** @param said mechanism from the peer, padded, with arbitrary bytes */
function wrongMechanism(wanted: GateMechanism, said: string): string {
  const refusal = `not the ${wanted} mechanism`;
  const other = wanted === "CURVE" ? "NULL" : "CURVE";
  if (said !== padded(other)) return refusal;
  const [withKeys, without] = wanted === "CURVE" ? ["this side", "it"] : ["it", "this side"];
  return `${refusal}: ${withKeys} has keys (security) and ${without} has none`;
}
