import assert from "node:assert/strict";
import type { DeadLetterRecord } from "../../lib/delivery/dispatch/dead-letter-record.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
} from "../../lib/delivery/dispatch/dispatcher-events.ts";
import type { ValuedRange } from "../../lib/delivery/range/range-map.ts";

type Message = Sized & { readonly bytes: number };
type Sized =
  | {
      readonly type: "fresh";
      /** The last seq of its batch. */
      readonly last: number;
    }
  | {
      readonly type: "leased";
      readonly link: number;
      readonly attempt: number;
      endMs: number;
      /** Whether its receiver said that it has begun it. */
      isBegun: boolean;
    }
  | { readonly type: "waiting"; readonly attempts: number; readonly dueMs: number }
  | { readonly type: "settled" };

/** What is to be told of a message that is dead. */
interface ModelDeath {
  readonly attempts: number;
  readonly reason: string;
  readonly said: string | null;
  readonly firstMs: number | null;
  readonly timeMs: number;
}

type Leased = Message & { readonly type: "leased" };

interface Link {
  readonly id: number;
  readonly receiver: string;
  readonly incarnation: string;
  readonly prefetch: number;
  readonly prefetchBytesMax: number;
  /** Its prefetch, or what it held already when it came back with a smaller one. */
  credit: number;
  /** The same in bytes. */
  creditBytes: number;
  graceEndMs: number | null;
  silent: boolean;
  congested: boolean;
}

/**
 * The obvious dispatcher: one object per message, every rule spelled out. It does not choose who gets what,
 * but says of every choice whether it was allowed, and of every rest whether something is stuck.
 */
export class DispatcherModel {
  readonly messages: Map<number, Message> = new Map();
  readonly links: Map<number, Link> = new Map();
  /** May have killed a receiver. */
  readonly guarded: Set<number> = new Set();
  /** What died, and what is known of it. */
  readonly dead: Map<number, ModelDeath> = new Map();
  /** When what is not settled was begun for the first time. */
  readonly #firsts = new Map<number, number>();
  readonly #exposed = new Set<number>();
  #deaths = 0;
  readonly #options: DispatcherOptions;
  #nowMs = 0;
  #fed = 0;
  /** Begun messages and who has them, as the event left them: a lease may end in the same step, behind the `go`. */
  readonly #begun = new Map<number, number>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** @throws AssertionError where something else is known of the dead than what happened to them */
  checkDead(dead: Iterable<ValuedRange<DeadLetterRecord>>): void {
    const found: [number, ModelDeath][] = [];
    for (const { first, last, value } of dead) {
      const { attempts, reason, error, firstMs, timeMs } = value;
      const said = error?.message ?? null;
      for (let seq = first; seq <= last; seq++) {
        found.push([seq, { attempts, reason, said, firstMs, timeMs }]);
      }
    }
    assert.deepEqual(
      found,
      [...this.dead].sort(([a], [b]) => a - b),
    );
  }

  get seqLast(): number {
    return this.#fed;
  }

  /** What happens, before its actions are looked at. */
  apply(event: DispatcherEvent, nowMs: number): void {
    this.#nowMs = nowMs;
    if (event.type === "fed") {
      const bytes = event.bytes / (event.last - event.first + 1);
      for (let seq = event.first; seq <= event.last; seq++) {
        this.messages.set(seq, { type: "fresh", last: event.last, bytes });
      }
      this.#fed = event.last;
    } else if (event.type === "joined") this.#join(event);
    else if (event.type === "lost") this.#lose(event.link);
    else if (event.type === "left") this.#leave(event.link, false);
    else if (event.type === "begun") this.#begin(event);
    else if (event.type === "congested" || event.type === "relieved") {
      const link = this.links.get(event.link);
      if (link !== undefined) link.congested = event.type === "congested";
    } else if ("ranges" in event && "link" in event) this.#answer(event);
    this.#begun.clear();
    for (const [seq, message] of this.messages) {
      if (message.type === "leased" && message.isBegun) this.#begun.set(seq, message.link);
    }
    this.#pass();
  }

