import { expected, type Rule } from "../../options.ts";
import type { Role } from "../../role.ts";

/** How much an entry of a log matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * What an entry of a log says beside its text. Which of the optional ones are there depends on the event; all are
 * texts, numbers or booleans, and texts that came from peers are cut and have escapes for what cannot be seen.
 */
export interface LogFields {
  /** The role. */
  readonly socket: Role;
  /** The option `name` of the socket. */
  readonly name?: string;
  /** The name of the event. */
  readonly event: string;
  /** Events of this name that were only counted, for there were too many in a second (count). */
  readonly more?: number;
  /** Name of the peer. */
  readonly peer?: string;
  /** The id of the peer, if it is known. */
  readonly peerId?: string;
  /** The address over which the peer came. */
  readonly address?: string;
  /** Peers, or subscribers, that are there (count). */
  readonly peers?: number;
  /** Of a subscription. */
  readonly prefix?: string;
  /** The id of the stream (32 hex digits). */
  readonly stream?: string;
  /** The first message. */
  readonly seqFirst?: number;
  /** The last message. */
  readonly seqLast?: number;
  /** The `id` of the delivery. */
  readonly id?: string;
  /** Which attempt this was, or how many there were (count). */
  readonly attempt?: number;
  /** Why messages were given up. */
  readonly reason?: string;
  /** Of an error: a code of this package, or of what a handler threw. */
  readonly code?: string;
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean;
  /** Name and message of the error. */
  readonly error?: string;
  /** What led to the error. */
  readonly cause?: string;
  /** Of an error that a handler threw in this process: where, a line for each call. */
  readonly stack?: string;
}

/** Takes the entries of a log: `console`, a pino logger, and whatever else has these four methods. */
export interface Logger {
  /** For entries of little weight, such as subscriptions. */
  debug(fields: LogFields, text: string): void;
  /** For peers that come and leave. */
  info(fields: LogFields, text: string): void;
  /** For failed attempts, lost leases, dropped messages. */
  warn(fields: LogFields, text: string): void;
  /** For `error` events, dead letters and lost messages. */
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
