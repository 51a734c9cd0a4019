import { createHash } from "node:crypto";
import type { WhyDead } from "../../lib/core/events/why-dead.ts";
import type { ConfirmLevel } from "../../lib/core/send-options.ts";
import type { ErrorCode } from "../../lib/errors.ts";
import type { SyncLevel } from "../../lib/journal/file/file-journal-options.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import type { ReliablePorts } from "../../lib/reliable/ports.ts";
import type { ResolvedReliableSend } from "../../lib/reliable/reliable-options.ts";
import { ManualClock } from "./manual-clock.ts";
import { Random } from "./random.ts";
import { SimReceiver } from "./sim-receiver.ts";
import { CACHE_BYTES, SimSender } from "./sim-sender.ts";
import { SimWire } from "./sim-wire.ts";

/** A lease that no handler of a run outlives (milliseconds). */
const LEASE_LONG_MS = 10_000;

/** What a run is like. */
export interface WorldOptions {
  readonly senders: number;
  readonly receivers: number;
  readonly order: ResolvedReliableSend["order"];
  readonly prefetch: number;
  readonly prefetchBytesMax: number;
  /** Whether receivers are killed. */
  readonly receiverCrashes: boolean;
  /** Whether receivers remember what they did, and store their effects with it. */
  readonly inbox: boolean;
  readonly sync: SyncLevel;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly attemptsMax: number;
  readonly heartbeatMs: number;
  /** Order is promised: the application takes one message at a time. */
  readonly ordered: boolean;
  /** No message may have its effect twice, whoever processes it. */
  readonly once: boolean;
  /** Effects are stored with their acknowledgements, and the application does not look for an id. */
  readonly together?: boolean;
  /** Senders go on from backups, and old machines of theirs come back. */
  readonly restores?: boolean;
  /** Handlers fail, and reject, often, and to the end. */
  readonly failing?: boolean;
  /** Some messages kill who takes them, and their sender too. */
  readonly poison?: boolean;
}

/** Switches a protection off: the run must then fail. */
export interface Sabotage {
  /** The application acknowledges before it has done its work. */
  readonly ackFirst?: boolean;
  journal?(journal: Journal): Journal;
  inbox?(journal: Journal): Journal;
  sender?(sender: SimSender): void;
  receiver?(receiver: SimReceiver): void;
}

/** Steps without a message that gets on after which one is stuck (count): longer than all leases and graces. */
const CALM_STEPS = 1_500;
/** Deaths by poison after which it has killed for too long (count). */
const DEATHS_MAX = 200;
/** The largest frame that is cached beyond the bound (bytes). */
const FRAME_BYTES = 400;

/** Senders, receivers, wires, disks and a clock, all driven by one seed; the sockets are the real ones. */
export class DeliveryWorld {
  readonly clock: ManualClock = new ManualClock();
  readonly random: Random;
  readonly options: WorldOptions;
  readonly sabotage: Sabotage;
  readonly ports: ReliablePorts;
  readonly errors: string[] = [];
  /** What was promised and not kept. */
  readonly violations: string[] = [];
  readonly #senders: SimSender[];
  readonly #receivers: SimReceiver[];
  readonly #wires = new Map<string, SimWire>();
  /** Senders that have died (index). */
  readonly #crashed = new Set<number>();
  readonly #trace = createHash("sha256");
  readonly #confirmed = new Map<string, ConfirmLevel>();
  /** Effects of each message (count). */
  readonly #effects = new Map<string, number>();
  /** How often each message was begun (count). */
  readonly #begins = new Map<string, number>();
  /** When each message was sent (ms since 1970). */
  readonly #sentMs = new Map<string, number>();
  /** What a receiver did not want; should that word be lost with its connection, another may. */
  readonly #unwanted = new Set<string>();
  /** What handlers failed with, and at which attempt. */
  readonly #failed = new Set<string>();
  /** Of each sender, the number of the newest message that had its effect. */
  readonly #newest = new Map<string, number>();
  /** Values by the ids of their messages. */
  readonly #named = new Map<string, string>();
  #sessions = 0;
  /** Who took poison, and whose it was: they die at the end of the step. */
  readonly #victims = new Set<SimSender | SimReceiver>();
  #deaths = 0;

