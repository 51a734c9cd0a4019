import { raw } from "../../lib/codec/raw.ts";
import type { DeadMessages } from "../../lib/core/events/socket-events.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import type { BrokerlessError } from "../../lib/errors.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import type { ReliableDelivery } from "../../lib/reliable/receiver/delivery.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import {
  RELIABLE_SEND_DEFAULTS,
  type ResolvedReliableSend,
} from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import type { Freeing } from "../../lib/reliable/sender/saved/dead-letter-compactor.ts";
import { eventually } from "./eventually.ts";
import { ManualClock } from "./manual-clock.ts";
import { SimWire } from "./sim-wire.ts";

const COMMON = { ...COMMON_DEFAULTS, messageBytesMax: 100_000, heartbeatMs: 0 };

/** A sender and a receiver with a wire between them, and time that stands still but for `pass`. */
export class ReliablePair {
  readonly sender: ReliableSender<Uint8Array>;
  readonly errors: BrokerlessError[] = [];
  readonly deaths: DeadMessages[] = [];
  readonly clock: ManualClock;
  readonly #receiver: ReliableReceiver<Uint8Array>;
  readonly #wire = new SimWire();

  /** @param handle answers for each message */
  constructor(
    journal: Journal,
    handle: (text: string, delivery: ReliableDelivery<Uint8Array>) => unknown,
    {
      clock = new ManualClock(),
      rules = {},
      prefetch = 1_000,
      concurrency = 1,
      freeing,
    }: {
      readonly clock?: ManualClock;
      readonly rules?: Partial<ResolvedReliableSend>;
      readonly prefetch?: number;
      readonly concurrency?: number;
      readonly freeing?: Freeing;
    } = {},
  ) {
    this.clock = clock;
    let made = 0;
    const ports = {
      clock,
      random: () => 0.5,
      session: () => ++made,
      // What is in the ids of messages is the beginning.
      id: () => `${journal.seqNext}a${++made}`.padEnd(32, "0"),
    };
    const onError = (error: BrokerlessError) => void this.errors.push(error);
    const ignored = { onPeer: () => {}, onDiverged: () => {}, onError };
    this.sender = new ReliableSender<Uint8Array>(
      {
        common: COMMON,
        codec: raw(),
        schema: null,
        rules: { ...RELIABLE_SEND_DEFAULTS, journal, graceMs: 0, ...rules },
        ...ignored,
        onDead: (dead) => void this.deaths.push(dead),
        onDropped: () => {},
        onLost: () => {},
        freeing,
      },
      ports,
    );
    this.#receiver = new ReliableReceiver<Uint8Array>(
      {
        common: COMMON,
        codec: raw(),
        schema: null,
        rules: { reliable: true, prefetch, prefetchBytesMax: 2 ** 24, inbox: null },
        ...ignored,
        onRevoked: () => {},
        onRetry: () => {},
      },
      ports,
    );
    this.#receiver.links.onConnect(this.#wire.receiverEnd);
    void this.#receiver.inbound.run(
      (value, delivery) => handle(Buffer.from(value).toString(), delivery),
      { concurrency },
    );
  }

  send(text: string): void {
    void this.sender.send(Buffer.from(text), null, { confirm: "queued" });
  }

  /** Lets time pass, and everything that it sets off happen. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      this.clock.advance(Math.min(left, 10));
      await this.#turn();
    }
  }

  /** Lets time pass until something holds. */
  until(check: () => void): Promise<void> {
    return eventually(async () => {
      await this.pass(10);
      check();
    });
  }

  async #turn(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) {
      const { toSender, toReceiver, senderEnd, receiverEnd } = this.#wire;
      for (const parts of toSender.splice(0)) this.sender.links.onMessage(senderEnd, parts);
      for (const parts of toReceiver.splice(0)) this.#receiver.links.onMessage(receiverEnd, parts);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Both die. */
  kill(): void {
    this.sender.links.abandon();
    this.#receiver.links.abandon();
  }
}
