import { peerName } from "../../peer-text.ts";

/** First characters of a subscription that only announces a subscriber. No topic may begin so. */
export const MARK = "\0brokerless\0";
/**
 * The id of the subscriber, which of its marks it is, how many prefixes it asks for beside the empty
 * one, whether it asks for that, and how it calls itself.
 */
const MARK_FORM = /^([\w-]{1,32})\.(\d{1,15})\.(\d{1,9})(\.\*)?(?: (.{1,64}))?$/s;
/** Marks that are remembered, so that no peer can make us remember more (count). */
const MARKS_MAX = 65_536;

/** What a subscription message meant. */
export type CensusChange =
  | { readonly type: "subscribe" | "unsubscribe"; readonly prefix: string }
  | { readonly type: "mark"; readonly came?: Subscriber; readonly left?: Subscriber };

/** A subscriber that has announced itself, for those who look. What it says of itself is a claim. */
export interface Subscriber {
  readonly id: string;
  readonly name: string | null;
}

/** A subscriber that has announced itself. */
interface Announced extends Subscriber {
  /** Two or three for a moment, while it replaces one by the next (count). */
  marks: number;
  /** Which of its marks is the newest. */
  newest: number;
  /** How many prefixes that one announces, the empty one not counted. */
  prefixes: number;
  /** 1 when it announces the empty prefix, else 0. */
  empty: number;
}

/** Prefixes of one kind: how many are here, how many were announced, and how many of those are missing. */
interface Ledger {
  here: number;
  needed: number;
  missing: number;
}

/**
 * Counts the subscribers of a publisher whose subscriptions have arrived, from XPUB's messages.
 *
 * XPUB does not say who subscribes. Our subscribers announce with a mark how many prefixes follow; who
 * has announced is complete when as many have arrived as are announced. The empty prefix is counted
 * by itself, because a new connection repeats it before the mark. What remains are subscriptions of
 * others, of which each connection is taken to have at least one.
 *
 * Pure. Invariant: `count(peers) <= max(peers, announced subscribers)`.
 *
 * @see docs/decisions/0005-knowing-subscribers.md
 */
export class SubscriberCounter {
  readonly #marks = new Set<string>();
  readonly #announced = new Map<string, Announced>();
  /** Those who have announced prefixes that have not all arrived yet. */
  readonly #incomplete = new Set<Announced>();
  readonly #prefixes: Ledger = { here: 0, needed: 0, missing: 0 };
  readonly #empty: Ledger = { here: 0, needed: 0, missing: 0 };

  /** @param message a message read from XPUB: 1 or 0, then the prefix; anything else is not for us */
  read(message: Buffer): CensusChange | null {
    const adds = message[0] === 1;
    if (!adds && message[0] !== 0) return null;
    const prefix = message.toString("utf8", 1);
    if (prefix.startsWith(MARK)) {
      return { type: "mark", ...this.#readMark(prefix.slice(MARK.length), adds) };
    }
    const ledger = prefix === "" ? this.#empty : this.#prefixes;
    if (adds) this.#arrive(ledger);
    else ledger.here = Math.max(0, ledger.here - 1);
    return { type: adds ? "subscribe" : "unsubscribe", prefix };
  }

  /** Those who have announced themselves, whether all of their prefixes have arrived or not. */
  list(): Subscriber[] {
    return [...this.#announced.values()].map(({ id, name }) => ({ id, name }));
  }

  /**
   * @param peers connections that have completed the handshake (count)
   * @returns subscribers that will get what is published from now on (count)
   */
  count(peers: number): number {
    const complete = this.#announced.size - this.#incomplete.size;
    const others = othersIn(this.#prefixes) + othersIn(this.#empty);
    return complete + Math.min(Math.max(0, peers - this.#announced.size), others);
  }

  #arrive(ledger: Ledger): void {
    ledger.here += 1;
    if (ledger.missing === 0) return;
    ledger.missing -= 1;
    this.#complete();
  }

  /** Where nothing is missing, everybody has what they announced. */
  #complete(): void {
    if (this.#prefixes.missing + this.#empty.missing === 0) this.#incomplete.clear();
  }

  /** @returns who came or left by it */
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
    const announced = { id, name, marks: 0, newest: -1, prefixes: 0, empty: 0 };
    this.#announced.set(id, announced);
    this.#incomplete.add(announced);
    return announced;
  }

  #announce(
    announced: Announced,
    now: { readonly prefixes: number; readonly empty: number },
  ): void {
    // What was here before the mark belongs to others; not so the empty prefix.
    const emptyHere = othersIn(this.#empty);
    const morePrefixes = now.prefixes - announced.prefixes;
    const moreEmpty = now.empty - announced.empty;
    announced.prefixes = now.prefixes;
    announced.empty = now.empty;
    this.#prefixes.needed += morePrefixes;
    this.#prefixes.missing += Math.max(0, morePrefixes);
    this.#empty.needed += moreEmpty;
    this.#empty.missing += Math.max(0, moreEmpty - emptyHere);
    this.#complete();
  }

  #leave(id: string): { left?: Subscriber } {
    const announced = this.#announced.get(id)!;
    announced.marks -= 1;
    if (announced.marks > 0) return {};
    this.#announced.delete(id);
    this.#incomplete.delete(announced);
    withdraw(this.#prefixes, announced.prefixes);
    withdraw(this.#empty, announced.empty);
    this.#complete();
    return { left: { id, name: announced.name } };
  }
}

/** Prefixes that nobody has announced (count). */
function othersIn({ here, needed, missing }: Ledger): number {
  return Math.max(0, here - (needed - missing));
}

/** Its subscriber has left, perhaps before all of its prefixes came: nobody waits for those any more. */
function withdraw(ledger: Ledger, count: number): void {
  const others = othersIn(ledger);
  ledger.needed -= count;
  ledger.missing = Math.min(ledger.missing, Math.max(0, ledger.needed + others - ledger.here));
}
