import { peerName } from "../../peer-text.ts";
import { type Claim, PrefixLedger } from "./prefix-ledger.ts";

/** First characters of a mark: a subscription that only announces a subscriber. No topic may begin with them. */
export const MARK = "\0brokerless\0";
/**
 * A mark: the id of the subscriber, the number of the mark, the number of its prefixes except the empty one, whether it
 * has the empty prefix, and the name of the subscriber.
 */
const MARK_FORM = /^([\w-]{1,32})\.(\d{1,15})\.(\d{1,9})(\.\*)?(?: (.{1,64}))?$/s;
/** Most marks that are remembered, which bounds the memory that peers can use (count). */
const MARKS_MAX = 65_536;
/** Interval of {@link SubscriberCounter.tick} (milliseconds). */
export const TICK_MS = 500;
/** After so long without a missing prefix, no more are expected, and announcements are judged (ticks). */
const QUIET_TICKS = 4;
/** An announcement is judged after so long, even if prefixes still arrive (ticks). */
const HOLD_TICKS_MAX = 60;

/** The meaning of a subscription message. */
export type CensusChange =
  | { readonly type: "subscribe" | "unsubscribe"; readonly prefix: string }
  | { readonly type: "mark"; readonly came?: Subscriber; readonly left?: Subscriber };

/** A subscriber that has announced itself, in its public form. Id and name are its own claims. */
export interface Subscriber {
  readonly id: string;
  readonly name: string | null;
}

/** A subscriber that has announced itself. */
interface Announced extends Subscriber {
  /** Its marks: two or three for a moment, while it replaces one by the next (count). */
  marks: number;
  /** The number of its newest mark. */
  newest: number;
  /** Prefixes that the newest mark announces, without the empty one (count). */
  prefixes: number;
  /** 1 when it announces the empty prefix, else 0. */
  empty: number;
  readonly claims: { readonly prefixes: Claim; readonly empty: Claim };
  /** Announced prefixes that are no longer waited for (count). */
  readonly owed: { prefixes: number; empty: number };
  /** When its wait began, and when it last announced prefixes (ticks). */
  firstTick: number;
  lastTick: number;
}

/**
 * Counts the subscribers of a publisher whose subscriptions have arrived, from XPUB's messages.
 *
 * XPUB does not report which peer subscribes. Sockets of this package announce with a mark how many prefixes follow; a
 * subscriber is complete when as many have arrived as it announced. The empty prefix is counted separately, because a
 * new connection repeats it before the mark. The remaining prefixes belong to other subscribers, each of which is taken
 * to have at least one.
 *
 * Where announced prefixes do not arrive, each announcement is judged after a while by the number that has arrived
 * since: subscribers that may be complete count, the others are struck. Struck subscribers delay no other, and count
 * once as many prefixes have arrived as they lacked.
 *
 * Pure. Invariant: `count(peers) <= max(peers, announced subscribers)`.
 *
 * @see docs/decisions/0005-knowing-subscribers.md
 */
export class SubscriberCounter {
  readonly #marks = new Set<string>();
  readonly #announced = new Map<string, Announced>();
  /** Subscribers that do not count, since not all prefixes of their first announcement have arrived. */
  readonly #incomplete = new Set<Announced>();
  /** Subscribers whose newest mark may announce prefixes that have not arrived yet. */
  readonly #claiming = new Set<Announced>();
  /** The incomplete subscribers that were judged. */
  readonly #struck = new Set<Announced>();
  /** The struck subscribers, the one that lacks fewest last; may also contain some that are no longer struck. */
  #byLack: Announced[] = [];
  /** Prefixes that have arrived for struck subscribers (count). */
  #late = 0;
  readonly #prefixes = new PrefixLedger();
  readonly #empty = new PrefixLedger();
  #tick = 0;
  /** Ticks since a missing prefix arrived (count). */
  #quietTicks = 0;

