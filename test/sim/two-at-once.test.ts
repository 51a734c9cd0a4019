import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { raw } from "../../lib/codec/raw.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import { encodeWelcome } from "../../lib/delivery/protocol/handshake.ts";
import type { Incarnation } from "../../lib/delivery/protocol/incarnations.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  type LinkMessageInput,
} from "../../lib/delivery/protocol/link-message.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { PROBE_MS } from "../../lib/reliable/link/holder-probes.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import { ReceiverSessions } from "../../lib/reliable/receiver/sessions/receiver-sessions.ts";
import {
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_SEND_DEFAULTS,
} from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import { SenderSessions } from "../../lib/reliable/sender/sender-sessions.ts";
import { turn } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";
import { SimWire } from "../support/sim-wire.ts";

const GRACE_MS = 300;
const common = { ...COMMON_DEFAULTS, heartbeatMs: 0 };
type Sender = ReliableSender<Uint8Array>;
type Receiver = ReliableReceiver<Uint8Array>;

/** What an owner of a socket was told. */
interface Told {
  readonly errors: string[];
  peers: number;
}

interface Connection {
  readonly wire: SimWire;
  readonly sender: Sender;
  readonly receiver: Receiver;
  /** Nobody carries anything: one of them is dead, and the other has not noticed. */
  isStopped: boolean;
}

/** Senders and receivers that share a clock, each with a journal on a disk of its own. */
class Meeting {
  readonly clock = new ManualClock();
  readonly told = new Map<Sender | Receiver, Told>();
  /** The ids of the senders' streams. */
  readonly streams = new Map<Sender, string>();
  /** Values that each receiver took and acknowledged. */
  readonly taken = new Map<Receiver, string[]>();
  readonly #random = new Random(3);
  readonly #ends: (() => unknown)[] = [];
  readonly #connections: Connection[] = [];

  constructor(t: TestContext) {
    t.after(async () => {
      for (const end of this.#ends.reverse()) await end();
    });
  }

  async journal(disk: SimDisk): Promise<FileJournal> {
    const journal = await FileJournal.openWith(simPorts(disk), "/journal");
    this.#ends.push(() => journal.close());
    return journal;
  }

  async sender(disk: SimDisk): Promise<Sender> {
    const journal = await this.journal(disk);
    const { told, listeners } = this.#listen();
    const sender: Sender = new ReliableSender(
      {
        common,
        codec: raw(),
        schema: null,
        rules: { ...RELIABLE_SEND_DEFAULTS, journal, graceMs: GRACE_MS },
        onDead: () => {},
        onDropped: () => {},
        onLost: () => {},
        ...listeners,
      },
      this.#ports(),
    );
    this.told.set(sender, told);
    this.streams.set(sender, journal.stream);
    this.#ends.push(() => sender.links.abandon());
    return sender;
  }

  async receiver(inbox: SimDisk | null = null): Promise<Receiver> {
    const { told, listeners } = this.#listen();
    const journal = inbox === null ? null : await this.journal(inbox);
    const receiver: Receiver = new ReliableReceiver(
      {
        common,
        codec: raw(),
        schema: null,
        rules: { ...RELIABLE_RECEIVE_DEFAULTS, reliable: true, inbox: journal },
        onRevoked: () => {},
        onRetry: () => {},
        ...listeners,
      },
      this.#ports(),
    );
    this.told.set(receiver, told);
    const values: string[] = [];
    this.taken.set(receiver, values);
    void receiver.inbound.run((value) => void values.push(Buffer.from(value).toString()), {});
    this.#ends.push(() => receiver.links.abandon());
    return receiver;
  }

  connect(sender: Sender, receiver: Receiver): Connection {
    const connection = { wire: new SimWire(), sender, receiver, isStopped: false };
    this.#connections.push(connection);
    sender.links.onConnect(connection.wire.senderEnd);
    return connection;
  }

  cut({ wire, sender, receiver }: Connection): void {
    wire.isCut = true;
    sender.links.onGone(wire.senderEnd);
    receiver.links.onGone(wire.receiverEnd);
  }

  /** Carries all that is on the wires, until nobody says anything more. */
  async carry(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet++) {
      for (const { wire, sender, receiver, isStopped } of this.#connections) {
        if (isStopped || wire.isCut) continue;
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

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      this.clock.advance(50);
      await this.carry();
    }
  }

  #listen() {
    const told: Told = { errors: [], peers: 0 };
    const listeners = {
      onPeer: (type: "peer" | "peerLost") => {
        if (type === "peer") told.peers += 1;
      },
      onDiverged: () => {},
      onError: ({ code, message }: { readonly code: string; readonly message: string }) =>
        void told.errors.push(`${code}: ${message}`),
    };
    return { told, listeners };
  }

