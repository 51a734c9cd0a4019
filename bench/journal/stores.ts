import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { FileJournal } from "../../lib/journal/index.ts";
import { BareFile } from "./bare-file.ts";
import { benchPlace } from "./place.ts";

/** What stores one value so that it survives a power cut, by the time its promise resolves. */
export type Append = (value: Buffer) => PromiseLike<unknown>;

export type OpenStore = () => Promise<Append>;

/** The same work done by each of them. */
export const STORES: Readonly<Record<"bare" | "journal" | "lmdb" | "level", OpenStore>> = {
  bare: async () => {
    const file = await BareFile.create(join(benchPlace(), "file"));
    return (value) => file.append(value);
  },
  journal: async () => {
    const journal = await FileJournal.open(benchPlace());
    return (value) => journal.append(value);
  },
  lmdb: async () => {
    const store = openStore();
    let key = 0;
    return (value) => store.put(key++, value);
  },
  level: async () => {
    const store = await openLevel();
    let key = 0;
    return (value) => store.put(levelKey(key++), value, { sync: true });
  },
};

/** LMDB whose transactions resolve when they are on the disk. */
export function openStore(): RootDatabase<Buffer, number> {
  const path = join(benchPlace(), "lmdb");
  return openLmdb<Buffer, number>({ path, encoding: "binary", overlappingSync: false });
}

export async function openLevel(): Promise<ClassicLevel<string, Buffer>> {
  const path = join(benchPlace(), "level");
  const store = new ClassicLevel<string, Buffer>(path, { valueEncoding: "buffer" });
  await store.open();
  return store;
}

/** Keys that sort as numbers do. */
export function levelKey(index: number): string {
  return String(index).padStart(12, "0");
}
