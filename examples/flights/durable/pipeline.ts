import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Arguments } from "../arguments.ts";
import { Crew, type Member } from "../crew.ts";
import type { Addresses, DurableTask, Outcome } from "../messages.ts";
import { Progress } from "../progress.ts";
import { fileBytes } from "../records.ts";
import { formatNumber } from "../table.ts";

const ANYWHERE = "tcp://127.0.0.1:*";
/** Signals from the keyboard, from a supervisor, from a closed terminal. */
const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * The pipeline with journals: source.ts, worker.ts and sink.ts in processes of their own. A worker and then the source
 * are killed (SIGKILL) half-way and started again.
 *
 * @throws Error with a text for the user, when a process is lost in another way or nothing moves
 */
export async function runDurable(args: Arguments): Promise<Outcome> {
  const bytesTotal = fileBytes(args.path);
  const directory = await mkdtemp(join(tmpdir(), "brokerless-flights-"));
  const pipeline = new DurablePipeline(args, { directory, bytesTotal });
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const giveUp = (signal: NodeJS.Signals) => {
    pipeline.kill();
    remove();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ENDINGS) process.once(signal, giveUp);
  try {
    return await pipeline.run();
  } finally {
    pipeline.kill();
    remove();
    for (const signal of ENDINGS) process.off(signal, giveUp);
  }
}

/** The processes, and the state of the run. */
class DurablePipeline {
  readonly #args: Arguments;
  readonly #task: Omit<DurableTask, "isVictim">;
  readonly #bytesTotal: number | null;
  readonly #progress: Progress;
  readonly #crew: Crew;
  readonly #killed: string[] = [];
  #addresses: Addresses | null = null;

  constructor(
    args: Arguments,
    place: { readonly directory: string; readonly bytesTotal: number | null },
  ) {
    this.#args = args;
    const { job, path, workers } = args;
    this.#task = { job, path, workers, directory: place.directory, bind: ANYWHERE };
    this.#bytesTotal = place.bytesTotal;
    this.#progress = new Progress({
      out: process.stderr,
      bytesTotal: place.bytesTotal,
      patienceSeconds: args.patienceSeconds,
      onStall: (message) => this.#crew.fail(message),
    });
    this.#crew = new Crew(
      (report) => this.#progress.see(report),
      "; its work is in the journals, but this program does not restart it",
    );
  }

  async run(): Promise<Outcome> {
    const crew = this.#crew;
    const source = this.#start("source", { ...this.#task, isVictim: true });
    const sink = this.#start("sink", { ...this.#task, isVictim: false });
    const workers = Array.from({ length: this.#args.workers }, (_, index) =>
      this.#startWorker(`worker ${index + 1}`, true),
    );
    const members = [source, ...workers, sink].map(({ title, child }) => `${title} ${child.pid}`);
    const { path } = this.#args;
    console.log(`${relative(process.cwd(), path)}: processes ${members.join(", ")}`);
    console.log(`journals in ${this.#task.directory}`);

    const finished = sink.next("result");
    const bound = Promise.all([source.next("bound"), sink.next("bound")]);
    const [work, results] = await crew.until(bound);
    this.#addresses = { work: work.address, results: results.address };
    // A pipe can be read only once: the part lost with the source could not be read again.
    if (this.#bytesTotal !== null) void this.#killSource(source);
    crew.order({ kind: "connect", addresses: this.#addresses });

    const { table, count, repeated } = await crew.until(finished);
    const { seconds } = this.#progress;
    await crew.dismiss();
    this.#progress.stop();
    return { table, count, seconds, notes: [this.#verdict(repeated)] };
  }

  /** Ends the running processes, at once. */
  kill(): void {
    this.#progress.stop();
    this.#crew.kill();
  }

  #start(name: string, task: DurableTask, title: string = name): Member {
    return this.#crew.start(`./durable/${name}.ts`, title, task);
  }

  #startWorker(title: string, isVictim: boolean): Member {
    const worker = this.#start("worker", { ...this.#task, isVictim }, title);
    if (isVictim) void this.#killWorker(worker);
    return worker;
  }

  /** Waits until a worker holds its fatal chunk, then kills it. */
  async #killWorker(worker: Member): Promise<void> {
    const { chunk } = await worker.next("holding");
    const what = `which had sent the result of chunk ${chunk} and not acknowledged the chunk`;
    await this.#kill(worker, what);
    // A source killed too soon after this may deliver the chunk as if for the first time.
    this.#crew.order({ kind: "spare" });
    this.#revived(this.#startWorker(worker.title, false), "takes what comes");
  }

  /** Waits until the source has stored its part, then kills it. */
  async #killSource(source: Member): Promise<void> {
    const { records } = await source.next("paused");
    await this.#kill(source, `which had stored ${formatNumber(records)} records`);
    const bind = this.#addresses!.work;
    const again = this.#start("source", { ...this.#task, bind, isVictim: false });
    const resumed = again.next("resumed");
    this.#revived(again, "reads its journal");
    const { chunks } = await resumed;
    this.#progress.note(
      `source continues in the file after chunk ${chunks}, the last in its journal`,
    );
  }

  async #kill(member: Member, what: string): Promise<void> {
    await member.murder();
    this.#killed.push(member.title);
    this.#progress.note(`SIGKILL for ${member.title} (process ${member.child.pid}), ${what}`);
  }

  #revived(member: Member, what: string): void {
    this.#progress.note(`${member.title} is started again as process ${member.child.pid}, ${what}`);
    member.order({ kind: "connect", addresses: this.#addresses! });
  }

  #verdict(repeated: number): string {
    const killed = this.#killed.length === 0 ? "nobody" : this.#killed.join(" and ");
    if (repeated === 0) return `killed: ${killed}; no result came twice`;
    const results = repeated === 1 ? "1 result" : `${repeated} results`;
    return `killed: ${killed}; ${results} came twice, each was counted once`;
  }
}
