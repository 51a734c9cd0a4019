/** The first process: reads the file into its journal, from which the workers receive it. */
import { once } from "node:events";
import { join } from "node:path";
import { Push } from "../../../lib/index.ts";
import { FileJournal } from "../../../lib/journal/index.ts";
import { type Job, withJob } from "../job.ts";
import type { DurableTask } from "../messages.ts";
import { fileBytes } from "../records.ts";
import { type Role, runRole, throttled } from "../role.ts";
import { type Chunk, type LastChunk, readChunks } from "./chunks.ts";

/** How far the source reads ahead of the workers (chunks). */
const AHEAD_MAX = 64;
/**
 * Positions in the file, as a part of it: the chunk whose worker is killed, and the point at which the source is
 * killed.
 */
const KILL_WORKER_AT = 1 / 3;
const KILL_SOURCE_AT = 2 / 3;

await runRole<DurableTask>((role) => withJob(role.task.job, (job) => source(job, role)));

async function source<Item, Part>(job: Job<Item, Part>, role: Role<DurableTask>): Promise<void> {
  const { task } = role;
  await using journal = await FileJournal.open(join(task.directory, "source"));
  // "queued": chunks accepted and not stored when this process dies are read from the file again.
  await using work = new Push<Chunk<Item>>({
    journal,
    confirm: "queued",
    backlogMessagesMax: AHEAD_MAX,
    graceMs: 500,
  });
  await using results = new Push<LastChunk>({ reliable: true });
  // Every chunk is one message: this is the number that the previous process has stored.
  const stored = journal.seqStored;
  if (stored > 0) role.report({ kind: "resumed", chunks: stored });
  role.report({ kind: "bound", address: await work.bind(task.bind) });
  results.connect((await role.addresses).results);
  await work.ready({ peers: task.isVictim ? task.workers : 1 });
  role.report({ kind: "started" });

  const chunks = await send(job, { role, work, stored });
  await results.send({ chunks });
  if (!role.stop.aborted) await once(role.stop, "abort");
  await Promise.all([work.close(), results.close()]);
}

/** @returns the number of chunks of the file (count) */
async function send<Item, Part>(
  job: Job<Item, Part>,
  to: {
    readonly role: Role<DurableTask>;
    readonly work: Push<Chunk<Item>>;
    readonly stored: number;
  },
): Promise<number> {
  const { role, work, stored } = to;
  const bytesTotal = fileBytes(role.task.path);
  const onRead = throttled((bytes) => role.report({ kind: "read", bytes }));
  let isFatalDue = role.task.isVictim;
  let chunks = 0;
  for await (const { chunk, records, bytesRead, recordsRead, isLast } of readChunks(
    role.task.path,
    job,
  )) {
    chunks = chunk;
    if (chunk <= stored) continue;
    // The length of a pipe is unknown, so it has no middle.
    const share = bytesTotal === null || isLast ? 1 : bytesRead / bytesTotal;
    const isFatal = isFatalDue && share >= KILL_WORKER_AT;
    if (isFatal) isFatalDue = false;
    await work.send({ chunk, records, isFatal });
    onRead(bytesRead);
    if (!role.task.isVictim || bytesTotal === null || share < KILL_SOURCE_AT) continue;
    await work.drain();
    role.report({ kind: "paused", records: recordsRead });
    await once(role.stop, "abort");
  }
  return chunks;
}
