import { randomBytes, randomInt } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";

/** Time and chance as the reliable sockets see them: ports, so that tests play them. */
export interface ReliablePorts {
  readonly clock: Clock;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** A whole number from 1 to 2^53 - 1 that nobody guesses: the number of a session. */
  readonly session: () => number;
  /** An id that nobody else has (32 hex digits). */
  readonly id: () => string;
}

/** The time and the chance that everybody has. */
export const systemPorts: ReliablePorts = {
  clock: systemClock,
  random: () => randomInt(2 ** 32) / 2 ** 32,
  session: () => randomInt(1, 2 ** 47),
  id: () => randomBytes(16).toString("hex"),
};
