import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { open as openLmdb } from "lmdb";
import { FileJournal } from "../../lib/journal/file-journal.ts";
import { BareFile } from "./bare-file.ts";
import { against, middle, type Row } from "./report.ts";

const COMMITS = 600;
const APPENDERS = [1, 8, 64] as const;

interface Work {
  readonly place: string;
  readonly size: number;
}

/** One message, stored: its p50 alone, and the rate of many that each await their own. */
export async function latencyRows({ place, size }: Work): Promise<Row[]> {
  const value = Buffer.alloc(size, 7);
  const file = await BareFile.create(join(place, "bare"));
  const journal = await FileJournal.open(join(place, "journal"));
  const lmdb = openLmdb<Buffer, number>({
    path: join(place, "lmdb"),
    encoding: "binary",
    overlappingSync: false,
  });
  const level = new ClassicLevel<string, Buffer>(join(place, "level"), { valueEncoding: "buffer" });
  await level.open();
  let key = 0;
  const systems: Record<string, () => PromiseLike<unknown>> = {
    "bare write + fdatasync": () => file.append(value),
    "journal, sync always": () => journal.append(value),
    lmdb: () => lmdb.put(key++, value),
    "classic-level, sync": () => level.put(String(key++).padStart(12, "0"), value, { sync: true }),
  };
  const latencies = await takeTurns(systems);
  const scenario = `stored, ${size} B, one appender awaiting each, p50`;
  const rows = against(
    "bare write + fdatasync",
    [...latencies].map(([system, times]) => ({
      scenario,
      system,
      value: middle(times),
      unit: "ms",
    })),
  );
  rows.push(...(await concurrent(size, systems)));
  await Promise.all([file.close(), journal.close(), lmdb.close(), level.close()]);
  return rows;
}

/** Ten of one, ten of the next: so that all see the same disk. */
async function takeTurns(
  systems: Record<string, () => PromiseLike<unknown>>,
): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>(Object.keys(systems).map((name) => [name, []]));
  for (let turn = 0; turn < COMMITS / 10; turn++) {
    for (const [name, append] of Object.entries(systems)) {
      for (let index = 0; index < 10; index++) {
        const start = performance.now();
        await append();
        times.get(name)!.push(performance.now() - start);
      }
    }
  }
  return times;
}

async function concurrent(
  size: number,
  systems: Record<string, () => PromiseLike<unknown>>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of ["journal, sync always", "lmdb", "classic-level, sync"]) {
    const append = systems[name]!;
    const scenario = `${name}: ${size} B, appenders that each await`;
    const rates: { scenario: string; system: string; value: number; unit: string }[] = [];
    for (const appenders of APPENDERS) {
      const each = Math.ceil(COMMITS / 2);
      const start = performance.now();
      const one = async () => {
        for (let index = 0; index < each; index++) await append();
      };
      await Promise.all(Array.from({ length: appenders }, one));
      const value = ((appenders * each) / (performance.now() - start)) * 1000;
      rates.push({ scenario, system: `${appenders} appenders`, value, unit: "messages/s" });
    }
    rows.push(...against("1 appenders", rates));
  }
  return rows;
}
