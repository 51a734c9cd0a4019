import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { ReliablePullOptions, ReliablePushOptions } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { Program } from "../support/program.ts";
import { Random } from "../support/random.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { World } from "../support/world.ts";
import type { StormReceiver } from "./storm-receiver.ts";
import type { StormSender } from "./storm-sender.ts";

/** What a storm is like. */
export interface StormOptions {
  readonly seed: number;
  /** Kills, stops, and resets of all connections (count). */
  readonly blows: number;
  /** Where the programs are, compiled. */
  readonly build: string;
  readonly senders: number;
  readonly sender: StormSender["kind"];
  readonly senderRules?: Omit<ReliablePushOptions<string>, "reliable">;
  readonly receivers: number;
  readonly receiver: StormReceiver["kind"];
  readonly receiverRules?: Omit<ReliablePullOptions<string>, "reliable">;
  /** A receiver's work after an effect, before the acknowledgement (milliseconds). Default 0. */
  readonly workMs?: number;
  /** Default false. */
  readonly acksFirst?: boolean;
  /** Longest stop of a process (milliseconds). Default 400. */
  readonly stopMsMax?: number;
  /** Whom every blow hits, and how. Default: everybody, in all ways, half of the kills at a random moment. */
  readonly aim?: {
    readonly at: "senders" | "receivers";
    readonly with?: "kill" | "stop";
  };
}

/** What the verifier counted. */
export interface Verdict {
  readonly counts: {
    readonly confirmed: number;
    readonly effects: number;
    readonly lost: number;
    readonly duplicates: number;
    readonly disordered: number;
  };
  readonly examples: {
    readonly lost: readonly string[];
    readonly duplicates: readonly string[];
  };
}

/** @returns how long a storm takes that hangs (milliseconds) */
export function watchdogMs(blows: number): number {
  return 120_000 + blows * 4_000;
}

interface Member {
  readonly program: Program;
  /** What it says when it has just done something that a kill can spoil. */
  readonly word: string;
  readonly start: () => Promise<string>;
}

/** Senders behind proxies, receivers connected to all of them, and blows while they work. */
export class Storm {
  readonly #t: TestContext;
  readonly #options: StormOptions;
  readonly #random: Random;
  readonly #directory: string;
  readonly #proxies: TcpProxy[] = [];
  readonly #senders: Member[] = [];
  readonly #receivers: Member[] = [];
  /** How often each kind of blow fell (count). */
  readonly blows: Record<string, number> = {};

  private constructor(t: TestContext, options: StormOptions) {
    this.#t = t;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#directory = new World(t).directory();
  }

  /** Plays a storm to its end, and lets all come to rest. @returns what the verifier counted */
  static async play(t: TestContext, options: StormOptions): Promise<Verdict> {
    const storm = new Storm(t, options);
    await storm.#start();
    for (let blow = 0; blow < options.blows; blow++) await storm.#strike();
    await storm.#end();
    const verdict = await storm.#verify();
    t.diagnostic(`${JSON.stringify(storm.blows)}: ${JSON.stringify(verdict.counts)}`);
    return verdict;
  }

