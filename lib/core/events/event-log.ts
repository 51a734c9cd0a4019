import { handlerError } from "../../handler-error.ts";
import { peerLabel, peerMessage } from "../../peer-text.ts";
import type { Role } from "../../role.ts";
import type { LogFields, Logger, LogLevel } from "./logger.ts";
import type { MessageRange, PublisherEvents } from "./socket-events.ts";

/** All events of all roles. */
type AnyEvents = PublisherEvents;
type EventName = keyof AnyEvents;

/** Fields that depend on the event. */
type Details = Partial<Omit<LogFields, "socket" | "name" | "event">>;

/** How an event is logged. */
interface Entry<E> {
  readonly level: LogLevel;
  readonly text: (event: E) => string;
  readonly details: (event: E) => { readonly [K in keyof Details]: Details[K] | null };
}

/** Entries of one event within a second that are written; more are only counted (count). */
const ENTRIES_MAX = 64;
const SECOND_MS = 1_000;
/** Longest text of a handler's error (characters). */
const THROWN_MAX = 1_000;
/** Most lines of a stack that are written (count). */
const CALLS_MAX = 10;

/** A level, a text and fields for each event: a new event without an entry does not compile. */
const ENTRIES: { readonly [K in EventName]: Entry<AnyEvents[K]> } = {
  peer: {
    level: "info",
    text: (peer) => `a peer came: ${peerLabel(peer)}`,
    details: ({ address, id, name, peers }) => ({ peer: name, peerId: id, address, peers }),
  },
  peerLost: {
    level: "info",
    text: (peer) => `a peer left: ${peerLabel(peer)}`,
    details: ({ address, id, name, peers }) => ({ peer: name, peerId: id, address, peers }),
  },
  subscriberJoined: {
    level: "info",
    text: ({ name }) => `a subscriber came: ${name === null ? "no name" : JSON.stringify(name)}`,
    details: ({ id, name }) => ({ peer: name, peerId: id }),
  },
  subscriberLeft: {
    level: "info",
    text: ({ name }) => `a subscriber left: ${name === null ? "no name" : JSON.stringify(name)}`,
    details: ({ id, name }) => ({ peer: name, peerId: id }),
  },
  subscribers: {
    level: "debug",
    text: ({ count }) => `subscribers: ${count}`,
    details: ({ count }) => ({ peers: count }),
  },
  subscribe: {
    level: "debug",
    text: ({ prefix }) => `a subscription came: ${JSON.stringify(prefix)}`,
    details: ({ prefix }) => ({ prefix }),
  },
  unsubscribe: {
    level: "debug",
    text: ({ prefix }) => `a subscription ended: ${JSON.stringify(prefix)}`,
    details: ({ prefix }) => ({ prefix }),
  },
  error: {
    level: "error",
    text: ({ message }) => message,
    details: ({ code, retryable, message, cause }) => ({
      code,
      retryable,
      error: message,
      cause: cause === undefined ? null : messageOf(cause),
    }),
  },
  deadLetter: {
    level: "error",
    text: (event) => `${seqsOf(event)} dead letters now: ${event.reason}`,
    details: ({ ids, attempts, reason, error, ...range }) => ({
      ...placeOf(range),
      id: ids.length === 1 ? ids[0]! : null,
      attempt: attempts,
      reason,
      error: error === null ? null : `${error.name}: ${error.message}`,
      code: error?.code ?? null,
    }),
  },
  dropped: {
    level: "warn",
    text: (range) => `${seqsOf(range)} dropped to make room`,
    details: placeOf,
  },
  lost: {
    level: "error",
    text: (range) => `${seqsOf(range)} lost: damaged, or freed before they were processed`,
    details: placeOf,
  },
  leaseLost: {
    level: "warn",
    text: (range) => `${seqsOf(range)} released to other receivers: the lease has expired`,
    details: placeOf,
  },
  diverged: {
    level: "error",
    text: ({ stream }) => `the history of stream ${stream} differs from the known one`,
    details: ({ stream, ranges }) => ({
      stream,
      seqFirst: ranges[0]?.seqFirst ?? null,
      seqLast: ranges.at(-1)?.seqLast ?? null,
    }),
  },
  retry: {
    level: "warn",
    text: ({ attempt, error }) => `attempt ${attempt} failed: ${messageOf(error)}`,
    details: ({ id, attempt, error }) => ({
      id,
      attempt,
      error: messageOf(error),
      code: handlerError(error, THROWN_MAX).code,
      stack: stackOf(error),
    }),
  },
  missed: {
    level: "warn",
    text: ({ name, topic, count }) => {
      const whose = topic === null ? "" : ` of ${JSON.stringify(topic)}`;
      return `${count} messages${whose} missed${name === null ? "" : ` by ${JSON.stringify(name)}`}`;
    },
    details: ({ id, name, topic, count, total }) => ({
      peerId: id,
      peer: name,
      topic,
      count,
      total,
    }),
  },
  requestFailed: {
    level: "warn",
    text: ({ error }) => `the handler of a request failed: ${messageOf(error)}`,
    details: ({ peer, error }) => ({
      peerId: peer,
      error: messageOf(error),
      code: handlerError(error, THROWN_MAX).code,
      stack: stackOf(error),
    }),
  },
};

