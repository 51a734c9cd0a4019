import { checkFlight, type Flight, type FlightPart, FlightSummary } from "./flight-summary.ts";
import { type ShapePart, ShapeSummary } from "./shape-summary.ts";
import type { Table } from "./table.ts";

/**
 * A summary of many records, in whichever process they were counted.
 *
 * Contract: adding records in any order and grouping, directly or as parts, leads to the same table.
 */
export interface Summary<Item, Part> {
  add(record: Item): void;
  /** Adds the contents of another summary. */
  merge(part: Part): void;
  /** @returns the whole summary as plain data that can be sent */
  part(): Part;
  /** @returns the result for people, with numbers not rounded yet */
  table(): Table;
}

/** The computation of the pipeline: the type of its records, and of the parts that the workers send on. */
export interface Job<Item, Part> {
  readonly name: JobName;
  /** Checks the type of a record. @throws TypeError with the fault */
  readonly check: (value: unknown) => Item;
  readonly summary: () => Summary<Item, Part>;
}

export type JobName = "flights" | "shape";

/** Number of flights and mean delay by distance, of the flights in vega-datasets. */
const flights: Job<Flight, FlightPart> = {
  name: "flights",
  check: checkFlight,
  summary: () => new FlightSummary(),
};

/** The fields of any file, with their types and ranges. */
const shape: Job<unknown, ShapePart> = {
  name: "shape",
  check: (value) => value,
  summary: () => new ShapeSummary(),
};

/** Calls `use` with the job of that name, in a way that keeps its types together. */
export function withJob<R>(name: string, use: <Item, Part>(job: Job<Item, Part>) => R): R {
  switch (name) {
    case "flights":
      return use(flights);
    case "shape":
      return use(shape);
    default:
      throw new TypeError(`a job is "flights" or "shape", not ${JSON.stringify(name)}`);
  }
}
