import type { Table } from "./table.ts";

/** One flight, in the format of vega-datasets. */
export interface Flight {
  /** Delay at arrival; negative when early (minutes). */
  readonly delay: number;
  /** Distance (miles). */
  readonly distance: number;
  /** Time of the day, from 0 to 24 (hours). */
  readonly time: number;
}

/** Number of flights and sum of their delays (minutes), for each distance band. */
export type FlightPart = readonly (readonly [flights: number, delay: number])[];

const BAND_MILES = 500;
const BAND_COUNT = 6;

/** @throws TypeError when `value` is not a flight */
export function checkFlight(value: unknown): Flight {
  if (typeof value !== "object" || value === null) throw new TypeError("expected a flight");
  const { delay, distance, time } = value as Partial<Record<keyof Flight, unknown>>;
  if (!Number.isInteger(delay)) throw new TypeError('"delay" must be a whole number');
  if (!(typeof distance === "number" && distance >= 0)) {
    throw new TypeError('"distance" must be a number from 0');
  }
  if (typeof time !== "number") throw new TypeError('"time" must be a number');
  return value as Flight;
}

/** Number of flights and mean delay by distance band. Delays are whole minutes, so their sums are exact. */
export class FlightSummary {
  readonly #bands: [flights: number, delay: number][] = Array.from({ length: BAND_COUNT }, () => [
    0, 0,
  ]);

  add(flight: Flight): void {
    const band = this.#bands[Math.min(BAND_COUNT - 1, Math.floor(flight.distance / BAND_MILES))]!;
    band[0]++;
    band[1] += flight.delay;
  }

  merge(part: FlightPart): void {
    for (const [index, [flights, delay]] of part.entries()) {
      const band = this.#bands[index]!;
      band[0] += flights;
      band[1] += delay;
    }
  }

  part(): FlightPart {
    return this.#bands.map(([flights, delay]) => [flights, delay] as const);
  }

  table(): Table {
    const all = this.#bands.reduce(([f, d], [flights, delay]) => [f + flights, d + delay], [0, 0]);
    const rows = this.#bands.map((band, index) => [bandName(index), ...flightsAndMean(band)]);
    return {
      columns: ["distance (miles)", "flights", "mean delay (minutes)"],
      rows: [...rows, ["all", ...flightsAndMean(all)]],
    };
  }
}

function flightsAndMean([flights, delay]: [number, number]): [number, number | null] {
  return [flights, flights === 0 ? null : delay / flights];
}

function bandName(index: number): string {
  const from = (index * BAND_MILES).toLocaleString("en-US");
  if (index === BAND_COUNT - 1) return `${from} and more`;
  return `${from} to ${((index + 1) * BAND_MILES - 1).toLocaleString("en-US")}`;
}
