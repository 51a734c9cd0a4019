import type { JobName } from "./job.ts";
import type { Table } from "./table.ts";

/** Addresses of the two PULL sides of the pipeline. */
export interface Addresses {
  /** Address of the source, from which the workers pull records. */
  readonly work: string;
  /** Address of the sink, to which the workers push results and the source the number of records. */
  readonly results: string;
}

/** The task of a process of the pipeline, passed as its only argument (JSON). */
export interface Task {
  readonly job: JobName;
  readonly path: string;
  readonly workers: number;
}

/** The task of a process of the durable pipeline. */
export interface DurableTask extends Task {
  /** The directory of the journals of all processes. */
  readonly directory: string;
  /** The address to bind: `tcp://127.0.0.1:*`, or the address of the process that this one replaces. */
  readonly bind: string;
  /** Whether this process is going to be killed. */
  readonly isVictim: boolean;
}

/** Orders from the main process to the others. This channel only controls processes, and carries no data. */
export type Order =
  | { readonly kind: "connect"; readonly addresses: Addresses }
  /** No more workers are killed. */
  | { readonly kind: "spare" }
  | { readonly kind: "stop" };

/** Reports from the other processes to the main process. */
export type Report =
  | { readonly kind: "bound"; readonly address: string }
  | { readonly kind: "started" }
  | { readonly kind: "read"; readonly bytes: number }
  | { readonly kind: "done"; readonly count: number }
  | {
      readonly kind: "result";
      readonly count: number;
      readonly table: Table;
      /** Repeated results, which were not counted (count). */
      readonly repeated: number;
    }
  /** The durable source continues after the chunks in its journal. */
  | { readonly kind: "resumed"; readonly chunks: number }
  /** The durable source has stored its part, and waits to be killed. */
  | { readonly kind: "paused"; readonly records: number }
  /** A durable worker has sent the result of a chunk without acknowledging the chunk, and waits to be killed. */
  | { readonly kind: "holding"; readonly chunk: number }
  | { readonly kind: "failed"; readonly message: string };

/** The result of the pipeline, and the time from the first record to the last result. */
export interface Outcome {
  readonly table: Table;
  readonly count: number;
  readonly seconds: number;
  /** Further lines for the user. */
  readonly notes: readonly string[];
}
