import { randomBytes, randomInt } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";

/** Time and randomness for the reliable sockets. Ports, so that tests can replace them. */
export interface ReliablePorts {
  readonly clock: Clock;
  /** A random number from 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  /** An unpredictable integer from 1 to 2^53 - 1: the number of a session. */
  readonly session: () => number;
  /** A unique id (32 hex digits). */
  readonly id: () => string;
}

/** The clock and the random numbers of the system. */
export const systemPorts: ReliablePorts = {
  clock: systemClock,
  random: () => randomInt(2 ** 32) / 2 ** 32,
  session: () => randomInt(1, 2 ** 47),
  id: () => randomBytes(16).toString("hex"),
};
