import { raw } from "../../lib/codec/raw.ts";
import type { ConfirmLevel } from "../../lib/core/send-options.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import { countAll, type SeqRange } from "../../lib/delivery/range/range.ts";
import type { BrokerlessError } from "../../lib/errors.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import type { DeliveryWorld } from "./delivery-world.ts";
import type { SimDisk } from "./sim-disk.ts";
import { SimMachine } from "./sim-machine.ts";

const LEVELS: readonly ConfirmLevel[] = ["queued", "stored", "delivered", "processed"];
/** Stored batches in memory (bytes): so few that much has to be read back. */
export const CACHE_BYTES = 600;

/** So little is worth freeing that dead letters are copied again and again. */
const FREEING = { bytes: 100, heldTimes: 1, copyBytes: 100 };

/** A sending program on a machine of its own: a real socket but for its network, disk and clock. */
export class SimSender {
  readonly index: number;
  readonly machine: SimMachine;
  socket: ReliableSender<Uint8Array> | null = null;
  journal: Journal | null = null;
  readonly #world: DeliveryWorld;
  #sent = 0;
  #lives = 0;
  readonly #backups: SimDisk[] = [];

  constructor(world: DeliveryWorld, index: number) {
    this.#world = world;
    this.index = index;
    this.machine = new SimMachine(world.random);
  }

  /** Whether everything that was stored is settled. */
  get isAtRest(): boolean {
    const { socket, journal } = this;
    if (socket === null || journal === null || journal.pendingBytes > 0) return false;
    return (
      socket.links.dispatcher.floor === journal.seqStored && socket.stats().queuedMessages === 0
    );
  }

  async start(): Promise<void> {
    const { options, sabotage } = this.#world;
    const opened = await this.machine.open(options.sync);
    const journal = sabotage.journal?.(opened) ?? opened;
    this.#lives += 1;
    const { leaseMs, graceMs, order, attemptsMax, heartbeatMs } = options;
    this.journal = journal;
    this.socket = new ReliableSender<Uint8Array>(
      {
        common: {
          ...COMMON_DEFAULTS,
          batch: { batchBytesMax: 200, batchCountMax: 8 },
          messageBytesMax: 1_000,
          queueBytesMax: CACHE_BYTES,
          heartbeatMs,
        },
        codec: raw(),
        schema: null,
        rules: {
          ...RELIABLE_SEND_DEFAULTS,
          journal,
          retryMs: 10,
          retryMsMax: 40,
          leaseMs,
          graceMs,
          attemptsMax,
          order,
        },
        onPeer: () => {},
        onDead: () => {},
        onDropped: () => {},
        onLost: () => {},
        onDiverged: () => {},
        onError: (error) => this.#world.errors.push(error.message),
        freeing: FREEING,
      },
      this.#world.ports,
    );
    sabotage.sender?.(this);
    this.#watchAcks(this.socket);
  }

  /** Sends a few messages, each with a level of its own. */
  send(): void {
    const { random } = this.#world;
    for (let count = 1 + random.below(5); count > 0; count--) {
      const value = `${this.index}:${++this.#sent}`;
      const confirm = LEVELS[random.below(LEVELS.length)]!;
      const bytes = Buffer.from(value.padEnd(8 + random.below(40), "."));
      const life = this.#lives;
      void this.socket!.send(bytes, null, { confirm }).then(
        () => this.#life(life) && this.#world.confirmed(value, confirm),
        (error: BrokerlessError) => this.#life(life) && this.#world.failed(value, error.code),
      );
      this.#world.sent(value, confirm);
    }
  }

  /** Keeps a copy of the disk: as a backup, or since an old machine may come back with it. */
  backup(): void {
    this.#backups.push(this.machine.backup());
  }

  /** Goes on from one of the copies, while nothing runs. */
  restore(): void {
    const { random } = this.#world;
    // The machine that is replaced may come back, too.
    this.backup();
    const backup = this.#backups[random.below(this.#backups.length)]!;
    this.machine.restore(backup);
  }

  /** The process dies, or its machine loses power. Nothing is said, and nothing saved. */
  crash(isPower: boolean): void {
    this.#lives += 1;
    this.socket?.links.abandon();
    this.socket = null;
    this.journal = null;
    if (isPower) this.machine.cutPower();
    else this.machine.kill();
  }

  /** An ack counts for as much as its session holds. */
  #watchAcks({ links }: ReliableSender<Uint8Array>): void {
    const { dispatcher } = links;
    const step = dispatcher.step.bind(dispatcher);
    dispatcher.step = (event, nowMs) => {
      const isAck = event.type === "acked";
      const held = isAck
        ? event.ranges.flatMap((range) => dispatcher.heldOf(event.link, range))
        : [];
      const actions = step(event, nowMs);
      const settled = actions.filter(
        (action) => action.type === "settled" && action.outcome === "processed",
      ) as SeqRange[];
      const fits = !isAck || countAll(settled) <= countAll(held);
      this.#world.check(fits, `an ack settled what its session had no right to`);
      return actions;
    };
  }

  /** A dead process hears nothing any more. */
  #life(life: number): boolean {
    return life === this.#lives;
  }
}
