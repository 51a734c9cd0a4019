import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import type { Attack, Order, Report } from "./attacker.ts";
import { Probe, type Reading } from "./probe.ts";
import type { Pair } from "./roles.ts";

/** The process of the hostile peers. */
export class Attacker {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL("attacker.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
  });

  /**
   * Runs one mode until it has done its worst.
   *
   * @returns lets go of the victim
   * @throws Error when the mode could not run
   */
  async attack(attack: Attack): Promise<() => Promise<void>> {
    await this.#order(attack, attack.mode);
    return () => this.#order("let go", attack.mode);
  }

  async close(): Promise<void> {
    this.#child.kill();
    await once(this.#child, "exit");
  }

  async #order(order: Order, mode: string): Promise<void> {
    this.#child.send(order);
    const answer = once(this.#child, "message") as Promise<[Report]>;
    const [{ error }] = await within(ATTACK_MS_MAX, answer, `"${mode}" did not end`);
    if (error !== null) throw new Error(`the attack itself failed: ${error}`);
  }
}

/** What happened to a pair during an attack. */
export interface Outcome extends Reading {
  /** Exchanges completed (count). */
  readonly exchanges: number;
  /** Longest time without one, less what this process waited for a processor (milliseconds). */
  readonly silenceMs: number;
}

/** So many the pair completes under what the attack has done, before that is undone (count). */
export const EXCHANGES_AFTER = 20;
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

/** What a pair completes under attack, one after another, and the longest silence between two. */
class Exchanges {
  count = 0;
  silenceMs = 0;
  readonly #pair: Pick<Pair, "exchange">;
  readonly #probe: Probe;
  #lastMs: number;

  constructor(pair: Pick<Pair, "exchange">, probe: Probe) {
    this.#pair = pair;
    this.#probe = probe;
    this.#lastMs = probe.servedMs;
  }

  async next(): Promise<void> {
    await exchange(this.#pair, this.count + 2);
    this.count += 1;
    this.silenceMs = Math.max(this.silenceMs, this.#probe.servedMs - this.#lastMs);
    this.#lastMs = this.#probe.servedMs;
    // Nothing is waited for: one exchange each millisecond leaves the processor to the attack.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function exchange(pair: Pick<Pair, "exchange">, count: number): Promise<void> {
  return within(EXCHANGE_MS_MAX, pair.exchange(count), "the friend got nothing through");
}

/**
 * Lets a pair exchange messages for as long as `attack` lasts, {@link EXCHANGES_AFTER} times under what it has done,
 * and once more afterwards.
 *
 * @param attack resolves when it has done its worst, with what lets go of the victim
 */
export async function besiege(
  pair: Pick<Pair, "exchange">,
  attack: () => Promise<(() => unknown) | undefined>,
): Promise<Outcome> {
  await exchange(pair, 1);
  const probe = new Probe();
  const exchanges = new Exchanges(pair, probe);
  let over = false;
  const attacking = attack().finally(() => {
    over = true;
  });
  attacking.catch(() => {}); // rethrown below, when the exchange under way has ended
  try {
    while (!over) await exchanges.next();
    const letGo = await attacking;
    for (let left = EXCHANGES_AFTER; left > 0; left--) await exchanges.next();
    probe.look();
    await letGo?.();
    await exchange(pair, exchanges.count + 2);
  } finally {
    probe.stop();
  }
  const { count, silenceMs } = exchanges;
  return { ...probe.stop(), exchanges: count, silenceMs };
}
