import { Batch } from "../../lib/batch/batch.ts";
import { BatchEncoder } from "../../lib/batch/batch-encoder.ts";
import type { Hello } from "../../lib/delivery/protocol/handshake.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  type LinkMessage,
  type LinkMessageInput,
} from "../../lib/delivery/protocol/link-message.ts";
import { ReceiveDriver } from "../../lib/reliable/receiver/sessions/receive-driver.ts";
import type { LinkPeer } from "../../lib/transport/link-peer.ts";
import { ManualClock } from "./manual-clock.ts";

const STREAM = "5".repeat(32);
const HELLO: Hello = {
  receiver: "0".repeat(32),
  incarnation: "1".repeat(32),
  codec: "raw",
  prefetch: 1_000,
  prefetchBytesMax: 100_000,
  messageBytesMax: 50_000,
};

/** The sessions of a receiver, with senders that a test plays. */
export class MetReceiver {
  readonly clock: ManualClock = new ManualClock();
  readonly problems: string[] = [];
  readonly links: ReceiveDriver;
  readonly hello: Hello;
  #sessions = 0;

  constructor(hello: Partial<Hello> = {}) {
    this.hello = { ...HELLO, ...hello };
    this.links = new ReceiveDriver({
      clock: this.clock,
      session: () => ++this.#sessions,
      hello: this.hello,
      heartbeatMs: 0,
      inbox: null,
      untouched: () => [],
      onPeer: () => {},
      onWaiting: () => {},
      onRevoked: () => {},
      onDiverged: () => {},
      onProblem: ({ message }) => this.problems.push(message),
    });
  }

  /** A sender that has a session. */
  meet(stream: string = STREAM): MetSender {
    const sender = new MetSender(this.links, stream);
    sender.welcome();
    return sender;
  }

  /** The application takes what is next. @returns how many messages it was given (count) */
  take(): { readonly first: number; readonly last: number; done(): void } | null {
    const next = this.links.inFlight.next(Number.POSITIVE_INFINITY);
    if (next === null) return null;
    const { stream, item } = next;
    const { first, last } = item;
    return { first, last, done: () => this.links.inFlight.done(stream, first, last) };
  }
}

/** A sender that says what it is told to. */
export class MetSender {
  /** What the receiver has said, the newest last. */
  readonly heard: LinkMessage[] = [];
  readonly #links: ReceiveDriver;
  readonly #stream: string;
  readonly #peer: LinkPeer = {
    address: "x",
    isShared: false,
    name: null,
    send: (parts) => {
      const message = decodeLinkMessage(Buffer.from(parts[0]!));
      if (!("fault" in message)) this.heard.push(message);
    },
    close: () => {},
    isFull: false,
    onRoom: () => {},
    forget: () => {},
  };

  constructor(links: ReceiveDriver, stream: string) {
    this.#links = links;
    this.#stream = stream;
  }

  get session(): number {
    return this.heard.findLast(({ type }) => type === "hello")!.session;
  }

  /** What it was refused with; the newest. */
  get refusal(): string | null {
    return this.heard.findLast(({ type }) => type === "refuse")?.text ?? null;
  }

  welcome(): void {
    this.#links.onConnect(this.#peer);
    const text = JSON.stringify({
      stream: this.#stream,
      epoch: 1,
      epochSeqFirst: 1,
      epochsBefore: [],
      floor: 0,
      codec: "raw",
      leaseMs: 1_000_000,
      graceMs: 1_000_000,
      heartbeatMs: 0,
    });
    this.say({ type: "welcome", text });
  }

  say(message: Omit<LinkMessageInput, "session">): void {
    const { session } = this;
    this.#links.onMessage(this.#peer, [Buffer.from(encodeLinkMessage({ ...message, session }))]);
  }

  /** Sends messages of these sizes (bytes). */
  data(seqFirst: number, sizes: readonly number[]): void {
    const encoder = new BatchEncoder();
    for (const size of sizes) encoder.add(Buffer.alloc(size, 1));
    const draft = encoder.take();
    const stream = Buffer.from(this.#stream, "hex");
    draft.seal({ stream, epoch: 1, seqFirst, durableBefore: 0, timeMs: 0 });
    const { bytes } = new Batch(draft.batch);
    const header = encodeLinkMessage({ type: "data", session: this.session, argument: 1 });
    this.#links.onMessage(this.#peer, [Buffer.from(header), Buffer.from(bytes)]);
  }
}
