import { performance } from "node:perf_hooks";
import { Push } from "zeromq";
import { bindTo } from "./errno.ts";

/**
 * Rounds of waiting (count). The work of a closed socket goes to and fro between libzmq's reaper
 * and its I/O thread: the end of its sessions, of their pipes, and of itself. Each round advances
 * both of them by one step.
 */
const ROUNDS = 5;
/** After this time the port counts as taken by another socket (milliseconds). */
const WAIT_MS_MAX = 5_000;

/**
 * Blocks until libzmq's own threads have released the sockets that were closed before, without
 * linger.
 *
 * For a thread that ends, whose event loop no longer runs. The only visible effect is that a port
 * becomes free, and that happens in the order of the closes.
 */
export function reapClosed(): void {
  const untilMs = performance.now() + WAIT_MS_MAX;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let round = 0; round < ROUNDS; round++) {
    const probe = new Push({});
    bindTo(probe, "tcp://127.0.0.1:*");
    const address = probe.lastEndpoint!;
    probe.close();
    while (!isFree(address) && performance.now() < untilMs) Atomics.wait(cell, 0, 0, 1);
  }
}

function isFree(address: string): boolean {
  const probe = new Push({});
  try {
    bindTo(probe, address);
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}
