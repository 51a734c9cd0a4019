import { raw } from "../../lib/codec/raw.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import type { ReliablePorts } from "../../lib/reliable/ports.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import {
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_SEND_DEFAULTS,
} from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import { turn } from "./eventually.ts";
import { ManualClock } from "./manual-clock.ts";
import { Random } from "./random.ts";
import { SimWire } from "./sim-wire.ts";

const common = { ...COMMON_DEFAULTS, heartbeatMs: 0 };
const GRACE_MS = 100;
const ignore = (): void => {};

/** A sender of a {@link Place}. */
export type PlaceSender = ReliableSender<Uint8Array>;
/** A receiver of one. */
export type PlaceReceiver = ReliableReceiver<Uint8Array>;

/** Senders and receivers that share a clock, every one of these connected with every one of those. */
export class Place {
  readonly #clock = new ManualClock();
  readonly #random = new Random(1);
  readonly #senders: PlaceSender[] = [];
  readonly #wires: {
    readonly wire: SimWire;
    readonly sender: PlaceSender;
    readonly receiver: PlaceReceiver;
  }[] = [];
  #sessions = 0;
  readonly #ports: ReliablePorts = {
    clock: this.#clock,
    random: () => this.#random.next(),
    session: () => ++this.#sessions,
    id: () => this.#random.hex(16),
  };

  sender(
    journal: Journal = new MemoryJournal(),
    { attemptsMax }: { readonly attemptsMax: number } = RELIABLE_SEND_DEFAULTS,
  ): PlaceSender {
    const rules = { ...RELIABLE_SEND_DEFAULTS, journal, graceMs: GRACE_MS, attemptsMax };
    const ends = { onDead: ignore, onDropped: ignore, onLost: ignore };
    const events = { onPeer: ignore, onError: ignore, ...ends };
    const sender: PlaceSender = new ReliableSender(
      { common, codec: raw(), schema: null, rules, onDiverged: ignore, ...events },
      this.#ports,
    );
    this.#senders.push(sender);
    return sender;
  }

  async receiver(): Promise<PlaceReceiver> {
    const events = { onPeer: ignore, onRevoked: ignore, onRetry: ignore, onError: ignore };
    const rules = { ...RELIABLE_RECEIVE_DEFAULTS, reliable: true };
    const receiver: PlaceReceiver = new ReliableReceiver(
      { common, codec: raw(), schema: null, rules, onDiverged: ignore, ...events },
      this.#ports,
    );
    for (const sender of this.#senders) {
      const wire = new SimWire();
      this.#wires.push({ wire, sender, receiver });
      receiver.links.onConnect(wire.receiverEnd);
    }
    await this.carry();
    return receiver;
  }

  /** Carries all that is on the wires, until nobody says anything more. */
  async carry(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet++) {
      for (const { wire, sender, receiver } of this.#wires) {
        for (const parts of wire.toSender.splice(0)) {
          sender.links.onMessage(wire.senderEnd, parts);
          quiet = 0;
        }
        for (const parts of wire.toReceiver.splice(0)) {
          receiver.links.onMessage(wire.receiverEnd, parts);
          quiet = 0;
        }
      }
      await turn();
    }
  }

  /** A receiver's process ends without a word, and its grace passes. */
  async dies(dead: PlaceReceiver): Promise<void> {
    dead.links.abandon();
    for (const { wire, sender } of this.#wires.filter(({ receiver }) => receiver === dead)) {
      wire.isCut = true;
      sender.links.onGone(wire.senderEnd);
    }
    this.#clock.advance(GRACE_MS);
    await this.carry();
  }

  /** A sender loses its connections, and nobody comes back within the grace. */
  async parts(sender: PlaceSender): Promise<void> {
    for (const { wire, receiver } of this.#wires.filter((one) => one.sender === sender)) {
      wire.isCut = true;
      sender.links.onGone(wire.senderEnd);
      receiver.links.onGone(wire.receiverEnd);
    }
    this.#clock.advance(GRACE_MS);
    await this.carry();
  }
}
