import type { WindowEvent } from "../../lib/delivery/window/window-events.ts";

/** What is true of one message. */
interface Message {
  place: "away" | "waiting" | "hand" | "orphan";
  isDone: boolean;
  isRejected: boolean;
  /** Done, and not yet told to the sender. */
  isUnsent: boolean;
  /** It comes again and goes first, where order is kept. */
  isAwaited: boolean;
  /** Of these, what the sender may not have heard of. */
  isGiven: boolean;
  /** An orphan that comes again, should the application give it up. */
  isMissed: boolean;
}

/** The obvious window: one object per message, every rule spelled out. */
export class WindowModel {
  ordered = false;
  readonly #messages = new Map<number, Message>();
  #acks: number[][] = [];
  #known = 0;

  of(seq: number): Message {
    let message = this.#messages.get(seq);
    if (message === undefined) {
      message = {
        place: "away",
        isDone: false,
        isRejected: false,
        isUnsent: false,
        isAwaited: false,
        isGiven: false,
        isMissed: false,
      };
      this.#messages.set(seq, message);
    }
    return message;
  }

  /** The seqs of which something is true, in order. */
  where(is: (message: Message) => boolean): number[] {
    const found = [...this.#messages].filter(([, message]) => is(message));
    return found.map(([seq]) => seq).sort((a, b) => a - b);
  }

  /** The lowest message that may be delivered now; null: none. */
  get next(): number | null {
    const waiting = this.where(({ place }) => place === "waiting")[0];
    const awaited = this.where(({ isAwaited }) => isAwaited)[0];
    if (waiting === undefined || (awaited !== undefined && awaited <= waiting)) return null;
    return waiting;
  }

  apply(event: WindowEvent<null>): void {
    if (event.type === "progress") this.#hear(event.acks, event.floor);
    else if (event.type === "ordering") this.#order(event);
    else if ("ranges" in event) {
      for (const { first, last } of event.ranges) this.#each(first, last, event.type);
    } else if ("first" in event) this.#each(event.first, event.last, event.type);
  }

  /** An ack was said. */
  said(seqs: readonly number[]): void {
    for (const seq of seqs) this.of(seq).isUnsent = false;
    this.#acks.push([...seqs]);
  }

  #each(first: number, last: number, type: WindowEvent<null>["type"]): void {
    for (let seq = first; seq <= last; seq++) {
      const message = this.of(seq);
      if (type === "data") this.#arrive(message);
      else if (type === "settled") forgetWait(message);
      else if (type === "revoked") this.#lose(seq, message);
      else if (type === "done") this.#finish(message);
      else if (type === "returned" || type === "rejected") this.#giveUp(message, type);
    }
  }

  #arrive(message: Message): void {
    forgetWait(message);
    if (message.place === "orphan") message.place = "hand";
    if (message.isDone) message.isUnsent = true;
    else if (message.place === "away" && !message.isRejected) message.place = "waiting";
  }

  #lose(seq: number, message: Message): void {
    this.#acks = this.#acks.map((seqs) => seqs.filter((said) => said !== seq));
    if (message.place === "waiting") {
      message.place = "away";
      if (this.ordered) message.isAwaited = true;
    } else if (message.place === "hand") {
      message.place = "orphan";
      if (this.ordered) message.isMissed = true;
    }
  }

  #finish(message: Message): void {
    if (message.place === "hand") message.isUnsent = true;
    message.place = "away";
    message.isDone = true;
    forgetWait(message);
  }

  #giveUp(message: Message, type: "returned" | "rejected"): void {
    if (message.place === "orphan" && message.isMissed) message.isAwaited = true;
    message.isMissed = false;
    if (message.place === "hand" && type === "rejected") message.isRejected = true;
    if (message.place === "hand" && type === "returned" && this.ordered) {
      message.isAwaited = true;
      message.isGiven = true;
    }
    message.place = "away";
  }

  #order(event: Extract<WindowEvent<null>, { readonly type: "ordering" }>): void {
    this.ordered = event.ordered;
    const isTold = (seq: number): boolean =>
      event.awaited.some(({ first, last }) => first <= seq && seq <= last);
    for (const { first, last } of event.awaited) {
      for (let seq = first; seq <= last; seq++) this.of(seq);
    }
    for (const [seq, message] of this.#messages) {
      message.isGiven &&= event.ordered;
      message.isMissed = false;
      message.isAwaited = (isTold(seq) && !message.isDone) || message.isGiven;
    }
  }

  #hear(acks: number, floor: number): void {
    for (const [seq, message] of this.#messages) {
      if (seq <= floor) Object.assign(message, { isDone: false, isRejected: false });
    }
    for (; this.#known < acks && this.#acks.length > 0; this.#known++) {
      for (const seq of this.#acks.shift()!) this.of(seq).isDone = false;
    }
  }
}

function forgetWait(message: Message): void {
  message.isAwaited = false;
  message.isGiven = false;
  message.isMissed = false;
}
