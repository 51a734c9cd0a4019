import { relative } from "node:path";
import type { Arguments } from "./arguments.ts";
import { Crew } from "./crew.ts";
import type { Outcome } from "./messages.ts";
import { Progress } from "./progress.ts";
import { fileBytes } from "./records.ts";

/**
 * The pipeline without acknowledgements and journals: source.ts, worker.ts and sink.ts in processes of their own. They
 * run the loops of patterns/pipeline.ts, which other programs can use too.
 *
 * @throws Error with a text for the user, when a process is lost or nothing moves
 */
export async function runPlain(args: Arguments): Promise<Outcome> {
  const bytesTotal = fileBytes(args.path);
  const crew = new Crew(
    (report) => progress.see(report),
    "; the records it held are lost, so there is no result",
  );
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
    return { table, count, seconds, notes: [] };
  } finally {
    progress.stop();
    crew.kill();
  }
}
