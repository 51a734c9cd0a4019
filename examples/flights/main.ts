/**
 * A pipeline of separate processes over a file of records: `npm start -- --help`.
 *
 *     source --PUSH/PULL--> N workers --PUSH/PULL--> sink
 *
 * This process checks their result. Continue with durable/pipeline.ts, which keeps everything in journals and kills
 * processes half-way, or with plain.ts, which does neither.
 */
import { answerHelp } from "../../scripts/help.ts";
import { type Arguments, HELP, parseArguments } from "./arguments.ts";
import { runDurable } from "./durable/pipeline.ts";
import { withJob } from "./job.ts";
import type { Outcome } from "./messages.ts";
import { runPlain } from "./plain.ts";
import { fileBytes, readRecords } from "./records.ts";
import { findDifference, formatNumber, formatTable, type Table } from "./table.ts";

answerHelp(HELP.trimEnd());
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  let args: Arguments;
  try {
    args = parseArguments(argv);
  } catch (error) {
    console.error(`${messageOf(error)} (see --help)`);
    return 2;
  }
  try {
    return await compareWithOneProcess(args, await (args.isPlain ? runPlain : runDurable)(args));
  } catch (error) {
    console.error(messageOf(error));
    return 1;
  }
}

/** @returns the exit code: 0 when a single process computes the same result */
async function compareWithOneProcess(args: Arguments, outcome: Outcome): Promise<number> {
  const { table, count, seconds, notes } = outcome;
  const rate = formatNumber(Math.round(count / seconds));
  console.log(`${formatTable(table)}\n`);
  const amount = plural(count, "record");
  const by = plural(args.workers, "worker");
  console.log(`${amount} through ${by} in ${seconds.toFixed(2)} s: ${rate} records/s`);
  for (const note of notes) console.log(note);

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
