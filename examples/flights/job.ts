import { checkFlight, type Flight, type FlightPart, FlightSummary } from "./flight-summary.ts";
import { type ShapePart, ShapeSummary } from "./shape-summary.ts";
import type { Table } from "./table.ts";

/**
 * What is made of many records, wherever they were counted.
 *
 * Contract: adding records in any order and grouping, directly or as parts, ends in the same table.
 */
export interface Summary<Item, Part> {
  add(record: Item): void;
  /** Adds what another summary knows. */
  merge(part: Part): void;
  /** @returns all that is known, as plain data that may travel */
  part(): Part;
  /** @returns the result for people, with numbers not yet rounded */
  table(): Table;
}

/** What the pipeline computes: the type of its records, and of what the workers send on. */
export interface Job<Item, Part> {
  readonly name: JobName;
  /** Gives a record its type. @throws TypeError that says what is wrong with it */
  readonly check: (value: unknown) => Item;
  readonly summary: () => Summary<Item, Part>;
}

export type JobName = "flights" | "shape";

/** Flights and mean delay by distance, of the flights in vega-datasets. */
const flights: Job<Flight, FlightPart> = {
  name: "flights",
  check: checkFlight,
  summary: () => new FlightSummary(),
};

/** What any file holds: its fields, their types and ranges. */
const shape: Job<unknown, ShapePart> = {
  name: "shape",
  check: (value) => value,
  summary: () => new ShapeSummary(),
};

/** Calls `use` with the job of that name; its types stay together, whichever it is. */
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
