import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import type { Order, Report } from "./attacker.ts";
import { Probe, type Reading } from "./probe.ts";
import type { Pair } from "./roles.ts";

/** The process of the hostile peers. */
export class Attacker {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL("attacker.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
  });

  /** Runs one mode to its end. @throws Error when the mode could not run */
  async attack(order: Order): Promise<void> {
    this.#child.send(order);
    const answer = once(this.#child, "message") as Promise<[Report]>;
    const [{ error }] = await within(ATTACK_MS_MAX, answer, `"${order.mode}" did not end`);
    if (error !== null) throw new Error(`the attack itself failed: ${error}`);
  }

  async close(): Promise<void> {
    this.#child.kill();
    await once(this.#child, "exit");
  }
}

/** What happened to a pair during an attack. */
export interface Outcome extends Reading {
  /** Exchanges completed (count). */
  readonly exchanges: number;
  /** Longest time without one, less what this process waited for a processor (milliseconds). */
  readonly silenceMs: number;
}

/** Modes end by themselves, or when the victim hangs up: only a hang reaches it (milliseconds). */
const ATTACK_MS_MAX = WATCHDOG_MS;
/** So long without an exchange is taken for the end (milliseconds). */
const EXCHANGE_MS_MAX = WATCHDOG_MS;
/** Only a hang reaches it: for a test of one mode, whose own limits say what hung (milliseconds). */
export const MODE_MS_MAX: number = 3 * WATCHDOG_MS;

async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets a pair exchange messages for as long as `attack` lasts, and once more afterwards. */
export async function besiege(
  pair: Pick<Pair, "exchange">,
  attack: () => Promise<unknown>,
): Promise<Outcome> {
  const exchange = (count: number): Promise<void> =>
    within(EXCHANGE_MS_MAX, pair.exchange(count), "the friend got nothing through");
  await exchange(1);
  const probe = new Probe();
  let over = false;
  const attacking = attack().finally(() => {
    over = true;
  });
  attacking.catch(() => {}); // rethrown below, when the exchange under way has ended
  let exchanges = 0;
  let silenceMs = 0;
  let lastMs = probe.servedMs;
  try {
    while (!over) {
      await exchange(exchanges + 2);
      exchanges += 1;
      silenceMs = Math.max(silenceMs, probe.servedMs - lastMs);
      lastMs = probe.servedMs;
      // One exchange each millisecond leaves the processor to the attack.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await attacking;
    await exchange(exchanges + 2);
  } finally {
    probe.stop();
  }
  return { ...probe.stop(), exchanges, silenceMs };
}
