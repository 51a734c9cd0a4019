import assert from "node:assert/strict";
import { raw } from "../../lib/codec/raw.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import type { ReliableDelivery } from "../../lib/reliable/receiver/delivery.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import type { DeliveryWorld } from "./delivery-world.ts";
import { SimMachine } from "./sim-machine.ts";

type Message = ReliableDelivery<Uint8Array>;

/**
 * A receiving program on a machine of its own. With an inbox it stores every effect there under the message's
 * id, and skips an id that is there: so an effect happens once, whenever it dies.
 */
export class SimReceiver {
  readonly index: number;
  readonly machine: SimMachine;
  socket: ReliableReceiver<Uint8Array> | null = null;
  readonly #world: DeliveryWorld;
  #inbox: Journal | null = null;
  #deliveries: AsyncIterator<Message> | null = null;
  #isAsking = false;
  /** In the application's hands. */
  #unacked: Message[] = [];
  /** Ids of effects that are stored, and what must not be delivered again: in memory, or in the inbox. */
  readonly #effects = new Set<string>();
  #done = new Set<string>();
  readonly #remembered = new Set<string>();
  #lives = 0;

  constructor(world: DeliveryWorld, index: number) {
    this.#world = world;
    this.index = index;
    this.machine = new SimMachine(world.random);
  }

  async start(): Promise<void> {
    const { options, ports, sabotage } = this.#world;
    const { prefetch, prefetchBytesMax } = options;
    this.#lives += 1;
    const inbox = options.inbox ? await this.machine.open("always") : null;
    this.#inbox = inbox !== null && sabotage.inbox ? sabotage.inbox(inbox) : inbox;
    if (this.#inbox !== null) await this.#recall(this.#inbox);
    this.#done = new Set();
    this.#unacked = [];
    this.#isAsking = false;
    this.socket = new ReliableReceiver<Uint8Array>(
      {
        common: {
          ...COMMON_DEFAULTS,
          messageBytesMax: 1_000,
          heartbeatMs: options.heartbeatMs,
        },
        codec: raw(),
        schema: null,
        rules: { ...RECEIVE, prefetch, prefetchBytesMax, inbox: this.#inbox },
        onPeer: () => {},
        onRevoked: () => {},
        onDiverged: () => {},
        onRetry: () => {},
        onError: (error) => this.#world.errors.push(error.message),
      },
      ports,
    );
    this.#deliveries = this.socket.inbound.deliveries();
    sabotage.receiver?.(this);
  }

  /** The application asks for a message, or does something with one that it has. */
  work(isCalm: boolean): void {
    const { random, options, sabotage } = this.#world;
    this.#ask(options.ordered ? 1 : 3);
    const message = this.#unacked.splice(random.below(this.#unacked.length), 1)[0];
    if (message === undefined) return;
    const roll = random.next();
    // Those that fail often do so to the end: dead letters end them.
    const failures = options.failing === true ? 4 : Number(!isCalm);
    if (sabotage.ackFirst === true) message.ack();
    // Another may have it by now: it is given up, and so comes again if nobody has.
    if (!message.isHeld && sabotage.ackFirst !== true) message.nack();
    else if (roll < 0.08 * failures) {
      this.#world.gaveUp(textOf(message), message.attempt);
      const error = new Error(`${textOf(message)} #${message.attempt}`);
      message.nack(roll < 0.04 * failures ? { error } : { error, delayMs: random.below(50) });
    } else if (roll < 0.1 * failures) {
      this.#world.gaveUp(textOf(message), message.attempt);
      message.reject("unwanted", { error: new Error(`${textOf(message)} #${message.attempt}`) });
      this.#world.unwanted(textOf(message));
    } else if (!isCalm && roll < 0.4) {
      if (roll < 0.12) message.extend(1 + random.below(1_000));
      this.#unacked.push(message);
    } else if (options.together === true) void this.#processTogether(message);
    else void this.#process(message);
  }

  /** The process dies, or its machine loses power. */
  crash(isPower: boolean): void {
    this.#lives += 1;
    this.socket?.links.abandon();
    this.socket = null;
    if (isPower) this.machine.cutPower();
    else this.machine.kill();
  }

  #ask(countMax: number): void {
    if (this.#isAsking || this.#unacked.length >= countMax) return;
    const life = this.#lives;
    this.#isAsking = true;
    void this.#deliveries!.next().then(({ value }) => {
      if (life !== this.#lives || value === undefined) return;
      this.#isAsking = false;
      // A delivery of before was acknowledged between the delivery of this one and its arrival here.
      if (!value.isHeld && this.#done.has(value.id)) return;
      this.#take(value);
    });
  }

  #take(message: Message): void {
    const { id, seq, attempt } = message;
    this.#world.note(`${this.index} takes ${seq} ${attempt}`);
    this.#world.begun(textOf(message), attempt);
    if (this.#world.poisons(textOf(message), this)) return;
    // A sender's disk that forgets acknowledgements repeats messages; the id tells.
    this.#world.names(id, textOf(message));
    if (this.#world.isExact) {
      this.#world.check(!this.#done.has(id), `${id} came again after it was done`);
      this.#world.check(!this.#remembered.has(id), `${id} came again after that was remembered`);
    }
    this.#unacked.push(message);
  }

  async #process(message: Message): Promise<void> {
    const { id } = message;
    const life = this.#lives;
    const inbox = this.#inbox;
    if (!this.#effects.has(id)) {
      const text = textOf(message);
      if (inbox !== null) await inbox.append(Buffer.from(`${id} ${text}`));
      if (life !== this.#lives) return;
      this.#effects.add(id);
      this.#world.effect(text, this.index);
    }
    message.ack();
    this.#done.add(id);
    if (inbox === null) return;
    await this.socket!.drain();
    if (life === this.#lives) this.#remembered.add(id);
  }

  /** The effect and the acknowledgement are stored together, so no id is looked for. */
  async #processTogether(message: Message): Promise<void> {
    const { id } = message;
    const life = this.#lives;
    const text = textOf(message);
    await message.ack({ effect: Buffer.from(`${id} ${text}`) });
    if (life !== this.#lives) return;
    this.#effects.add(id);
    this.#world.effect(text, this.index);
    this.#done.add(id);
    this.#remembered.add(id);
  }

  /** Effects that are in the inbox have happened, though nobody may have heard of it. */
  async #recall(inbox: Journal): Promise<void> {
    const known = new Set<string>();
    for await (const { value } of inbox.read()) {
      const [id, text] = Buffer.from(value).toString().split(" ") as [string, string];
      this.#world.check(!known.has(id), `the effect of ${id} is stored twice`);
      known.add(id);
      if (!this.#effects.has(id)) this.#world.effect(text, this.index);
      this.#effects.add(id);
    }
    for (const id of this.#effects) assert.ok(known.has(id), `the effect of ${id} is gone`);
  }
}

function textOf({ value }: Message): string {
  return Buffer.from(value).toString().replace(/\.+$/, "");
}

const RECEIVE = { reliable: true } as const;
