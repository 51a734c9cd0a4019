import { expected, integer, isPlain, oneOf, type Rule, resolveOptions } from "../../options.ts";

/** When a file journal's entries count as stored. */
export type SyncLevel = "always" | "interval" | "never";

/** What may be freed without being asked for; whole segments, never what a hold keeps. */
export interface Retention {
  /** Entries older than this (ms). */
  readonly ageMs?: number | undefined;
  /** The oldest, while the journal has more than this (bytes). */
  readonly bytes?: number | undefined;
  /** The oldest, while the journal has more entries than this (count). */
  readonly count?: number | undefined;
}

/** How a `FileJournal` keeps its stream. */
export interface FileJournalOptions {
  /**
   * `always` (default): an append is stored when fdatasync has covered it. `interval`: when the
   * system has it; a power cut loses at most `syncIntervalMs`. `never`: the same without a bound.
   * With each of them a process that dies loses nothing that was stored.
   */
  readonly sync?: SyncLevel | undefined;
  /**
   * With `sync: "interval"`: time between syncs (milliseconds).
   *
   * @defaultValue 100
   */
  readonly syncIntervalMs?: number | undefined;
  /**
   * A segment is followed by a new one when it has this much (bytes).
   *
   * @defaultValue 134,217,728
   */
  readonly segmentBytes?: number | undefined;
  /** Checked when a segment begins and on open. Default: everything is kept. */
  readonly retention?: Retention | undefined;
  /**
   * Entries go to the next batch when one has this much (bytes): by default one frame on the wire.
   *
   * @defaultValue 65,536
   */
  readonly batchBytesMax?: number | undefined;
  /**
   * What may wait to be stored (bytes); beyond it appends are refused.
   *
   * @defaultValue 268,435,456
   */
  readonly pendingBytesMax?: number | undefined;
  /**
   * What is read after a crash: all segments (`full`, default), or the newest alone, where damage in
   * older ones is found when they are read.
   */
  readonly recovery?: "full" | "newest" | undefined;
}

/** The same with nothing left open. */
export interface ResolvedFileJournalOptions {
  readonly sync: SyncLevel;
  readonly syncIntervalMs: number;
  readonly segmentBytes: number;
  readonly retention: Retention;
  readonly batchBytesMax: number;
  readonly pendingBytesMax: number;
  readonly recovery: "full" | "newest";
}

const LIMIT = integer(1, Number.MAX_SAFE_INTEGER);

const retention: Rule<Retention> = (value, name) => {
  if (!isPlain(value)) throw expected(name, "a plain object", value);
  for (const [key, limit] of Object.entries(value)) {
    if (key !== "ageMs" && key !== "bytes" && key !== "count") {
      throw expected(`${name} key`, "one of ageMs, bytes, count", key);
    }
    if (limit !== undefined) LIMIT(limit, `${name}.${key}`);
  }
  return Object.freeze({ ...value });
};

const SPEC = {
  rules: {
    sync: oneOf("always", "interval", "never"),
    syncIntervalMs: integer(1, 3_600_000),
    segmentBytes: integer(4096, 2 ** 30),
    retention,
    batchBytesMax: integer(256, 2 ** 28),
    pendingBytesMax: integer(65_536, 2 ** 30),
    recovery: oneOf("full", "newest"),
  },
  defaults: {
    sync: "always",
    syncIntervalMs: 100,
    segmentBytes: 2 ** 27,
    retention: {},
    batchBytesMax: 65_536,
    pendingBytesMax: 2 ** 28,
    recovery: "full",
  } as ResolvedFileJournalOptions,
};

/** @throws TypeError for an unknown option or a value out of range */
export function resolveFileJournalOptions(given: unknown): ResolvedFileJournalOptions {
  return resolveOptions("FileJournal", given, SPEC);
}
