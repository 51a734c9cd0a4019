/** A process that hashes files: see main.ts. Arguments: where the jobs come from, and where results go. */
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
    // The job is done when its result is, so a worker that dies in between leaves the job to another.
    await results.send({ path: job.path, sha256, pid }, { confirm: "processed", signal });
  },
);

/** What a supervisor sends before it kills: finish what is in hand, and leave the rest to others. */
process.once("SIGTERM", async () => {
  const worker = await starting;
  const { active } = worker.stats();
  const left = await worker.close({ timeoutMs: 10_000 });
  await results.close();
  console.log(`worker ${pid}: told to end with ${active} jobs in hand, left ${left} unfinished`);
  process.disconnect();
});
// A worker without its main process has nobody to work for.
process.once("disconnect", () => process.exit());
// It may have left while this process was loading: then nobody is told any more.
if (process.connected === false) process.exit();