  /** @throws AssertionError for an action that is not allowed */
  check(action: DispatcherAction): void {
    if (action.type === "settled") this.#checkSettled(action);
    if (action.type === "go") this.#checkGo(action);
    if (action.type !== "send") return;
    const link = this.links.get(action.link);
    assert.ok(link !== undefined && link.graceEndMs === null, "sent to a link that is not there");
    assert.ok(!link.silent, "sent to a link that let a lease end in silence");
    assert.ok(!link.congested, "sent to a link for which much waits");
    for (let seq = action.first; seq <= action.last; seq++) {
      const message = this.messages.get(seq);
      assert.equal(action.guarded, this.guarded.has(seq), `guarded: ${seq}`);
      if (message?.type === "fresh") assert.equal(action.attempt, 1, `attempt of ${seq}`);
      else if (message?.type === "waiting") {
        assert.equal(action.attempt, message.attempts + 1, `attempt of ${seq}`);
        assert.ok(message.dueMs <= this.#nowMs, `${seq} was sent before its back-off was over`);
      } else assert.fail(`${seq} was sent and is ${message?.type}`);
      const endMs = this.#nowMs + this.#options.leaseMs;
      const { attempt } = action;
      this.#set(seq, { type: "leased", link: link.id, attempt, endMs, isBegun: false });
    }
    // Who keeps order gets what it waits for beyond its credit.
    const isAlone = this.#options.order === "total" || this.links.size === 1;
    const most = link.credit * (isAlone ? 2 : 1);
    const held = this.held(link.id);
    assert.ok(held.length <= most, "more than the prefetch");
    // One that is longer than all credit goes alone.
    const longest = Math.max(...held.map((seq) => this.messages.get(seq)!.bytes));
    const mostBytes = isAlone ? 2 * Math.max(link.creditBytes, longest) : link.creditBytes;
    const bytes = this.bytesOf(held);
    assert.ok(held.length === 1 || bytes <= mostBytes, "more bytes than the prefetch");
  }

  bytesOf(seqs: readonly number[]): number {
    return seqs.reduce((sum, seq) => sum + this.messages.get(seq)!.bytes, 0);
  }

  /** @throws AssertionError when somebody could work and does not */
  checkRest({ floor: settledTo, settled, firsts }: DispatcherState): void {
    let floor = 0;
    while (this.messages.get(floor + 1)?.type === "settled") floor += 1;
    assert.equal(settledTo, floor);
    for (const [seq, message] of this.messages) {
      const isSettled =
        seq <= floor || settled.some(({ first, last }) => first <= seq && seq <= last);
      assert.equal(isSettled, message.type === "settled", `settled: ${seq}`);
    }
    for (const seq of this.messages.keys()) {
      const known = firsts.find(({ first, last }) => first <= seq && seq <= last)?.value;
      assert.equal(known, this.#firsts.get(seq), `first attempt of ${seq}`);
    }
    const next = [...this.messages].find(
      ([, message]) =>
        message.type === "fresh" || (message.type === "waiting" && message.dueMs <= this.#nowMs),
    );
    // One receiver of several may be the active one; a single one is.
    if (next === undefined || (this.#options.order === "total" && this.links.size > 1)) return;
    for (const link of this.links.values()) {
      if (link.graceEndMs !== null || link.silent || link.congested) continue;
      assert.notEqual(this.leased(link.id), 0, `${next[0]} is stuck while a receiver is idle`);
      assert.ok(!this.#hasRoom(link, ...next), `${next[0]} is stuck while a receiver has room`);
    }
  }

  /** Whether a link has room for a message that comes again, or for what is left of the batch of a fresh one. */
  #hasRoom({ id, prefetch, prefetchBytesMax }: Link, seq: number, message: Message): boolean {
    const count = message.type === "fresh" ? message.last - seq + 1 : 1;
    const held = this.held(id);
    const bytes = this.bytesOf(held) + count * message.bytes;
    return held.length + count <= prefetch && bytes <= prefetchBytesMax;
  }

  leased(link: number): number {
    return this.held(link).length;
  }

  /** The seqs that a link holds. */
  held(link: number): number[] {
    return [...this.messages]
      .filter(([, message]) => message.type === "leased" && message.link === link)
      .map(([seq]) => seq);
  }

  #checkSettled({ first, last, outcome }: DispatcherAction & { readonly type: "settled" }): void {
    for (let seq = first; seq <= last; seq++) {
      const message = this.messages.get(seq)!;
      if (outcome === "dropped") {
        assert.notEqual(message.type, "settled", `${seq} was dropped twice`);
        assert.notEqual(message.type, "leased", `${seq} was dropped while somebody worked on it`);
        this.#settle(seq);
      } else assert.equal(message.type, "settled", `${seq} was settled by nobody`);
    }
  }

  #join(event: DispatcherEvent & { readonly type: "joined" }): void {
    const olds = [...this.links.values()].filter(({ receiver }) => receiver === event.receiver);
    const { link: id, receiver, incarnation, prefetch, prefetchBytesMax } = event;
    const credits = { credit: prefetch, creditBytes: prefetchBytesMax };
    const state = { graceEndMs: null, silent: false, congested: event.congested === true };
    const limits = { prefetch, prefetchBytesMax };
    const link = { id, receiver, incarnation, ...limits, ...credits, ...state };
    this.links.set(id, link);
    const spoken =
      (ranges: readonly { readonly first: number; readonly last: number }[]) => (seq: number) =>
        ranges.some(({ first, last }) => first <= seq && seq <= last);
    const isDone = spoken(event.done);
    const isHeld = spoken(event.held);
    for (const old of olds) {
      const left: number[] = [];
      for (const seq of this.held(old.id)) {
        const { attempt, isBegun } = this.messages.get(seq) as Leased;
        if (isDone(seq)) this.#settle(seq);
        else if (isHeld(seq) && old.incarnation === incarnation) {
          const endMs = this.#nowMs + this.#options.leaseMs;
          this.#set(seq, { type: "leased", link: id, attempt, endMs, isBegun });
        } else left.push(seq);
      }
      // What the same process does not claim never came to it.
      this.#giveBack(left, old.incarnation !== incarnation);
      this.links.delete(old.id);
    }
    link.credit = Math.max(prefetch, this.leased(id));
    link.creditBytes = Math.max(prefetchBytesMax, this.bytesOf(this.held(id)));
  }

  #lose(id: number): void {
    const link = this.links.get(id);
    if (link === undefined || link.graceEndMs !== null) return;
    if (this.leased(id) === 0) this.links.delete(id);
    else link.graceEndMs = this.#nowMs + this.#options.graceMs;
  }

  #leave(id: number, isDead: boolean): void {
    this.#giveBack(this.held(id), isDead);
    this.links.delete(id);
  }

  #begin({ link, ranges, wantsGo }: Extract<DispatcherEvent, { readonly type: "begun" }>): void {
    const held = this.links.has(link) ? this.held(link) : [];
    for (const seq of held) {
      const message = this.messages.get(seq) as Leased;
      if (ranges.some(({ first, last }) => first <= seq && seq <= last)) {
        this.#noteFirst(seq);
        message.isBegun = true;
      } else if (wantsGo && message.isBegun) {
        // Nothing but what it asks for is in its hands.
        message.isBegun = false;
        if (message.attempt === 1) this.#firsts.delete(seq);
      }
    }
  }

