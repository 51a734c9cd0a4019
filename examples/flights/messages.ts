import type { JobName } from "./job.ts";
import type { Table } from "./table.ts";

/** Where the two PULL sides of the pipeline listen. */
export interface Addresses {
  /** The source's, from which the workers pull records. */
  readonly work: string;
  /** The sink's, to which the workers push results and the source the number of records. */
  readonly results: string;
}

/** What every process of the pipeline is told when it is started, as its only argument (JSON). */
export interface Task {
  readonly job: JobName;
  readonly path: string;
  readonly workers: number;
}

/** What every process of the durable pipeline is told. */
export interface DurableTask extends Task {
  /** Where the processes keep their journals. */
  readonly directory: string;
  /** Where to listen: `tcp://127.0.0.1:*`, or where the process that this one replaces did. */
  readonly bind: string;
  /** Whether this process is one that is going to be killed. */
  readonly isVictim: boolean;
}

/** From the main process to the others. Data never goes this way, only the life of the processes. */
export type Order =
  | { readonly kind: "connect"; readonly addresses: Addresses }
  /** No more workers are killed. */
  | { readonly kind: "spare" }
  | { readonly kind: "stop" };

/** From the others to the main process. */
export type Report =
  | { readonly kind: "bound"; readonly address: string }
  | { readonly kind: "started" }
  | { readonly kind: "read"; readonly bytes: number }
  | { readonly kind: "done"; readonly count: number }
  | {
      readonly kind: "result";
      readonly count: number;
      readonly table: Table;
      /** Results that came a second time, and were not counted (count). */
      readonly repeated: number;
    }
  /** The durable source goes on behind what its journal holds. */
  | { readonly kind: "resumed"; readonly chunks: number }
  /** The durable source has stored so much, and waits to be killed. */
  | { readonly kind: "paused"; readonly records: number }
  /** A durable worker has sent the result of a chunk, has not acknowledged it, and waits to be killed. */
  | { readonly kind: "holding"; readonly chunk: number }
  | { readonly kind: "failed"; readonly message: string };

/** What the pipeline came to, and how long it took from the first record to the last result. */
export interface Outcome {
  readonly table: Table;
  readonly count: number;
  readonly seconds: number;
  /** What else there is to say, in lines. */
  readonly notes: readonly string[];
}
