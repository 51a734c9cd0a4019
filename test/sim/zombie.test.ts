import assert from "node:assert/strict";
import { test } from "node:test";
import { raw } from "../../lib/codec/raw.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import type { ReliablePorts } from "../../lib/reliable/ports.ts";
import type { ReliableDelivery } from "../../lib/reliable/receiver/delivery.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import {
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_SEND_DEFAULTS,
} from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import { turn } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { SimWire } from "../support/sim-wire.ts";

const LEASE_MS = 1_000;
const GRACE_MS = 300;
/** Time passes in steps of it. */
const STEP_MS = 20;
const common = { ...COMMON_DEFAULTS, heartbeatMs: 100 };
const onError = (): void => {};
const onPeer = (): void => {};

type Message = ReliableDelivery<Uint8Array>;

interface Receiver {
  readonly socket: ReliableReceiver<Uint8Array>;
  readonly deliveries: AsyncIterator<Message>;
  /** What it was told that is no longer its own (seqs). */
  readonly lost: number[];
  readonly wire: SimWire;
  readonly clock: ManualClock;
  /** A process that is stopped neither hears nor says anything. */
  isStopped: boolean;
}

/** A sender and receivers that share a clock; a stopped receiver's clock stands still. */
class Place {
  readonly sender: ReliableSender<Uint8Array>;
  readonly #clock = new ManualClock();
  readonly #receivers: Receiver[] = [];
  readonly #random = new Random(1);
  readonly #ports: ReliablePorts;
  #sessions = 0;
  /** The sender computes: it hears nothing, and its timers are late. */
  #isBusy = false;

  constructor() {
    this.#ports = {
      clock: this.#clock,
      random: () => this.#random.next(),
      session: () => ++this.#sessions,
      id: () => this.#random.hex(16),
    };
    const rules = { ...RELIABLE_SEND_DEFAULTS, leaseMs: LEASE_MS, graceMs: GRACE_MS };
    this.sender = new ReliableSender<Uint8Array>(
      {
        common,
        codec: raw(),
        schema: null,
        rules: { ...rules, reliable: true },
        onPeer,
        onDead: () => {},
        onDropped: () => {},
        onLost: () => {},
        onDiverged: () => {},
        onError,
      },
      this.#ports,
    );
  }

  /** Messages that are not settled (count). */
  get left(): number {
    return this.sender.stats().queuedMessages;
  }

  /** A receiver that is connected and has a session. */
  async receiver(): Promise<Receiver> {
    const clock = new ManualClock();
    clock.advance(this.#clock.nowMs() - clock.nowMs());
    const lost: number[] = [];
    const socket = new ReliableReceiver<Uint8Array>(
      {
        common,
        codec: raw(),
        schema: null,
        rules: { ...RELIABLE_RECEIVE_DEFAULTS, reliable: true, prefetch: 3 },
        onPeer,
        onRevoked: (_, first, last) => {
          for (let seq = first; seq <= last; seq++) lost.push(seq);
        },
        onDiverged: () => {},
        onRetry: () => {},
        onError,
      },
      { ...this.#ports, clock },
    );
    const deliveries = socket.inbound.deliveries();
    const wire = new SimWire();
    const receiver = { socket, deliveries, lost, wire, clock, isStopped: false };
    this.#receivers.push(receiver);
    socket.links.onConnect(wire.receiverEnd);
    await this.carry();
    return receiver;
  }

  /** Carries all that is on the wires, until nobody says anything more. */
  async carry(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      for (const { wire, socket, isStopped } of this.#receivers) {
        for (const parts of this.#isBusy ? [] : wire.toSender.splice(0)) {
          this.sender.links.onMessage(wire.senderEnd, parts);
          quiet = 0;
        }
        for (const parts of isStopped ? [] : wire.toReceiver.splice(0)) {
          socket.links.onMessage(wire.receiverEnd, parts);
          quiet = 0;
        }
      }
      await turn();
    }
  }

  /** Time passes for everybody who is not stopped. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      if (!this.#isBusy) this.#clock.advance(STEP_MS);
      for (const { clock, isStopped } of this.#receivers) if (!isStopped) clock.advance(STEP_MS);
      await this.carry();
    }
  }

  /** The sender computes for so long, or is only deaf: its timers are on time. Everybody else goes on. */
  async computes(ms: number, isDeaf: boolean): Promise<void> {
    this.#isBusy = true;
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await this.pass(STEP_MS);
      if (isDeaf) this.#clock.advance(STEP_MS);
    }
    this.#isBusy = false;
    if (!isDeaf) this.#clock.jump(ms);
    await this.carry();
  }

  /** A stopped process goes on: first with what its own program does, then with what it hears. */
  async go(receiver: Receiver, program: () => void): Promise<void> {
    receiver.isStopped = false;
    program();
    receiver.clock.jump(this.#clock.nowMs() - receiver.clock.nowMs());
    await this.carry();
    await this.pass(10 * STEP_MS);
  }
}

