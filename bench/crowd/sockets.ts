import { setTimeout as delay } from "node:timers/promises";
import type { Pull, Push } from "../../lib/index.ts";

/** How sockets find each other: one side is a single socket that binds. */
export interface Opening {
  readonly count: number;
  /** Where to connect; null: bind. */
  readonly connect: string | null;
}

const WAIT_MS_MAX = 120_000;
const LOOK_INTERVAL_MS = 10;

type Socket = Push<Uint8Array> | Pull<Uint8Array>;

/** What both processes of `npm run crowd` can do with their sockets, whichever way messages go. */
export class Sockets<S extends Socket> {
  readonly all: S[] = [];

  /** @returns where the first one is bound; null where they connect */
  async open({ count, connect }: Opening, make: () => S): Promise<string | null> {
    for (let index = 0; index < count; index++) this.all.push(make());
    if (connect === null) return this.all[0]!.bind("tcp://127.0.0.1:*");
    for (const socket of this.all) socket.connect(connect);
    return null;
  }

  /** Waits until each has so many peers. */
  async ready(peers: number): Promise<void> {
    const wait = { peers, timeoutMs: WAIT_MS_MAX };
    await Promise.all(this.all.map((socket) => socket.ready(wait)));
  }

  /** Waits until no peer is left, or it has taken too long. @returns how many are left (count) */
  async gone(): Promise<number> {
    const left = () => this.all.reduce((sum, socket) => sum + socket.stats().peers, 0);
    const deadlineMs = performance.now() + WAIT_MS_MAX;
    while (left() > 0 && performance.now() < deadlineMs) await delay(LOOK_INTERVAL_MS);
    return left();
  }

  async close(): Promise<void> {
    await Promise.all(this.all.splice(0).map((socket) => socket.close()));
  }
}

/** @returns user and system time of this process so far, all threads (seconds) */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