  async #start(): Promise<void> {
    const { senders, receivers } = this.#options;
    for (let index = 0; index < senders; index++) await this.#addSender(`s${index}`);
    for (let index = 0; index < receivers; index++) await this.#addReceiver(`${index}`);
  }

  async #addSender(name: string): Promise<void> {
    const { sender: kind, senderRules = {} } = this.#options;
    const program = new Program(this.#t, this.#file("storm-sender"));
    const rules = { attemptsMax: 1_000_000, ...senderRules };
    let address = "tcp://127.0.0.1:*";
    let life = 0;
    const start = (): Promise<string> => {
      life += 1;
      const given: StormSender = {
        directory: this.#directory,
        name,
        life,
        address,
        kind,
        rules: kind === "plain" ? senderRules : rules,
      };
      return program.start([JSON.stringify(given)]);
    };
    address = await start();
    const proxy = await TcpProxy.to(address);
    this.#t.after(() => proxy.close());
    this.#proxies.push(proxy);
    this.#senders.push({ program, word: "confirmed", start });
  }

  async #addReceiver(name: string): Promise<void> {
    const { receiver: kind, receiverRules: rules = {}, workMs = 0 } = this.#options;
    const { acksFirst = false } = this.#options;
    const program = new Program(this.#t, this.#file("storm-receiver"));
    const addresses = this.#proxies.map(({ address }) => address);
    const place = { directory: this.#directory, name, addresses };
    const given: StormReceiver = { ...place, kind, rules, workMs, acksFirst };
    const start = (): Promise<string> => program.start([JSON.stringify(given)]);
    await start();
    this.#receivers.push({ program, word: "did", start });
  }

  async #strike(): Promise<void> {
    const random = this.#random;
    const { aim } = this.#options;
    // A random moment of the work is what is tested, not a time to wait for something.
    await delay(random.below(300));
    if (aim?.with === "stop") return this.#stop(this.#victim());
    if (aim?.with === "kill") return this.#kill([this.#victim()]);
    const roll = random.next();
    if (roll < 0.25) this.#reset();
    else if (roll < 0.45) await this.#stop(this.#victim());
    else if (roll < 0.9 || aim !== undefined) await this.#kill([this.#victim()]);
    else await this.#kill([this.#pick(this.#senders), this.#pick(this.#receivers)]);
  }

  #reset(): void {
    this.#count("resets");
    for (const proxy of this.#proxies) proxy.reset();
  }

  async #stop({ program }: Member): Promise<void> {
    this.#count("stops");
    program.signal("SIGSTOP");
    // How long it stands still is the fault, not a time to wait for something.
    await delay(this.#random.below(this.#options.stopMsMax ?? 400));
    if (this.#random.chance(0.3)) this.#reset();
    program.signal("SIGCONT");
  }

  /** Half of the kills, or all, fall right behind something that was done and that the other side has not heard of. */
  async #kill(members: readonly Member[]): Promise<void> {
    this.#count("kills");
    const { program, word } = this.#pick(members);
    if (this.#options.aim?.with === "kill") await program.next(word);
    // One that is silent by now, as a sender that nobody reads from, is hit where it is: no result depends on it.
    else if (this.#random.chance(0.5)) await Promise.race([program.next(word), delay(300)]);
    await Promise.all(members.map((member) => member.program.kill()));
    for (const { start } of members) await start();
  }

  #file(name: string): URL {
    return pathToFileURL(join(this.#options.build, "test/crash", `${name}.js`));
  }

  #victim(): Member {
    const at = this.#options.aim?.at;
    if (at === "senders") return this.#pick(this.#senders);
    if (at === "receivers") return this.#pick(this.#receivers);
    return this.#pick([...this.#senders, ...this.#receivers]);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!;
  }

  /** Only a hang reaches it (milliseconds). */
  get #watchdogMs(): number {
    return watchdogMs(this.#options.blows);
  }

  #count(kind: string): void {
    this.blows[kind] = (this.blows[kind] ?? 0) + 1;
  }

  /** Nothing more goes wrong: what was sent has to arrive. */
  async #end(): Promise<void> {
    for (const { program } of this.#senders) program.say("end");
    await eventually(() => {
      for (const { program } of this.#senders) assert.ok(program.said("settled"), "not settled");
    }, this.#watchdogMs);
    if (this.#options.receiver === "plain") {
      await eventually(() => {
        for (const { program } of this.#receivers) assert.ok(program.said("end"), "no end");
      }, this.#watchdogMs);
    }
    // What is confirmed and what is done is on disk; who wrote it is of no more use.
    for (const { program } of [...this.#senders, ...this.#receivers]) await program.kill();
  }

  async #verify(): Promise<Verdict> {
    const args = [fileURLToPath(this.#file("storm-verifier")), this.#directory];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return JSON.parse(stdout) as Verdict;
  }
}