/**
 * Writes the events of a socket to a logger, each with its level, a text and a fixed set of fields. No option of the
 * socket except its name is among the fields, so no key is logged.
 *
 * Of each event the first 64 in a second are written, and the number of further ones at the end of the second: peers
 * determine how often some of them happen. `error` events are limited by code before they come here.
 */
export class EventLog {
  readonly #logger: Logger;
  readonly #who: { readonly socket: Role; readonly name?: string };
  readonly #counts = new Map<EventName, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(logger: Logger, socket: Role, name: string | null) {
    this.#logger = logger;
    this.#who = name === null ? { socket } : { socket, name };
  }

  /** @throws errors of the logger */
  write<K extends EventName>(event: K, value: AnyEvents[K]): void {
    if (event !== "error" && !this.#counted(event)) return;
    const { level, text, details } = ENTRIES[event];
    this.#put(level, text(value), { event, ...cleaned(details(value)) });
  }

  /** Writes the counts of events that were not written. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const counts = [...this.#counts];
    this.#counts.clear();
    for (const [event, count] of counts) {
      if (count <= ENTRIES_MAX) continue;
      const more = count - ENTRIES_MAX;
      const text = `${more} more events "${event}" within a second`;
      this.#put(ENTRIES[event].level, text, { event, more });
    }
  }

  /** @returns whether the event is one of the first in its second */
  #counted(event: EventName): boolean {
    const count = (this.#counts.get(event) ?? 0) + 1;
    this.#counts.set(event, count);
    this.#timer ??= setTimeout(() => this.end(), SECOND_MS).unref();
    return count <= ENTRIES_MAX;
  }

  #put(level: LogLevel, text: string, fields: Details & { readonly event: EventName }): void {
    const { socket, name } = this.#who;
    const who = name === undefined ? socket : `${socket} ${JSON.stringify(name)}`;
    this.#logger[level]({ ...this.#who, ...fields }, `${who}: ${peerMessage(text)}`);
  }
}

function placeOf({ stream, seqFirst, seqLast }: MessageRange): Required<MessageRange> {
  return { stream, seqFirst, seqLast };
}

function seqsOf({ seqFirst, seqLast }: MessageRange): string {
  return seqFirst === seqLast ? `message ${seqFirst} is` : `messages ${seqFirst} to ${seqLast} are`;
}

function messageOf(thrown: unknown): string {
  const { name, message } = handlerError(thrown, THROWN_MAX);
  return name === "BrokerlessError" ? message : `${name}: ${message}`;
}

/** The lines of an error's stack, without its message; null where there are none, or none that can be read. */
function stackOf(thrown: unknown): string | null {
  let stack: unknown;
  try {
    stack = thrown instanceof Error ? thrown.stack : undefined;
  } catch {
    return null;
  }
  if (typeof stack !== "string") return null;
  const calls = stack.split("\n").filter((line) => /^ {4}at /.test(line));
  return calls.slice(0, CALLS_MAX).map(peerMessage).join("\n");
}

/** The fields without nulls, with texts cut to length and invisible characters escaped. */
function cleaned(details: object): Details {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(details)) {
    if (value === null) continue;
    // A stack keeps its line breaks; each of its lines is clean.
    fields[key] = typeof value === "string" && key !== "stack" ? peerMessage(value) : value;
  }
  return fields;
}