/** Three messages, of which a receiver has one unacked and the others before it. Then it is stopped. */
async function stopped(): Promise<{
  readonly place: Place;
  readonly zombie: Receiver;
  readonly held: Message;
}> {
  const place = new Place();
  const zombie = await place.receiver();
  for (const value of [1, 2, 3]) await place.sender.send(Buffer.of(value), null, undefined);
  await place.carry();
  const held = await take(place, zombie);
  assert.deepEqual([held.seq, held.attempt], [1, 1]);
  zombie.isStopped = true;
  return { place, zombie, held };
}

/** The application asks for a message, and what it and its sender then say is carried. */
async function take(place: Place, { deliveries }: Receiver): Promise<Message> {
  const next = deliveries.next();
  await place.carry();
  const { value } = await next;
  await place.carry();
  return value as Message;
}

test("zombie, simulated: past its lease its ack counts for nothing, and it is told", async () => {
  const { place, zombie, held } = await stopped();
  const other = await place.receiver();
  await place.pass(LEASE_MS - GRACE_MS);
  assert.deepEqual(zombie.lost, []);
  await place.pass(2 * GRACE_MS);
  const again = await take(place, other);
  assert.deepEqual([again.seq, again.attempt], [1, 2]);
  await place.go(zombie, () => held.ack());
  assert.deepEqual([...new Set(zombie.lost)].sort(), [1, 2, 3]);
  assert.equal(place.left, 3, "an ack of the zombie counted");
  assert.ok(again.isHeld, "the other's right was taken from it");
  for (const seq of [2, 3]) {
    again.ack();
    const next = await take(place, other);
    assert.equal(next.seq, seq);
    next.ack();
  }
  await place.carry();
  assert.equal(place.left, 0);
});

test("zombie, simulated: what others have done meanwhile is not its own any more, and it is told", async () => {
  const { place, zombie, held } = await stopped();
  const other = await place.receiver();
  await place.pass(LEASE_MS + GRACE_MS);
  for (const seq of [1, 2, 3]) {
    const message = await take(place, other);
    assert.equal(message.seq, seq);
    message.ack();
  }
  await place.carry();
  assert.equal(place.left, 0);
  let isHeldBefore = false;
  await place.go(zombie, () => {
    isHeldBefore = held.isHeld;
  });
  assert.ok(isHeldBefore, "it could not know");
  assert.deepEqual(zombie.lost.sort(), [1, 2, 3]);
  assert.equal(held.isHeld, false);
  // What it had not looked at yet is gone: the next that it sees is new.
  await place.sender.send(Buffer.of(4), null, undefined);
  held.nack();
  const shown = await Promise.race([take(place, zombie), place.pass(2_000).then(() => null)]);
  assert.ok(shown === null || shown.seq === 4, `message ${shown?.seq} was shown to it`);
});

/** Longer than three heartbeats and the grace together, and shorter than the lease. */
const BUSY_MS = 800;

/** What another receiver gets while the first computes. @returns seqs */
async function whileBusy(place: Place, zombie: Receiver, held: Message): Promise<number[]> {
  const seqs: number[] = [];
  const other = await place.receiver();
  void other.deliveries.next().then(({ value }) => seqs.push((value as Message).seq));
  await place.pass(BUSY_MS);
  const taken = [...seqs];
  await place.go(zombie, () => held.ack());
  return taken;
}

test("zombie, simulated: a receiver that computes keeps what it holds, as long as its leases", async () => {
  const { place, zombie, held } = await stopped();
  assert.deepEqual(await whileBusy(place, zombie, held), []);
  assert.deepEqual(zombie.lost, []);
  assert.equal(place.left, 2, "its ack counts");
});

test("zombie, simulated, control: where heartbeats decide another gets what is in its hands", async () => {
  const { place, zombie, held } = await stopped();
  place.sender.links.dispatcher.holds = () => false;
  assert.deepEqual(await whileBusy(place, zombie, held), [1]);
});

test("zombie, simulated: a receiver that is silent gets nothing more before it speaks", async () => {
  const { place, zombie, held } = await stopped();
  await place.pass(BUSY_MS);
  const other = await place.receiver();
  await place.sender.send(Buffer.of(4), null, undefined);
  await place.carry();
  assert.equal((await take(place, other)).seq, 4);
  await place.go(zombie, () => held.ack());
  await place.sender.send(Buffer.of(5), null, undefined);
  await place.sender.send(Buffer.of(6), null, undefined);
  await place.carry();
  assert.equal(zombie.socket.links.counts.waiting, 3, "and then it gets its share");
});

/** A receiver extends what it has unacked while its sender does not hear it. @returns whether it stayed its own */
async function extended(isDeaf: boolean): Promise<boolean> {
  const place = new Place();
  const receiver = await place.receiver();
  await place.sender.send(Buffer.of(1), null, undefined);
  await place.carry();
  const held = await take(place, receiver);
  await place.pass(LEASE_MS / 2);
  held.extend(LEASE_MS);
  await place.computes(BUSY_MS, isDeaf);
  return receiver.lost.length === 0;
}

test("zombie, simulated: while a sender computes no lease ends that was extended", async () => {
  assert.ok(await extended(false));
});

test("zombie, simulated, control: by a clock that goes on while the sender hears nothing it ends", async () => {
  assert.ok(!(await extended(true)));
});
