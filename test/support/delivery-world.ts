import { createHash } from "node:crypto";
import type { SeqRange } from "../../lib/delivery/range.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { InboxMemory } from "../../lib/socket/reliable/inbox-memory.ts";
import { ReceiverLinks } from "../../lib/socket/reliable/receiver-links.ts";
import type { ReceiverStream } from "../../lib/socket/reliable/receiver-stream.ts";
import { SenderLinks } from "../../lib/socket/reliable/sender-links.ts";
import type { LinkPeer } from "../../lib/transport/link-hub.ts";
import { ManualClock } from "./manual-clock.ts";
import { Random } from "./random.ts";

/** What a run is like. */
export interface WorldOptions {
  readonly receivers: number;
  readonly exclusive: boolean;
  /** Whether receivers are killed; with an inbox they remember. */
  readonly receiverCrashes: boolean;
  readonly prefetch: number;
  /** Switches a protection off: the run must then fail. */
  readonly sabotage?: "forget done" | "accept any ack" | undefined;
}

/** A message of the simulated wire. */
type Parts = readonly Buffer[];

/** One connection: two queues, which are lost with it. */
class Wire {
  readonly toSender: Parts[] = [];
  readonly toReceiver: Parts[] = [];
  isCut = false;
  readonly senderEnd: LinkPeer = this.#end(this.toReceiver);
  readonly receiverEnd: LinkPeer = this.#end(this.toSender);

  #end(queue: Parts[]): LinkPeer {
    return {
      address: "simulated",
      send: (parts) => {
        if (!this.isCut) queue.push(parts.map((part) => Buffer.from(part)));
      },
      close: () => {},
    };
  }
}

class SimReceiver {
  readonly name: string;
  readonly inbox: MemoryJournal = new MemoryJournal();
  links: ReceiverLinks | null = null;
  wire: Wire | null = null;
  /** In the application's hands. */
  inHand: { readonly stream: ReceiverStream; readonly seq: number; readonly attempt: number }[] =
    [];

  constructor(name: string) {
    this.name = name;
  }
}

/** Sender, receivers, wires, journals and a clock, all driven from one seed; the shells are the real ones. */
export class DeliveryWorld {
  readonly clock: ManualClock = new ManualClock();
  readonly random: Random;
  /** Effects in the order of their happening: seq and receiver. */
  readonly effects: { readonly seq: number; readonly receiver: string }[] = [];
  readonly errors: string[] = [];
  readonly journal: MemoryJournal = new MemoryJournal();
  readonly #trace = createHash("sha256");
  readonly #options: WorldOptions;
  readonly #receivers: SimReceiver[];
  #sender: SenderLinks | null = null;
  #sessions = 0;

  constructor(seed: number, options: WorldOptions) {
    this.random = new Random(seed);
    this.#options = options;
    this.#receivers = Array.from(
      { length: options.receivers },
      (_, index) => new SimReceiver(String(index).repeat(32)),
    );
    this.#startSender();
    for (const receiver of this.#receivers) this.#startReceiver(receiver);
  }

  /** A digest of everything that happened. */
  get trace(): string {
    return this.#trace.copy().digest("hex");
  }