  /** @param message a message read from XPUB: 1 or 0, then the prefix; any other message is ignored */
  read(message: Buffer): CensusChange | null {
    const adds = message[0] === 1;
    if (!adds && message[0] !== 0) return null;
    const prefix = message.toString("utf8", 1);
    if (prefix.startsWith(MARK)) {
      return { type: "mark", ...this.#readMark(prefix.slice(MARK.length), adds) };
    }
    const ledger = prefix === "" ? this.#empty : this.#prefixes;
    if (adds) this.#arrive(ledger);
    else ledger.leave();
    return { type: adds ? "subscribe" : "unsubscribe", prefix };
  }

  /** Whether announced prefixes have not arrived: {@link tick} must be called then. */
  get isWaiting(): boolean {
    return this.#claiming.size > 0;
  }

  /** To be called every {@link TICK_MS}, after at least one turn of the event loop since the previous tick. */
  tick(): void {
    this.#tick += 1;
    this.#quietTicks += 1;
    const isQuiet = this.#quietTicks >= QUIET_TICKS;
    const due = [...this.#claiming].filter(
      ({ firstTick, lastTick }) =>
        this.#tick - firstTick >= HOLD_TICKS_MAX ||
        (isQuiet && this.#tick - lastTick >= QUIET_TICKS),
    );
    if (due.length > 0) this.#judge(due);
  }

  /** Whether a subscriber has announced itself and is still there. */
  get hasAnnounced(): boolean {
    return this.#announced.size > 0;
  }

  /** The subscriber with an id; null where none has announced itself by it. */
  find(id: string): Subscriber | null {
    const announced = this.#announced.get(id);
    return announced === undefined ? null : { id, name: announced.name };
  }

  /** The subscribers that have announced themselves, whether all of their prefixes have arrived or not. */
  list(): Subscriber[] {
    return [...this.#announced.values()].map(({ id, name }) => ({ id, name }));
  }

  /**
   * @param peers connections that have completed the handshake (count)
   * @returns subscribers that get the messages published from now on (count)
   */
  count(peers: number): number {
    const complete = this.#announced.size - this.#incomplete.size;
    const others = this.#prefixes.others + this.#empty.others;
    return complete + Math.min(Math.max(0, peers - this.#announced.size), others);
  }

  #arrive(ledger: PrefixLedger): void {
    if (ledger.arrive()) {
      this.#quietTicks = 0;
      this.#complete();
    } else if (this.#struck.size > 0) {
      this.#late += 1;
      this.#pardon();
    }
  }

  /** Settles all announcements when no prefix is missing. */
  #complete(): void {
    if (this.#prefixes.missing + this.#empty.missing > 0) return;
    for (const announced of this.#claiming) this.#settle(announced);
  }

  /** Settles an announcement whose prefixes have arrived. The subscriber counts, unless earlier ones are missing. */
  #settle(announced: Announced): void {
    this.#prefixes.settle(announced.claims.prefixes);
    this.#empty.settle(announced.claims.empty);
    this.#claiming.delete(announced);
    if (!this.#struck.has(announced)) this.#incomplete.delete(announced);
  }

  /** Counts as many of them as may be complete by the prefixes that have arrived, and strikes the others. */
  #judge(due: Announced[]): void {
    if (this.#struck.size === 0) this.#late = 0;
    due.sort((one, other) => lackOf(one) - lackOf(other));
    const struck: Announced[] = [];
    for (const announced of due) {
      const { prefixes, empty } = announced.claims;
      const isCovered = this.#prefixes.covers(prefixes) && this.#empty.covers(empty);
      if (isCovered) this.#settle(announced);
      else struck.push(announced);
    }
    for (const announced of struck.reverse()) this.#strike(announced);
    this.#sortStruck();
    this.#complete();
  }

  #sortStruck(): void {
    this.#byLack = [...this.#struck].sort((one, other) => owedBy(other) - owedBy(one));
  }

  #strike(announced: Announced): void {
    const { claims, owed } = announced;
    owed.prefixes += this.#prefixes.strike(claims.prefixes);
    owed.empty += this.#empty.strike(claims.empty);
    this.#claiming.delete(announced);
    // A subscriber that counted before still counts: it has its first prefixes.
    if (!this.#incomplete.has(announced)) return;
    if (owedBy(announced) > 0) this.#struck.add(announced);
    else this.#incomplete.delete(announced);
  }

  /** Counts the struck subscribers for which enough prefixes have arrived since. */
  #pardon(): void {
    for (;;) {
      const next = this.#byLack.at(-1);
      if (next === undefined) return;
      if (this.#struck.has(next)) {
        if (owedBy(next) > this.#late) return;
        this.#late -= owedBy(next);
        this.#struck.delete(next);
        if (!this.#claiming.has(next)) this.#incomplete.delete(next);
      }
      this.#byLack.pop();
    }
  }

  /** @returns the subscriber that joined or left by it */
  #readMark(mark: string, adds: boolean): { came?: Subscriber; left?: Subscriber } {
    const [, id, number, prefixes, empty, name = ""] = MARK_FORM.exec(mark) ?? [];
    if (id === undefined) return {};
    if (!adds) return this.#marks.delete(mark) ? this.#leave(id) : {};
    if (this.#marks.has(mark) || this.#marks.size >= MARKS_MAX) return {};
    this.#marks.add(mark);
    const before = this.#announced.get(id);
    const announced = before ?? this.#newcomer(id, peerName(name));
    announced.marks += 1;
    if (Number(number) > announced.newest) {
      announced.newest = Number(number);
      this.#announce(announced, { prefixes: Number(prefixes), empty: empty === undefined ? 0 : 1 });
    }
    return before === undefined ? { came: { id, name: announced.name } } : {};
  }

  #newcomer(id: string, name: string | null): Announced {
    const announced: Announced = {
      id,
      name,
      marks: 0,
      newest: -1,
      prefixes: 0,
      empty: 0,
      claims: { prefixes: { awaited: 0, from: 0 }, empty: { awaited: 0, from: 0 } },
      owed: { prefixes: 0, empty: 0 },
      firstTick: this.#tick,
      lastTick: this.#tick,
    };
    this.#announced.set(id, announced);
    this.#incomplete.add(announced);
    return announced;
  }

  #announce(
    announced: Announced,
    now: { readonly prefixes: number; readonly empty: number },
  ): void {
    const { claims, owed } = announced;
    const before = {
      prefixes: announced.prefixes - owed.prefixes,
      empty: announced.empty - owed.empty,
    };
    if (owed.prefixes > now.prefixes || owed.empty > now.empty) {
      owed.prefixes = Math.min(owed.prefixes, now.prefixes);
      owed.empty = Math.min(owed.empty, now.empty);
      this.#sortStruck();
    }
    // Prefixes that arrived before the mark belong to others; this does not hold for the empty prefix.
    this.#prefixes.announce(claims.prefixes, {
      before: before.prefixes,
      now: now.prefixes - owed.prefixes,
      here: 0,
    });
    this.#empty.announce(claims.empty, {
      before: before.empty,
      now: now.empty - owed.empty,
      here: this.#empty.others,
    });
    announced.prefixes = now.prefixes;
    announced.empty = now.empty;
    announced.lastTick = this.#tick;
    if (!this.#claiming.has(announced)) announced.firstTick = this.#tick;
    this.#claiming.add(announced);
    this.#complete();
  }

  #leave(id: string): { left?: Subscriber } {
    const announced = this.#announced.get(id)!;
    announced.marks -= 1;
    if (announced.marks > 0) return {};
    this.#announced.delete(id);
    this.#incomplete.delete(announced);
    this.#struck.delete(announced);
    // Some of its prefixes may not have arrived: they are no longer waited for.
    this.#strike(announced);
    this.#prefixes.withdraw(announced.prefixes - announced.owed.prefixes);
    this.#empty.withdraw(announced.empty - announced.owed.empty);
    this.#complete();
    return { left: { id, name: announced.name } };
  }
}

/** Prefixes that it has announced and may lack (count). */
function lackOf({ claims }: Announced): number {
  return claims.prefixes.awaited + claims.empty.awaited;
}

/** Prefixes that it lacked when it was struck (count). */
function owedBy({ owed }: Announced): number {
  return owed.prefixes + owed.empty;
}
