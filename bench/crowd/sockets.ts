import { setTimeout as delay } from "node:timers/promises";
import type { Pull, Push } from "../../lib/index.ts";

/** How the sockets of one side are opened: on one side there is a single socket, which binds. */
export interface Opening {
  readonly count: number;
  /** The address to connect to; null: bind. */
  readonly connect: string | null;
}

const WAIT_MS_MAX = 120_000;
const LOOK_INTERVAL_MS = 10;

type Socket = Push<Uint8Array> | Pull<Uint8Array>;

/** The operations on sockets that both processes of `npm run crowd` share, for either direction of messages. */
export class Sockets<S extends Socket> {
  readonly all: S[] = [];

  /** @returns the address of the first one; null where they connect */
  async open({ count, connect }: Opening, make: () => S): Promise<string | null> {
    for (let index = 0; index < count; index++) this.all.push(make());
    if (connect === null) return this.all[0]!.bind("tcp://127.0.0.1:*");
    for (const socket of this.all) socket.connect(connect);
    return null;
  }

  /** Waits until each socket has so many peers. */
  async ready(peers: number): Promise<void> {
    const wait = { peers, timeoutMs: WAIT_MS_MAX };
    await Promise.all(this.all.map((socket) => socket.ready(wait)));
  }

  /** Waits until no peer is left, up to a time limit. @returns how many are left (count) */
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
