import { expected, type Rule } from "../../options.ts";
import type { Role } from "../../role.ts";

/** The severity of a log entry. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * The fields of a log entry, besides its text. Which of the optional ones are present depends on the event. All are
 * texts, numbers or booleans; texts that came from peers are cut to length, and invisible characters in them are
 * escaped.
 */
export interface LogFields {
  /** The role of the socket. */
  readonly socket: Role;
  /** The option `name` of the socket. */
  readonly name?: string;
  /** The name of the event. */
  readonly event: string;
  /** Further events of this name in the same second that were only counted (count). */
  readonly more?: number;
  /** The name of the peer. */
  readonly peer?: string;
  /** The id of the peer, if it is known. */
  readonly peerId?: string;
  /** The address of the peer, as in {@link Peer.address}. */
  readonly address?: string;
  /** Peers, or subscribers, that are connected (count). */
  readonly peers?: number;
  /** The prefix of a subscription. */
  readonly prefix?: string;
  /** The topic of missed messages. */
  readonly topic?: string;
  /** Messages of this event (count). */
  readonly count?: number;
  /** Messages of all such events of the socket, with this one (count). */
  readonly total?: number;
  /** The id of the stream (32 hex digits). */
  readonly stream?: string;
  /** The seq of the first message. */
  readonly seqFirst?: number;
  /** The seq of the last message. */
  readonly seqLast?: number;
  /** The `id` of the delivery. */
  readonly id?: string;
  /** The number of this attempt, or the number of all attempts (count). */
  readonly attempt?: number;
  /** Why messages were dead-lettered. */
  readonly reason?: string;
  /** The code of an error: of this package, or of a handler's error. */
  readonly code?: string;
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean;
  /** Name and message of the error. */
  readonly error?: string;
  /** The message of the error's cause. */
  readonly cause?: string;
  /** The stack of an error that a handler threw in this process, one line for each call. */
  readonly stack?: string;
}

/**
 * A logger: `console`, a pino logger, or any object with these four methods.
 *
 * @example
 * ```ts
 * const push = new Push<Job>({ name: "orders", logger: console });
 * ```
 *
 * @see docs/operations.md
 * @see docs/decisions/0065-one-log.md
 */
export interface Logger {
  /** Called for minor entries, such as subscriptions. */
  debug(fields: LogFields, text: string): void;
  /** Called for peers that connect and disconnect. */
  info(fields: LogFields, text: string): void;
  /** Called for failed attempts, lost leases and dropped messages. */
  warn(fields: LogFields, text: string): void;
  /** Called for `error` events, dead letters and lost messages. */
  error(fields: LogFields, text: string): void;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Accepts an object with a method for each level. */
export const loggerOption: Rule<Logger> = (value, name) => {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  const logger = value as Partial<Logger>;
  if (isObject && LEVELS.every((level) => typeof logger[level] === "function")) {
    return value as Logger;
  }
  throw expected(name, "an object with the methods debug, info, warn and error", value);
};