  #ports() {
    const random = new Random(this.#random.below(2 ** 30));
    return {
      clock: this.clock,
      random: () => random.next(),
      session: () => 1 + random.below(2 ** 30),
      id: () => random.hex(16),
    };
  }
}

/** Two senders on copies of one journal, of which the first has a session with a receiver. */
async function twoSenders(t: TestContext) {
  const meeting = new Meeting(t);
  const disk = new SimDisk();
  await (await meeting.journal(disk)).close();
  const [one, two] = [await meeting.sender(disk.clone()), await meeting.sender(disk.clone())];
  const receiver = await meeting.receiver();
  const first = meeting.connect(one, receiver);
  await meeting.carry();
  await one.send(Buffer.from("one"), null, undefined);
  await meeting.carry();
  return { meeting, one, two, receiver, first, values: meeting.taken.get(receiver)! };
}

test("two at once: a second sender of a stream is refused while the first is there, and follows it", async (t) => {
  const { meeting, one, two, receiver, first, values } = await twoSenders(t);
  meeting.connect(two, receiver);
  await two.send(Buffer.from("two"), null, undefined);
  await meeting.pass(10_000);
  assert.deepEqual(values, ["one"]);
  for (const side of [two, receiver]) {
    const { errors } = meeting.told.get(side)!;
    assert.equal(errors.length, 1, `${errors}`);
    assert.match(errors[0]!, /^BROKERLESS_LOCKED: .*epoch 1, [0-9a-f]{8}.*repair --new-stream/);
  }
  assert.deepEqual(meeting.told.get(one)!.errors, []);
  await one.send(Buffer.from("more"), null, undefined);
  await meeting.pass(100);
  assert.deepEqual(values, ["one", "more"]);
  meeting.cut(first);
  await meeting.pass(GRACE_MS + 100);
  assert.deepEqual(values, ["one", "more", "two"]);
});

test("two at once: a sender that is silent loses its stream; what it had said before is no heartbeat", async (t) => {
  const { meeting, one, two, receiver, first, values } = await twoSenders(t);
  first.isStopped = true;
  await one.send(Buffer.from("late"), null, undefined);
  await turn();
  meeting.connect(two, receiver);
  await meeting.carry();
  // It is dead, and what it had written arrives.
  assert.ok(first.wire.toReceiver.length > 0);
  for (const parts of first.wire.toReceiver.splice(0)) {
    receiver.links.onMessage(first.wire.receiverEnd, parts);
  }
  await two.send(Buffer.from("two"), null, undefined);
  await meeting.pass(PROBE_MS - 100);
  assert.deepEqual(values, ["one", "late"]);
  await meeting.pass(200);
  assert.deepEqual(values, ["one", "late", "two"]);
  // Should it live after all, it is the second now.
  first.isStopped = false;
  await one.send(Buffer.from("again"), null, undefined);
  await meeting.pass(5_000);
  assert.equal(values.length, 3);
  assert.match(meeting.told.get(one)!.errors.join(), /BROKERLESS_LOCKED/);
});

test("two at once: one sender over two connections is one", async (t) => {
  const { meeting, one, receiver, values } = await twoSenders(t);
  meeting.connect(one, receiver);
  await meeting.pass(5_000);
  await one.send(Buffer.from("more"), null, undefined);
  await meeting.carry();
  assert.deepEqual(values, ["one", "more"]);
  for (const side of [one, receiver]) assert.deepEqual(meeting.told.get(side)!.errors, []);
});

test("two at once: without a question the second sender takes the stream of the first (negative control)", async (t) => {
  t.mock.method(ReceiverSessions.prototype, "seek", ((_, __, decide) =>
    decide(null)) as ReceiverSessions["seek"]);
  const { meeting, one, two, receiver, values } = await twoSenders(t);
  meeting.connect(two, receiver);
  await two.send(Buffer.from("two"), null, undefined);
  await meeting.pass(1_000);
  await one.send(Buffer.from("more"), null, undefined);
  await meeting.pass(1_000);
  assert.ok(values.includes("two"), `${values}`);
  assert.equal(meeting.told.get(two)!.errors.length, 0);
});

/** A sender, and two receivers with copies of one inbox. */
async function twoReceivers(t: TestContext) {
  const meeting = new Meeting(t);
  const inbox = new SimDisk();
  {
    const before = await meeting.receiver(inbox);
    await turn();
    before.links.abandon();
  }
  const disk = new SimDisk();
  const sender = await meeting.sender(disk);
  const [one, two] = [await meeting.receiver(inbox.clone()), await meeting.receiver(inbox.clone())];
  const first = meeting.connect(sender, one);
  await meeting.carry();
  return { meeting, sender, one, two, first, told: meeting.told.get(sender)! };
}