  #answer(
    event: Exclude<
      Extract<DispatcherEvent, { readonly link: number; readonly ranges: unknown }>,
      { readonly type: "begun" }
    >,
  ): void {
    const link = this.links.get(event.link);
    if (link === undefined) return;
    link.silent = event.type === "released";
    for (const { first, last } of event.ranges) {
      for (const seq of this.held(link.id).filter((one) => first <= one && one <= last)) {
        const message = this.messages.get(seq) as Message & { readonly type: "leased" };
        if (event.type === "acked") this.#settle(seq);
        else if (event.type === "rejected") {
          this.#noteFirst(seq);
          this.#die(seq, event.reason, event.error?.message);
        } else if (event.type === "released") {
          this.#wait(seq, message.attempt - 1, this.#nowMs);
        } else if (event.type === "extended") {
          message.endMs = Math.max(message.endMs, this.#nowMs + event.leaseMs);
        } else {
          this.#noteFirst(seq);
          this.#forgive(seq);
          if (message.attempt >= this.#options.attemptsMax) {
            this.#die(seq, "all attempts failed", event.error?.message);
          } else this.#wait(seq, message.attempt, this.#nowMs + event.delayMs!);
        }
      }
    }
  }

  /** Only what was begun was tried; and may be why its receiver died, or the lowest of the others are. */
  #giveBack(seqs: readonly number[], isDead: boolean): void {
    const all = seqs.map((seq) => ({ seq, ...(this.messages.get(seq) as Leased) }));
    const begun = all.filter(({ isBegun }) => isBegun);
    const alone = new Set(this.guarded);
    if (isDead)
      this.#suspect(
        seqs,
        begun.map(({ seq }) => seq),
      );
    for (const { seq, attempt, isBegun } of all) {
      if (!isBegun) this.#wait(seq, attempt - 1, this.#nowMs);
      else if (attempt >= this.#options.attemptsMax) {
        // Once more, if it was not surely the reason.
        if (isDead && !alone.has(seq)) this.#wait(seq, attempt - 1, this.#nowMs);
        else this.#die(seq, "the lease ended, or the receiver was lost");
      } else this.#wait(seq, attempt, this.#nowMs);
    }
  }

  #suspect(seqs: readonly number[], begun: readonly number[]): void {
    const isExplained = begun.some((seq) => this.guarded.has(seq));
    for (const seq of [...begun].sort((a, b) => a - b).slice(0, 1_024)) this.guarded.add(seq);
    if (isExplained) {
      this.#exposed.clear();
      this.#deaths = 0;
      return;
    }
    const unsaid = seqs
      .filter((seq) => !this.guarded.has(seq) && !begun.includes(seq))
      .sort((a, b) => a - b);
    if (unsaid.length === 0) return;
    const again = unsaid.filter((seq) => this.#exposed.has(seq));
    this.#deaths = again.length > 0 ? this.#deaths + 1 : 1;
    for (const seq of unsaid) this.#exposed.add(seq);
    const count = [1, 32, 1_024][Math.min(this.#deaths, 3) - 1];
    for (const seq of (again.length > 0 ? again : unsaid).slice(0, count)) this.guarded.add(seq);
  }

  #forgive(seq: number): void {
    this.guarded.delete(seq);
    if (this.#exposed.delete(seq) && this.#exposed.size === 0) this.#deaths = 0;
  }

  /** A first attempt that nobody has heard of before. */
  #noteFirst(seq: number): void {
    const { attempt, isBegun } = this.messages.get(seq) as Leased;
    if (attempt === 1 && !isBegun) this.#firsts.set(seq, this.#nowMs);
  }

  #die(seq: number, reason: string, said: string | null = null): void {
    const { attempt: attempts } = this.messages.get(seq) as Leased;
    const firstMs = this.#firsts.get(seq) ?? null;
    this.dead.set(seq, { attempts, reason, said, firstMs, timeMs: this.#nowMs });
    this.#settle(seq);
  }

  #settle(seq: number): void {
    this.#firsts.delete(seq);
    this.#forgive(seq);
    this.#set(seq, { type: "settled" });
  }

  #wait(seq: number, attempts: number, dueMs: number): void {
    if (attempts === 0) this.#firsts.delete(seq);
    this.#set(seq, { type: "waiting", attempts, dueMs });
  }

  #set(seq: number, message: Sized): void {
    this.messages.set(seq, { ...message, bytes: this.messages.get(seq)!.bytes });
  }

  #pass(): void {
    for (const link of [...this.links.values()]) {
      if (link.graceEndMs === null) this.#endLeases(link);
      else if (link.graceEndMs <= this.#nowMs) this.#leave(link.id, true);
    }
  }

  #endLeases(link: Link): void {
    const ended = this.held(link.id)
      .map((seq) => ({ seq, ...(this.messages.get(seq) as Leased) }))
      .filter(({ endMs }) => endMs <= this.#nowMs);
    if (ended.length === 0) return;
    link.silent = true;
    // Signs of life extend what is not begun: without any the receiver hangs.
    const isHanging = ended.some(({ isBegun }) => !isBegun);
    this.#giveBack(
      ended.map(({ seq }) => seq).sort((a, b) => a - b),
      isHanging,
    );
  }

  #checkGo({ link, ranges }: DispatcherAction & { readonly type: "go" }): void {
    for (const { first, last } of ranges) {
      for (let seq = first; seq <= last; seq++) {
        assert.equal(this.#begun.get(seq), link, `go for ${seq}`);
      }
    }
  }
}
