import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../lib/clock.ts";
import { raw } from "../../lib/codec/raw.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import type { ReliablePorts } from "../../lib/reliable/ports.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type Parts, SimWire } from "../support/sim-wire.ts";

const COMMON = { ...COMMON_DEFAULTS, messageBytesMax: 100_000, heartbeatMs: 0 };
const MESSAGES = 600;
/** How long a handler computes (milliseconds): two receivers need three leases for all. */
const WORK_MS = 10;
const LEASE_MS = 1_000;

/** The time of a process that may have computed for longer than the others: nothing else of it runs meanwhile. */
class BusyClock implements Clock {
  busyMs = 0;
  readonly #world: ManualClock;
  readonly #sees: boolean;

  constructor(world: ManualClock, sees: boolean) {
    this.#world = world;
    this.#sees = sees;
  }

  nowMs(): number {
    return this.#world.nowMs() + (this.#sees ? this.busyMs : 0);
  }

  timeMs(): number {
    return this.nowMs();
  }

  /** Whether it computes for longer than a turn. */
  get isBusy(): boolean {
    return this.busyMs > WORK_MS;
  }

  after(delayMs: number, call: () => void): () => void {
    let cancel = this.#world.after(delayMs, () => {
      if (this.isBusy) cancel = this.after(this.busyMs, call);
      else call();
    });
    return () => cancel();
  }
}

/**
 * A sender and two receivers, each a process of its own, whose handlers compute and never wait for anything.
 *
 * @param sees whether the receivers see how the time passes while a handler computes
 * @returns how often each message was handled
 */
async function handled(sees: boolean): Promise<Map<string, number>> {
  const world = new ManualClock();
  let made = 0;
  const portsAt = (clock: Clock): ReliablePorts => ({
    clock,
    random: () => 0.5,
    session: () => ++made,
    id: () => `${++made}`.padStart(32, "0"),
  });
  const events = { onPeer: () => {}, onDiverged: () => {}, onLost: () => {}, onRevoked: () => {} };
  const onError = (error: Error): void => assert.fail(error);
  const common = { common: COMMON, codec: raw(), schema: null, ...events, onError };
  const sender = new ReliableSender<Uint8Array>(
    {
      ...common,
      rules: { ...RELIABLE_SEND_DEFAULTS, journal: new MemoryJournal(), leaseMs: LEASE_MS },
      onDead: () => {},
      onDropped: () => {},
    },
    portsAt(world),
  );
  const times = new Map<string, number>();
  const receivers = [0, 1].map(() => {
    const clock = new BusyClock(world, sees);
    const wire = new SimWire();
    const rules = {
      reliable: true,
      prefetch: MESSAGES,
      prefetchBytesMax: 2 ** 24,
      inbox: null,
    } as const;
    const socket = new ReliableReceiver<Uint8Array>(
      { ...common, rules, onRetry: () => {} },
      portsAt(clock),
    );
    socket.links.onConnect(wire.receiverEnd);
    void socket.inbound.run((value) => {
      const text = Buffer.from(value).toString();
      times.set(text, (times.get(text) ?? 0) + 1);
      clock.busyMs += WORK_MS;
    }, {});
    const said: { readonly atMs: number; readonly parts: Parts }[] = [];
    return { clock, wire, socket, said };
  });
  const turn = async (): Promise<void> => {
    for (const { clock, wire, socket, said } of receivers) {
      while (said.length > 0 && said[0]!.atMs <= world.nowMs()) {
        sender.links.onMessage(wire.senderEnd, said.shift()!.parts);
      }
      if (clock.isBusy) continue;
      for (const parts of wire.toReceiver.splice(0)) {
        socket.links.onMessage(wire.receiverEnd, parts);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
    // It has computed first, and spoken then.
    for (const { clock, wire, said } of receivers) {
      const atMs = world.nowMs() + clock.busyMs;
      said.push(...wire.toSender.splice(0).map((parts) => ({ atMs, parts })));
    }
  };
  for (let count = 0; count < 8; count++) await turn();
  for (let index = 0; index < MESSAGES; index++) {
    void sender.send(Buffer.from(`${index}`), null, { confirm: "queued" });
  }
  // As long as anybody computes the others go on, and hear what was said.
  for (let idle = 0; idle < 200; ) {
    const busy = receivers.filter(({ clock }) => clock.busyMs > 0);
    idle = busy.length === 0 ? idle + 1 : 0;
    for (const { clock } of busy) clock.busyMs -= WORK_MS;
    world.advance(WORK_MS);
    await turn();
  }
  sender.links.abandon();
  for (const { socket } of receivers) socket.links.abandon();
  return times;
}

const twice = (times: Map<string, number>): number =>
  [...times.values()].filter((count) => count > 1).length;

test("busy receivers: of two that live and compute, none gets what the other has done", async () => {
  const times = await handled(true);
  assert.equal(times.size, MESSAGES);
  assert.equal(twice(times), 0);
});

test("control: where they do not let the loop turn, messages are done twice", async (t) => {
  const times = await handled(false);
  assert.equal(times.size, MESSAGES);
  t.diagnostic(`${twice(times)} twice`);
  assert.notEqual(twice(times), 0, "the hunt found nothing: it proves nothing either");
});
