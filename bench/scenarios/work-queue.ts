import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { raw } from "../../lib/index.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { Messages, readSeq } from "../payload.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

const WORKERS = [1, 2, 4, 16] as const;
const PREFETCHES = [1, 30, 1_000] as const;
/** Jobs that are added together and then awaited (count). */
const ADDED_TOGETHER = 1_000;
const READY_INTERVAL_MS = 10;

const nameOf = (workers: number, prefetch: number): string =>
  `${workers} ${workers === 1 ? "worker" : "workers"}, prefetch ${prefetch}`;

/** Workers with empty handlers, with one job at a time each: only the queue is measured. */
const systemOf = (workers: number, prefetch: number): System => ({
  name: nameOf(workers, prefetch),
  baseline: workers === 1 && prefetch === 1 ? null : nameOf(1, 1),
  send: addAll,
  receive: (run) => work(run, { workers, prefetch }),
});

/** Each job is on disk when its `add` resolves. */
async function addAll(run: Run): Promise<void> {
  const messages = new Messages(sizeOf(run.options), ADDED_TOGETHER * 2);
  const directory = mkdtempSync(join(tmpdir(), "brokerless-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const queue = await WorkQueue.open<Uint8Array>({ directory, codec: raw() });
  run.announce(await queue.bind("tcp://127.0.0.1:*"));
  while (!run.peerReady) await delay(READY_INTERVAL_MS);
  await run.bursts(async (from, to) => {
    for (let first = from; first < to; first += ADDED_TOGETHER) {
      const added: Promise<void>[] = [];
      const end = Math.min(to, first + ADDED_TOGETHER);
      for (let seq = first; seq < end; seq++) added.push(queue.add(messages.at(seq)));
      await Promise.all(added);
    }
  });
}

async function work(
  run: Run,
  { workers, prefetch }: { readonly workers: number; readonly prefetch: number },
): Promise<void> {
  const connect = await run.address();
  const handle = (job: Uint8Array) => run.tally.take(readSeq(job));
  for (let count = 0; count < workers; count++) {
    const worker = await Worker.start<Uint8Array>({ connect, prefetch, codec: raw() }, handle);
    await worker.ready();
  }
  run.reportReady();
}

/** One durable queue and workers that share its jobs, all in one process. */
export const scenario: Scenario = {
  name: "work-queue",
  summary: "jobs of a durable WorkQueue shared by 1 to 16 workers, by how many each may hold",
  defaults: { size: 100, messages: 20_000, runs: 3, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: WORKERS.flatMap((workers) => PREFETCHES.map((prefetch) => systemOf(workers, prefetch))),
};
