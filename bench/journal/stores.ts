import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { FileJournal } from "../../lib/journal/index.ts";
import { BareFile } from "./bare-file.ts";
import { benchPlace } from "./place.ts";

/** Stores one value; when its promise resolves, the value survives a power cut. */
export type Append = (value: Buffer) => PromiseLike<unknown>;

export type OpenStore = () => Promise<Append>;

/** The same work for each store. */
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

/** LMDB with transactions that resolve when they are on disk. */
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

/** Keys that sort like numbers. */
export function levelKey(index: number): string {
  return String(index).padStart(12, "0");
}
