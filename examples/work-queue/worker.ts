/** A process that hashes files: see main.ts. Arguments: the address of the queue, and the address for results. */
import { Push } from "../../lib/index.ts";
import { Worker } from "../../patterns/work-queue.ts";
import { type FileHash, type FileJob, hashFile } from "./job.ts";

const [jobs, sink] = process.argv.slice(2) as [string, string];
const { pid } = process;

const results = new Push<FileHash>({ reliable: true });
results.connect(sink);

const starting = Worker.start<FileJob>(
  { connect: jobs, concurrency: 2 },
  async (job, { signal }) => {
    const sha256 = await hashFile(job.path, signal);
    // The job is done when its result has been processed: if this worker dies before, another one gets the job.
    await results.send({ path: job.path, sha256, pid }, { confirm: "processed", signal });
  },
);

/**
 * The signal that a supervisor sends before it kills: finish the jobs in flight, and leave the others to other workers.
 */
process.once("SIGTERM", async () => {
  const worker = await starting;
  const { active } = worker.stats();
  const left = await worker.close({ timeoutMs: 10_000 });
  await results.close();
  console.log(`worker ${pid}: told to end with ${active} jobs in hand, left ${left} unfinished`);
  process.disconnect();
});
// Without its main process a worker has no purpose.
process.once("disconnect", () => process.exit());
// The main process may have ended while this one was loading: then there is no `disconnect` event.
if (process.connected === false) process.exit();
