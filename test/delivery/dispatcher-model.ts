import assert from "node:assert/strict";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
} from "../../lib/delivery/dispatcher-events.ts";

type Message = Sized & { readonly bytes: number };
type Sized =
  | { readonly type: "fresh" }
  | { readonly type: "leased"; readonly link: number; readonly attempt: number; endMs: number }
  | { readonly type: "waiting"; readonly attempts: number; readonly dueMs: number }
  | { readonly type: "settled" };

interface Link {
  readonly id: number;
  readonly receiver: string;
  /** Its prefetch, or what it held already when it came back with a smaller one. */
  credit: number;
  /** The same in bytes. */
  creditBytes: number;
  graceEndMs: number | null;
  silent: boolean;
}

/**
 * The obvious dispatcher: one object per message, every rule spelled out. It does not choose who gets what,
 * but says of every choice whether it was allowed, and of every rest whether something is stuck.
 */
export class DispatcherModel {
  readonly messages: Map<number, Message> = new Map();
  readonly links: Map<number, Link> = new Map();
  readonly #options: DispatcherOptions;
  #nowMs = 0;
  #fed = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
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
        this.messages.set(seq, { type: "fresh", bytes });
      }
      this.#fed = event.last;
    } else if (event.type === "joined") this.#join(event);
    else if (event.type === "lost") this.#lose(event.link);
    else if (event.type === "left") this.#leave(event.link);
    else if ("ranges" in event && "link" in event) this.#answer(event);
    this.#pass();
  }

  /** @throws AssertionError for an action that is not allowed */
  check(action: DispatcherAction): void {
    if (action.type === "settled") this.#checkSettled(action);
    if (action.type !== "send") return;
    const link = this.links.get(action.link);
    assert.ok(link !== undefined && link.graceEndMs === null, "sent to a link that is not there");
    assert.ok(!link.silent, "sent to a link that let a lease end in silence");
    for (let seq = action.first; seq <= action.last; seq++) {
      const message = this.messages.get(seq);
      if (message?.type === "fresh") assert.equal(action.attempt, 1, `attempt of ${seq}`);
      else if (message?.type === "waiting") {
        assert.equal(action.attempt, message.attempts + 1, `attempt of ${seq}`);
        assert.ok(message.dueMs <= this.#nowMs, `${seq} was sent before its rest was over`);
      } else assert.fail(`${seq} was sent and is ${message?.type}`);
      const endMs = this.#nowMs + this.#options.leaseMs;
      this.#set(seq, { type: "leased", link: link.id, attempt: action.attempt, endMs });
    }
    // Who keeps order gets what it waits for beyond its credit.
    const isAlone = this.#options.exclusive || this.links.size === 1;
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
  checkRest({ floor: settledTo, settled }: DispatcherState): void {
    let floor = 0;
    while (this.messages.get(floor + 1)?.type === "settled") floor += 1;
    assert.equal(settledTo, floor);
    for (const [seq, message] of this.messages) {
      const isSettled =
        seq <= floor || settled.some(({ first, last }) => first <= seq && seq <= last);
      assert.equal(isSettled, message.type === "settled", `settled: ${seq}`);
    }
    const isReady = [...this.messages.values()].some(
      (message) =>
        message.type === "fresh" || (message.type === "waiting" && message.dueMs <= this.#nowMs),
    );
    const idle = [...this.links.values()].some(
      (link) => link.graceEndMs === null && !link.silent && this.leased(link.id) === 0,
    );
    if (this.#options.exclusive) return;
    assert.ok(!(isReady && idle), "a message is stuck while a receiver has nothing to do");
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
        this.#set(seq, { type: "settled" });
      } else assert.equal(message.type, "settled", `${seq} was settled by nobody`);
    }
  }

  #join(event: DispatcherEvent & { readonly type: "joined" }): void {
    const olds = [...this.links.values()].filter(({ receiver }) => receiver === event.receiver);
    const { link: id, receiver, prefetch, prefetchBytesMax } = event;
    const credits = { credit: prefetch, creditBytes: prefetchBytesMax };
    const link = { id, receiver, ...credits, graceEndMs: null, silent: false };
    this.links.set(id, link);
    const spoken =
      (ranges: readonly { readonly first: number; readonly last: number }[]) => (seq: number) =>
        ranges.some(({ first, last }) => first <= seq && seq <= last);
    const isDone = spoken(event.done);
    const isHeld = spoken(event.held);
    for (const old of olds) {
      for (const seq of this.held(old.id)) {
        const message = this.messages.get(seq) as Message & { readonly type: "leased" };
        if (isDone(seq)) this.#set(seq, { type: "settled" });
        else if (isHeld(seq)) {
          const endMs = this.#nowMs + this.#options.leaseMs;
          this.#set(seq, { type: "leased", link: id, attempt: message.attempt, endMs });
        } else this.#giveBack(seq, message.attempt);
      }
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

  #leave(id: number): void {
    for (const seq of this.held(id)) {
      this.#giveBack(seq, (this.messages.get(seq) as { readonly attempt: number }).attempt);
    }
    this.links.delete(id);
  }

  #answer(
    event: Extract<DispatcherEvent, { readonly link: number; readonly ranges: unknown }>,
  ): void {
    const link = this.links.get(event.link);
    if (link === undefined) return;
    link.silent = event.type === "released";
    for (const { first, last } of event.ranges) {
      for (const seq of this.held(link.id).filter((one) => first <= one && one <= last)) {
        const message = this.messages.get(seq) as Message & { readonly type: "leased" };
        if (event.type === "acked" || event.type === "rejected") {
          this.#set(seq, { type: "settled" });
        } else if (event.type === "released") {
          this.#wait(seq, message.attempt - 1, this.#nowMs);
        } else if (event.type === "extended") {
          message.endMs = Math.max(message.endMs, this.#nowMs + event.leaseMs);
        } else if (message.attempt >= this.#options.attemptsMax) {
          this.#set(seq, { type: "settled" });
        } else this.#wait(seq, message.attempt, this.#nowMs + event.delayMs!);
      }
    }
  }

  #giveBack(seq: number, attempt: number): void {
    if (attempt >= this.#options.attemptsMax) this.#set(seq, { type: "settled" });
    else this.#wait(seq, attempt, this.#nowMs);
  }

  #wait(seq: number, attempts: number, dueMs: number): void {
    this.#set(seq, { type: "waiting", attempts, dueMs });
  }

  #set(seq: number, message: Sized): void {
    this.messages.set(seq, { ...message, bytes: this.messages.get(seq)!.bytes });
  }

  #pass(): void {
    for (const link of [...this.links.values()]) {
      if (link.graceEndMs !== null && link.graceEndMs <= this.#nowMs) this.#leave(link.id);
    }
    for (const [seq, message] of [...this.messages]) {
      if (message.type !== "leased" || message.endMs > this.#nowMs) continue;
      const link = this.links.get(message.link);
      if (link !== undefined && link.graceEndMs !== null) continue;
      if (link !== undefined) link.silent = true;
      this.#giveBack(seq, message.attempt);
    }
  }
}