test("two at once: a second receiver with a copy of an inbox is refused, and that is stable", async (t) => {
  const { meeting, sender, one, two, first, told } = await twoReceivers(t);
  meeting.connect(sender, two);
  await meeting.pass(10_000);
  for (const value of ["a", "b"]) await sender.send(Buffer.from(value), null, undefined);
  await meeting.pass(1_000);
  assert.deepEqual(meeting.taken.get(one), ["a", "b"]);
  assert.deepEqual(meeting.taken.get(two), []);
  assert.equal(told.peers, 1);
  for (const side of [sender, two]) {
    const { errors } = meeting.told.get(side)!;
    assert.equal(errors.length, 1, `${errors}`);
    assert.match(errors[0]!, /^BROKERLESS_LOCKED: .*receiver [0-9a-f]{32} is there already.*inbox/);
  }
  // It asks again, and gets in when the first has gone.
  meeting.cut(first);
  await meeting.pass(31_000);
  await sender.send(Buffer.from("c"), null, undefined);
  await meeting.pass(1_000);
  assert.deepEqual(meeting.taken.get(two), ["c"]);
});

test("two at once: of two receivers that come together one is there, and the other is refused", async (t) => {
  const { meeting, sender, one, two, first, told } = await twoReceivers(t);
  meeting.cut(first);
  told.peers = 0;
  for (const receiver of [one, two]) meeting.connect(sender, receiver);
  await meeting.pass(10_000);
  assert.equal(told.peers, 1);
  const refused = [one, two].filter((receiver) => meeting.told.get(receiver)!.errors.length > 0);
  assert.deepEqual([refused.length, told.errors.length], [1, 1]);
});

test("two at once: a receiver that is silent loses its place to one that is there", async (t) => {
  const { meeting, sender, two, first } = await twoReceivers(t);
  first.isStopped = true;
  meeting.connect(sender, two);
  await sender.send(Buffer.from("a"), null, undefined);
  await meeting.pass(PROBE_MS + 3_000);
  assert.deepEqual(meeting.taken.get(two), ["a"]);
});

test("two at once: without a question two receivers throw each other out (negative control)", async (t) => {
  t.mock.method(SenderSessions.prototype, "rivalOf", () => null);
  const { meeting, sender, two, told } = await twoReceivers(t);
  meeting.connect(sender, two);
  await meeting.pass(2_000);
  assert.ok(told.peers > 2, `${told.peers} sessions`);
});

/** A stranger opens the stream at a receiver that has done two messages of it, while its sender is away. */
async function intruded(
  t: TestContext,
  epochsOf: (known: readonly Incarnation[]) => readonly Incarnation[],
) {
  const meeting = new Meeting(t);
  const [sender, receiver] = [await meeting.sender(new SimDisk()), await meeting.receiver()];
  const first = meeting.connect(sender, receiver);
  await meeting.carry();
  // They are done, and the sender does not hear of it.
  first.isStopped = true;
  for (const value of ["a", "b"]) await sender.send(Buffer.from(value), null, undefined);
  await turn();
  for (const parts of first.wire.toReceiver.splice(0)) {
    receiver.links.onMessage(first.wire.receiverEnd, parts);
  }
  for (let turns = 0; turns < 5; turns++) await turn();
  meeting.cut(first);
  const { receiverEnd, toSender } = new SimWire();
  const say = (message: LinkMessageInput) =>
    receiver.links.onMessage(receiverEnd, [encodeLinkMessage(message)]);
  const stream = meeting.streams.get(sender)!;
  const limits = { leaseMs: 30_000, graceMs: GRACE_MS, heartbeatMs: 0, transient: false };
  const identity = {
    stream,
    incarnations: epochsOf(sender.incarnations.all),
    floor: 0,
    codec: "raw",
  };
  const text = encodeWelcome({ ...identity, ...limits });
  say({ type: "offer", session: 0, text });
  const hello = decodeLinkMessage(toSender.shift()![0]!);
  assert.ok("session" in hello);
  say({ type: "welcome", session: hello.session, text });
  await meeting.carry();
  receiver.links.onGone(receiverEnd);
  meeting.connect(sender, receiver);
  await meeting.pass(1_000);
  return meeting.taken.get(receiver)!;
}

const STRANGER: Incarnation = { epoch: 7, seqFirst: 1, id: "ab".repeat(16) };

test("two at once: a stranger who knows a stream's id alone makes nothing void of what is known of it", async (t) => {
  assert.deepEqual(await intruded(t, () => [STRANGER]), ["a", "b"]);
  assert.deepEqual(await intruded(t, () => [{ ...STRANGER, id: "" }]), ["a", "b"]);
});

test("two at once: one who knows its lives does (negative control)", async (t) => {
  const values = await intruded(t, (known) => [...known, STRANGER]);
  assert.deepEqual(values, ["a", "b", "a", "b"]);
});