  constructor(seed: number, options: WorldOptions, sabotage: Sabotage = {}) {
    this.random = new Random(seed);
    this.options = options;
    this.sabotage = sabotage;
    this.ports = {
      clock: this.clock,
      random: () => this.random.next(),
      session: () => ++this.#sessions,
      id: () => this.random.hex(16),
    };
    this.#senders = times(options.senders, (index) => new SimSender(this, index));
    this.#receivers = times(options.receivers, (index) => new SimReceiver(this, index));
  }

  /** A digest of everything that happened. */
  get trace(): string {
    return this.#trace.copy().digest("hex");
  }

  /** Plays random steps, then lets everything come to rest, and checks what was promised. */
  async run(steps: number): Promise<void> {
    for (const program of [...this.#senders, ...this.#receivers]) await program.start();
    for (let step = 0; step < steps && this.violations.length === 0; step++) await this.#step();
    // Then nothing more goes wrong, and everything must come to its end.
    for (
      let idle = 0, before = "";
      idle < CALM_STEPS && !this.#isAtRest && this.violations.length === 0;
    ) {
      await this.#calmStep();
      idle = before === this.#progress ? idle + 1 : 0;
      before = this.#progress;
    }
    await this.#checkEnd();
  }

  /** Whether a sender's disk has all that it had said to be stored. */
  get isExact(): boolean {
    return this.options.sync === "always" && this.options.restores !== true;
  }

  /** A receiver was given a message: its id names no other. */
  names(id: string, value: string): void {
    const before = this.#named.get(id) ?? value;
    this.#named.set(id, value);
    this.check(before === value, `${before} and ${value} were not told apart: both are ${id}`);
  }

  note(text: string): void {
    this.#trace.update(`${text}\n`);
    if (process.env.TRACE !== undefined) console.log(text);
  }

  check(isKept: boolean, violation: string): void {
    if (!isKept) this.violations.push(violation);
  }

  /** A sender has a message to send. */
  sent(value: string, level: ConfirmLevel): void {
    this.note(`send ${value} ${level}`);
    this.#sentMs.set(value, this.clock.timeMs());
  }

  /** A `send` resolved. */
  confirmed(value: string, level: ConfirmLevel): void {
    this.note(`confirmed ${value} ${level}`);
    if (level === "queued") return;
    this.#confirmed.set(value, level);
    if (level !== "processed") return;
    this.check(this.#effects.has(value), `${value} was confirmed as processed, and was not`);
  }

  /** A `send` rejected. */
  failed(value: string, code: ErrorCode): void {
    this.note(`failed ${value} ${code}`);
    this.check(code === "BROKERLESS_DEAD_LETTER", `${value} failed: ${code}`);
  }

  /** A receiver took a message. @returns whether that kills it, and its sender, before either can save anything */
  poisons(value: string, receiver: SimReceiver): boolean {
    if (!this.#isPoison(value)) return false;
    const [sender] = value.split(":") as [string, string];
    this.#victims.add(receiver).add(this.#senders[Number(sender)]!);
    return true;
  }

  /** An application has a message in its hands. */
  begun(value: string, attempt: number): void {
    const begins = this.#begins.get(value) ?? 0;
    this.#begins.set(value, begins + 1);
    if (this.options.poison !== true) return;
    this.check(
      attempt <= begins + 1,
      `${value} was begun ${begins} times, and ${attempt - 1} count`,
    );
  }

  /** A handler gives a message back, or rejects it; that word may be lost with its connection. */
  gaveUp(value: string, attempt: number): void {
    this.#failed.add(`${value} #${attempt}`);
  }

  /** A receiver rejected a message. */
  unwanted(value: string): void {
    this.#unwanted.add(value);
  }

  /** A receiver did what a message asks for. */
  effect(value: string, receiver: number): void {
    this.note(`effect ${value} ${receiver}`);
    const before = this.#effects.get(value) ?? 0;
    this.#effects.set(value, before + 1);
    if (before > 0) {
      this.check(!this.options.once, `${value} had its effect twice`);
      return;
    }
    const [sender, number] = value.split(":") as [string, string];
    const newest = this.#newest.get(sender) ?? 0;
    const isOrdered = Number(number) > newest || this.#unwanted.has(value);
    this.check(!this.options.ordered || isOrdered, `${value} came after ${newest}`);
    this.#newest.set(sender, Math.max(newest, Number(number)));
  }

  #isPoison(value: string): boolean {
    return this.options.poison === true && Number(value.split(":")[1]) % 8 === 4;
  }

  get #isAtRest(): boolean {
    return this.#senders.every((sender) => sender.isAtRest);
  }

  async #step(): Promise<void> {
    const { random } = this;
    const roll = random.next();
    const sender = this.#senders[random.below(this.#senders.length)]!;
    const receiver = this.#receivers[random.below(this.#receivers.length)]!;
    if (roll < 0.4) this.#carry(sender, receiver);
    else if (roll < 0.62) receiver.work(this.options.poison === true);
    else if (roll < 0.74) this.clock.advance(random.below(60));
    else if (roll < 0.84) sender.send();
    else if (roll < 0.9) this.#connect(sender, receiver);
    // Where poison kills, nothing else does, so that it is clear what each death is to be blamed on.
    else if (roll < 0.93 && this.options.poison !== true) this.#cut(sender, receiver);
    else if (roll < 0.94) await this.#crashSender(sender);
    else if (roll < 0.95 && this.options.poison !== true) await this.#crashReceiver(receiver);
    else if (roll < 0.97 && this.options.restores === true) sender.backup();
    for (const { machine } of this.#programs) if (random.chance(0.4)) machine.work(2);
    await this.#endStep();
  }

  /** What was set off happens, and who took poison dies of it. */
  async #endStep(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#checkMemory();
    if (this.#victims.size === 0) return;
    for (const sender of this.#senders)
      if (this.#victims.has(sender)) await this.#crashSender(sender);
    for (const one of this.#receivers) if (this.#victims.has(one)) await this.#crashReceiver(one);
    this.#victims.clear();
    this.#deaths += 1;
    this.check(this.#deaths < DEATHS_MAX, "poison kills for ever");
  }

  get #programs(): readonly (SimSender | SimReceiver)[] {
    return [...this.#senders, ...this.#receivers];
  }

  /** Everybody is connected and works, and no disk makes anybody wait. */
  async #calmStep(): Promise<void> {
    for (const sender of this.#senders) {
      for (const receiver of this.#receivers) {
        this.#connect(sender, receiver);
        this.#carry(sender, receiver);
      }
    }
    for (const receiver of this.#receivers) receiver.work(true);
    for (const { machine } of this.#programs) machine.work(100);
    this.clock.advance(this.random.below(20));
    await this.#endStep();
  }

  /** What changes whenever a message is settled. */
  get #progress(): string {
    return this.#senders.map(({ socket }) => socket?.stats().messagesSent).join();
  }

  #carry(sender: SimSender, receiver: SimReceiver): void {
    const wire = this.#wires.get(nameOf(sender, receiver));
    if (wire === undefined) return;
    const goesToSender = this.random.chance(0.5);
    for (let count = this.random.below(6); count >= 0; count--) {
      const parts = (goesToSender ? wire.toSender : wire.toReceiver).shift();
      if (parts === undefined) return;
      this.note(`${nameOf(sender, receiver)} ${goesToSender} ${parts[0]!.toString("hex")}`);
      if (goesToSender) sender.socket?.links.onMessage(wire.senderEnd, parts);
      else receiver.socket?.links.onMessage(wire.receiverEnd, parts);
    }
  }

  #connect(sender: SimSender, receiver: SimReceiver): void {
    const name = nameOf(sender, receiver);
    if (this.#wires.has(name) || sender.socket === null || receiver.socket === null) return;
    const wire = new SimWire();
    this.#wires.set(name, wire);
    this.note(`connect ${name}`);
    if (this.random.chance(0.5)) receiver.socket.links.onConnect(wire.receiverEnd);
    else sender.socket.links.onConnect(wire.senderEnd);
  }

  #cut(sender: SimSender, receiver: SimReceiver): void {
    const name = nameOf(sender, receiver);
    const wire = this.#wires.get(name);
    if (wire === undefined) return;
    this.note(`cut ${name}`);
    this.#wires.delete(name);
    wire.isCut = true;
    sender.socket?.links.onGone(wire.senderEnd);
    receiver.socket?.links.onGone(wire.receiverEnd);
  }

  async #crashSender(sender: SimSender): Promise<void> {
    const isPower = this.random.chance(0.5);
    this.note(`sender ${sender.index} crashes ${isPower}`);
    this.#crashed.add(sender.index);
    sender.crash(isPower);
    for (const receiver of this.#receivers) this.#cut(sender, receiver);
    if (this.options.restores === true && this.random.chance(0.5)) sender.restore();
    await sender.start();
  }

  async #crashReceiver(receiver: SimReceiver): Promise<void> {
    if (!this.options.receiverCrashes) return;
    const isPower = this.random.chance(0.5);
    this.note(`receiver ${receiver.index} crashes ${isPower}`);
    receiver.crash(isPower);
    for (const sender of this.#senders) this.#cut(sender, receiver);
    await receiver.start();
  }

  #checkMemory(): void {
    for (const { socket, index } of this.#senders) {
      const bytes = socket?.links.backlog.bytes ?? 0;
      this.check(bytes <= CACHE_BYTES + FRAME_BYTES, `sender ${index} caches ${bytes} bytes`);
    }
    for (const { socket, index } of this.#receivers) {
      const waiting = socket?.links.counts.waiting ?? 0;
      const most = this.options.prefetch * 3 * this.options.senders;
      this.check(waiting <= most, `receiver ${index} holds ${waiting} messages`);
    }
  }

  /** A letter says what was said at its last attempt, and has the id and the times of what happened. */
  #checkWhy(text: string, letter: WhyDead & { readonly id: string }): void {
    const { id, attempts, reason, error, firstAttemptAt, deadAt } = letter;
    this.check((this.#named.get(id) ?? text) === text, `the letter of ${text} has another's id`);
    const isLost = reason.startsWith("the lease ended");
    const said = error?.message ?? null;
    const told = said?.startsWith(`${text} #`) === true ? Number(said.slice(text.length + 2)) : 0;
    // A handler that outlived its lease speaks of an earlier attempt than the sender counts; a sender that lost its newest
    // state, was restored, or died before an attempt was saved, counts fewer than the handler was told.
    const isLate = this.options.leaseMs < LEASE_LONG_MS && told > 0;
    const isForgotten = this.#crashed.has(Number(text.split(":")[0])) && told > attempts;
    const isSaid = isLost ? said === null : told === attempts || isLate || isForgotten;
    this.check(
      isSaid,
      `${text} died at attempt ${attempts} (${reason}), and its letter says ${said}`,
    );
    const sentMs = Math.floor(this.#sentMs.get(text)!);
    const firstMs = firstAttemptAt?.getTime() ?? sentMs;
    const isTimely = sentMs <= firstMs && firstMs <= deadAt.getTime();
    this.check(isTimely, `${text} was sent at ${sentMs}, and its letter says ${firstMs}`);
  }

  async #checkEnd(): Promise<void> {
    if (this.violations.length > 0) return;
    this.check(this.#isAtRest, "a message is stuck though everybody is there");
    const dead = new Set<string>();
    for (const { socket } of this.#senders) {
      for await (const letter of socket!.deadLetters) {
        const text = Buffer.from(letter.value!).toString().replace(/\.+$/, "");
        this.#checkWhy(text, letter);
        this.check(!dead.has(text), `${text} is a dead letter twice`);
        const hasFailed = letter.error !== null || this.#failed.has(`${text} #${letter.attempts}`);
        const isItsOwn = this.#isPoison(text) || hasFailed;
        const isWrong = this.options.poison === true && !isItsOwn;
        this.check(!isWrong, `${text} is a dead letter, and killed nobody`);
        dead.add(text);
      }
    }
    for (const [value, level] of this.#confirmed) {
      // Where the disk may forget, the others say less.
      if (!this.isExact && level !== "processed") continue;
      const isThere = this.#effects.has(value) || dead.has(value);
      this.check(isThere, `${value} was confirmed as ${level}, and is lost`);
    }
  }
}

function nameOf(sender: SimSender, receiver: SimReceiver): string {
  return `${sender.index}-${receiver.index}`;
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
