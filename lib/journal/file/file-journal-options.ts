import { expected, integer, isPlain, oneOf, type Rule, resolveOptions } from "../../options.ts";

/** When the entries of a file journal count as stored. */
export type SyncLevel = "always" | "interval" | "never";

/**
 * Limits beyond which a file journal frees its oldest segments by itself; it frees whole segments,
 * and never entries that a hold keeps.
 */
export interface Retention {
  /** Frees entries older than this (milliseconds). Default: no limit. */
  readonly ageMs?: number | undefined;
  /** Frees the oldest entries while the journal has more than this (bytes). Default: no limit. */
  readonly bytes?: number | undefined;
  /** Frees the oldest entries while the journal has more than this (count). Default: no limit. */
  readonly count?: number | undefined;
}

/** Options of a `FileJournal`. */
export interface FileJournalOptions {
  /**
   * When an append counts as stored. `always`: after fdatasync. `interval`: when it is in the OS
   * page cache; a power cut loses at most `syncIntervalMs` of entries. `never`: the same, without
   * that limit. At every level, the death of a process loses nothing that was stored.
   *
   * @defaultValue "always"
   */
  readonly sync?: SyncLevel | undefined;
  /**
   * Time between syncs with `sync: "interval"` (milliseconds).
   *
   * @defaultValue 100
   */
  readonly syncIntervalMs?: number | undefined;
  /**
   * Length at which a segment is closed and a new one is started (bytes).
   *
   * @defaultValue 134,217,728
   */
  readonly segmentBytes?: number | undefined;
  /**
   * Limits beyond which the oldest segments are freed, checked when a segment starts and on open.
   * Default: everything is kept.
   */
  readonly retention?: Retention | undefined;
  /**
   * Length at which a batch is closed and further entries go to the next one (bytes). The default
   * is one frame on the wire.
   *
   * @defaultValue 65,536
   */
  readonly batchBytesMax?: number | undefined;
  /**
   * Most bytes that may wait to be stored; beyond this, appends fail with `BROKERLESS_FULL`.
   *
   * @defaultValue 268,435,456
   */
  readonly pendingBytesMax?: number | undefined;
  /**
   * Segments that an open reads after a crash: all (`full`), or only the newest one (`newest`),
   * where damage in older segments is detected when they are read.
   *
   * @defaultValue "full"
   */
  readonly recovery?: "full" | "newest" | undefined;
}

/** {@link FileJournalOptions} with all defaults filled in. */
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
