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

/** From the main process to the others. Data never goes this way, only the life of the processes. */
export type Order =
  | { readonly kind: "connect"; readonly addresses: Addresses }
  | { readonly kind: "stop" };

/** From the others to the main process. */
export type Report =
  | { readonly kind: "bound"; readonly address: string }
  | { readonly kind: "started" }
  | { readonly kind: "read"; readonly bytes: number }
  | { readonly kind: "done"; readonly count: number }
  | { readonly kind: "result"; readonly count: number; readonly table: Table }
  | { readonly kind: "failed"; readonly message: string };
