import { GREETING_BYTES } from "../support/zmtp-frames.ts";

/** What a connection may do. */
export interface GateLimits {
  /** Frames of a message (count). 1 where the role sends and expects one. */
  readonly partsMax: number;
  /** Bytes of a message, all its frames together. */
  readonly messageBytesMax: number;
  /** Bytes of all topics that a connection is subscribed to; 0 where nobody subscribes. */
  readonly topicBytesMax: number;
}

/** Bytes of a command other than a subscription: PING and PONG have at most 24, READY some hundreds. */
const COMMAND_BYTES_MAX = 1024;
/** Bytes of one topic, and what stands before it. */
const TOPIC_BYTES_MAX = 1024 + 16;

/** How ZMTP 3.1 and ZMTP 3.0 begin a subscription and its end. */
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
  | { readonly in: "refused" };

/**
 * Walks the bytes that a peer sends after ZMTP 3.x with the NULL mechanism, and stops at what libzmq would
 * take without a limit: messages of endless parts, endless subscriptions.
 *
 * Pure but for its own state, of at most a topic and the topics subscribed to; bodies are not looked at.
 */
export class GateReader {
  readonly #limits: GateLimits;
  /** A greeting, the head of a frame, or the body of a subscription, as far as it has come. */
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

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Whether the peer has said READY. */
  get handshaken(): boolean {
    return this.#handshaken;
  }

  /** Bytes of the topics that the peer is subscribed to. */
  get topicBytes(): number {
    return this.#topicBytes;
  }

  /** @returns null when the bytes may pass, or why the connection must end */
  read(bytes: Buffer): string | null {
    let at = 0;
    while (at < bytes.length) {
      const taken = Math.min(this.#wantedBytes, bytes.length - at);
      if (this.#state.in !== "body" || this.#state.captured) {
        bytes.copy(this.#held, this.#heldBytes, at, at + taken);
      }
      this.#heldBytes += taken;
      this.#wantedBytes -= taken;
      at += taken;
      while (this.#wantedBytes === 0) {
        const refusal = this.#complete();
        if (refusal === null) continue;
        this.#state = { in: "refused" };
        return refusal;
      }
    }
    return null;
  }

  #complete(): string | null {
    switch (this.#state.in) {
      case "greeting":
        return this.#onGreeting();
      case "head":
        return this.#onHead();
      case "body":
        return this.#state.captured ? this.#onCaptured() : this.#expect("head", 2);
      case "refused":
        return "already refused";
    }
  }

  #onGreeting(): string | null {
    const held = this.#held;
    if (held[0] !== 0xff || held[9] !== 0x7f || (held[10] ?? 0) < 3) return "not ZMTP 3";
    if (held.toString("latin1", 12, 32) !== "NULL".padEnd(20, "\0"))
      return "not the NULL mechanism";
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
      this.#handshaken = true;
      return bytes > COMMAND_BYTES_MAX ? "a command too long" : this.#expect("body", bytes);
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
    return refusal ?? this.#expect("head", 2);
  }

  #subscribe(topic: string): string | null {
    if (this.#topics.has(topic)) return null;
    this.#topics.add(topic);
    // Even the empty topic costs something.
    this.#topicBytes += topic.length + 1;
    return this.#topicBytes > this.#limits.topicBytesMax ? "too many subscriptions" : null;
  }

  #unsubscribe(topic: string): void {
    if (this.#topics.delete(topic)) this.#topicBytes -= topic.length + 1;
  }

  #expect(what: "head" | "body", bytes: number): null {
    this.#state = what === "head" ? { in: "head" } : { in: "body", captured: false };
    this.#heldBytes = 0;
    this.#wantedBytes = bytes;
    return null;
  }
}