  /** Plays random steps, then lets everything come to rest. */
  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step(false);
    // Then nothing more goes wrong, and everything must come to its end.
    for (let step = 0; step < 6_000 && !this.isAtRest; step++) await this.#step(true);
  }

  get isAtRest(): boolean {
    return this.#sender !== null && this.#sender.dispatcher.floor === this.journal.seqStored;
  }

  async #step(isCalm: boolean): Promise<void> {
    const { random } = this;
    const roll = random.next();
    const receiver = this.#receivers[random.below(this.#receivers.length)]!;
    if (roll < 0.5) this.#carry(receiver);
    else if (roll < 0.7) this.#work(receiver, isCalm);
    else if (roll < 0.8) this.clock.advance(random.below(60));
    else if (roll < 0.88 && !isCalm) await this.#send();
    else if (roll < 0.91) this.#connect(receiver);
    else if (roll < 0.93 && !isCalm) this.#cut(receiver);
    else if (roll < 0.935 && !isCalm) this.#crashSender();
    else if (roll < 0.94 && !isCalm && this.#options.receiverCrashes) this.#crashReceiver(receiver);
    if (isCalm) for (const other of this.#receivers) this.#connect(other);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #send(): Promise<void> {
    const count = 1 + this.random.below(5);
    await this.journal.append(Array.from({ length: count }, () => Buffer.from("message")));
    this.#note(`stored ${this.journal.seqStored}`);
    this.#sender?.fill();
  }

  #carry(receiver: SimReceiver): void {
    const { wire } = receiver;
    if (wire === null) return;
    const goesToSender = this.random.chance(0.5);
    for (let count = this.random.below(4); count >= 0; count--) {
      const parts = (goesToSender ? wire.toSender : wire.toReceiver).shift();
      if (parts === undefined) return;
      // The header alone: streams have random names.
      this.#note(`${receiver.name} ${goesToSender} ${parts[0]!.toString("hex", 0, 32)}`);
      if (goesToSender) this.#sender?.onMessage(wire.senderEnd, parts);
      else receiver.links?.onMessage(wire.receiverEnd, parts);
    }
  }

  #work(receiver: SimReceiver, isCalm: boolean): void {
    const { links, inHand } = receiver;
    if (links === null) return;
    const next = inHand.length < 3 ? links.next(1) : null;
    if (next !== null) {
      const { stream, item } = next;
      inHand.push({ stream, seq: item.first, attempt: item.attempt });
    }
    const { exclusive, receivers } = this.#options;
    // Where order is promised the application works on one after another.
    const at = exclusive || receivers === 1 ? 0 : this.random.below(inHand.length);
    const message = inHand[at];
    if (message === undefined) return;
    inHand.splice(at, 1);
    const { stream, seq } = message;
    if (!isCalm && this.random.chance(0.1)) {
      links.nack(stream, { first: seq, last: seq }, this.random.below(50));
      // What lies behind it goes back unread, as the socket does it.
      for (const other of inHand.splice(0)) {
        links.release(other.stream, { first: other.seq, last: other.seq });
      }
      return;
    }
    this.effects.push({ seq, receiver: receiver.name });
    this.#note(`effect ${seq} ${receiver.name}`);
    if (this.#options.sabotage === "forget done") {
      stream.window.step({ type: "done", first: seq, last: seq });
      stream.window.step({ type: "news", acks: Number.MAX_SAFE_INTEGER, floor: seq });
    }
    links.done(stream, seq, seq);
  }

  #connect(receiver: SimReceiver): void {
    if (receiver.wire !== null || receiver.links === null || this.#sender === null) return;
    receiver.wire = new Wire();
    this.#note(`connect ${receiver.name}`);
    if (this.random.chance(0.5)) receiver.links.onConnect(receiver.wire.receiverEnd);
    else this.#sender.onConnect(receiver.wire.senderEnd);
  }

  #cut(receiver: SimReceiver): void {
    const { wire } = receiver;
    if (wire === null) return;
    this.#note(`cut ${receiver.name}`);
    receiver.wire = null;
    wire.isCut = true;
    this.#sender?.onGone(wire.senderEnd);
    receiver.links?.onGone(wire.receiverEnd);
  }

  #crashSender(): void {
    this.#note("sender crashes");
    // Nothing is saved: what the journal has is what there is.
    this.#sender?.abandon();
    this.#sender = null;
    for (const receiver of this.#receivers) this.#cut(receiver);
    this.#startSender();
  }

  #crashReceiver(receiver: SimReceiver): void {
    this.#note(`crash ${receiver.name}`);
    receiver.links?.abandon();
    receiver.links = null;
    receiver.inHand = [];
    this.#cut(receiver);
    this.#startReceiver(receiver);
  }

  #startSender(): void {
    const { exclusive } = this.#options;
    this.#sender = new SenderLinks({
      journal: this.journal,
      clock: this.clock,
      random: () => this.random.next(),
      rules: {
        leaseMs: 100_000,
        graceMs: 2_000,
        attemptsMax: 1_000,
        retryMs: 10,
        retryMsMax: 40,
        exclusive,
        deadLettersMax: 10,
      },
      codec: "raw",
      messageBytesMax: 1_000,
      cacheBytesMax: 400,
      heartbeatMs: 0,
      wantsReceipts: () => false,
      onSettled: () => this.#sender?.keeper.settled(0),
      onReceipt: () => {},
      onPeer: () => {},
      onProblem: (error) => this.errors.push(error.message),
    });
  }

  #startReceiver(receiver: SimReceiver): void {
    const { prefetch } = this.#options;
    receiver.links = new ReceiverLinks({
      clock: this.clock,
      session: () => ++this.#sessions,
      hello: { receiver: receiver.name, codec: "raw", prefetch, messageBytesMax: 1_000 },
      heartbeatMs: 0,
      memory: this.#options.receiverCrashes ? new InboxMemory(receiver.inbox) : null,
      untouched: () => [],
      onWaiting: () => {},
      onPeer: () => {},
      onLost: (stream, ranges) => this.#lose(receiver, stream, ranges),
      onProblem: (error) => this.errors.push(error.message),
    });
  }

  /** The application gives up what it has lost and not yet done, and puts back what lies behind. */
  #lose(receiver: SimReceiver, stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const lowest = ranges[0]?.first ?? Number.POSITIVE_INFINITY;
    const behind: number[] = [];
    receiver.inHand = receiver.inHand.filter(({ seq }) => {
      if (ranges.some(({ first, last }) => first <= seq && seq <= last)) {
        stream.window.step({ type: "rejected", first: seq, last: seq });
        return false;
      }
      if (seq > lowest) behind.push(seq);
      return seq < lowest;
    });
    for (const seq of behind) receiver.links?.release(stream, { first: seq, last: seq });
  }

  #note(text: string): void {
    this.#trace.update(`${text}\n`);
    if (process.env.TRACE !== undefined) console.log(text);
  }
}
