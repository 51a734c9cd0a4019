/**
 * A pipeline of separate processes over a file of records: `npm start -- --help`.
 *
 *     source --PUSH/PULL--> N workers --PUSH/PULL--> sink
 *
 * This process starts them, shows how far they are, and checks their result. Read on in source.ts,
 * worker.ts and sink.ts; the loops they run are in patterns/pipeline.ts, for use in other programs.
 */
import { relative } from "node:path";
import { type Arguments, HELP, parseArguments } from "./arguments.ts";
import { Crew } from "./crew.ts";
import { withJob } from "./job.ts";
import { Progress } from "./progress.ts";
import { fileBytes, readRecords } from "./records.ts";
import { findDifference, formatNumber, formatTable, type Table } from "./table.ts";

/** What the pipeline came to, and how long it took from the first record to the last result. */
interface Outcome {
  readonly table: Table;
  readonly count: number;
  readonly seconds: number;
}

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  let args: Arguments | null;
  try {
    args = parseArguments(argv);
  } catch (error) {
    console.error(`${messageOf(error)} (--help tells more)`);
    return 2;
  }
  if (args === null) {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    return await compareWithOneProcess(args, await runPipeline(args));
  } catch (error) {
    console.error(messageOf(error));
    return 1;
  }
}

async function runPipeline(args: Arguments): Promise<Outcome> {
  const bytesTotal = fileBytes(args.path);
  const crew = new Crew((report) => progress.see(report));
  const progress = new Progress({
    out: process.stderr,
    bytesTotal,
    patienceSeconds: args.patienceSeconds,
    onStall: (message) => crew.fail(message),
  });
  try {
    const source = crew.start("./source.ts", "source", args);
    const sink = crew.start("./sink.ts", "sink", args);
    const workers = Array.from({ length: args.workers }, (_, index) =>
      crew.start("./worker.ts", `worker ${index + 1}`, args),
    );
    const members = [source, ...workers, sink].map(({ title, child }) => `${title} ${child.pid}`);
    console.log(`${relative(process.cwd(), args.path)}: processes ${members.join(", ")}`);

    const finished = sink.next("result");
    const bound = Promise.all([source.next("bound"), sink.next("bound")]);
    const [work, results] = await crew.until(bound);
    const addresses = { work: work.address, results: results.address };
    crew.order({ kind: "connect", addresses });

    const { table, count } = await crew.until(finished);
    const { seconds } = progress;
    await crew.dismiss();
    progress.stop();
    return { table, count, seconds };
  } finally {
    progress.stop();
    crew.kill();
  }
}

/** @returns the exit code: 0 when one process comes to the same result */
async function compareWithOneProcess(args: Arguments, outcome: Outcome): Promise<number> {
  const { table, count, seconds } = outcome;
  const rate = formatNumber(Math.round(count / seconds));
  console.log(`${formatTable(table)}\n`);
  const amount = plural(count, "record");
  const by = plural(args.workers, "worker");
  console.log(`${amount} through ${by} in ${seconds.toFixed(2)} s: ${rate} records/s`);

  if (fileBytes(args.path) === null) {
    console.log("check: none, since this file can be read only once");
    return 0;
  }
  const startedAt = performance.now();
  const expected = await summarize(args);
  const alone = ((performance.now() - startedAt) / 1000).toFixed(2);
  const difference = findDifference(table, expected);
  if (difference === null) {
    console.log(`check: one process comes to the same result, in ${alone} s`);
    return 0;
  }
  console.error(`check: the result differs from that of one process: ${difference}`);
  return 1;
}

/** The same computation without a pipeline. */
function summarize(args: Arguments): Promise<Table> {
  return withJob(args.job, async (job) => {
    const summary = job.summary();
    for await (const record of readRecords(args.path, job)) summary.add(record);
    return summary.table();
  });
}

function plural(count: number, word: string): string {
  return `${formatNumber(count)} ${word}${count === 1 ? "" : "s"}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
