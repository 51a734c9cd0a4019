import type { Mutant } from "./mutation.ts";

const POWER_CUT = ["sim/power-cut", "nothing stored is lost"] as const;
const FLIPS = ["sim/damage", "a closed journal, a larger one"] as const;
const POISONED = ["sim/disk-faults", "a failed sync poisons"] as const;

/** Every protection that a test can see the absence of. */
export const MUTANTS: readonly Mutant[] = [
  {
    rule: "J1",
    name: "acknowledge before the sync has ended",
    edits: [
      [
        "journal/segment/segment-log",
        "await this.sync();\n        // Readers",
        "void this.sync();\n//",
      ],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J2",
    name: "count what came during a sync as synced",
    edits: [["journal/segment/tail-file", "Math.max(this.#durable, end)", "this.#written"]],
    hunt: POWER_CUT,
  },
  {
    rule: "J3",
    name: "go on after a failed sync",
    edits: [
      ["journal/file/file-journal", "this.#failure = failure;", ""],
      ["journal/file/file-journal", "this.intake.refuse(failure);", ""],
      ["journal/commit/intake", 'error.code !== "BROKERLESS_NO_SPACE"', "false"],
    ],
    hunt: POISONED,
  },
  {
    rule: "J4",
    name: "overlook that the sync of a directory failed",
    edits: [
      [
        "journal/segment/begin-segment",
        "ports.disk.syncDirectory(directory);",
        "ports.disk.syncDirectory(directory).catch(() => {});",
      ],
    ],
    hunt: ["sim/disk-faults", "each call failing once with EIO"],
  },
  {
    rule: "J5",
    name: "do not sync the directory of a new segment",
    edits: [["journal/segment/begin-segment", "await ports.disk.syncDirectory(directory);", ""]],
    hunt: POWER_CUT,
  },
  {
    rule: "J6",
    name: "leave what a full disk cut short",
    edits: [
      ["journal/segment/tail-file", "await this.#takeBack(error);\n            const", "const"],
    ],
    hunt: ["sim/disk-faults", "not even the part that fitted"],
  },
  {
    rule: "J6",
    name: "overlook short writes",
    edits: [["journal/disk/disk", "if (written === bytes)", "if (written > 0)"]],
    hunt: ["sim/disk-faults", "short writes are finished"],
  },
  {
    rule: "J6",
    name: "keep no room for acknowledgements",
    edits: [
      ["journal/segment/segment-log", 'isValues && (await this.#room.give("values"))', "false"],
    ],
    hunt: ["sim/disk-faults", "stored from the reserve"],
  },
  {
    rule: "0029",
    name: "end with a lack of descriptors when a new segment's name is synced",
    edits: [
      ["journal/segment/begin-segment", "throw lackOrPoisoned(error", "throw poisoned(error"],
    ],
    hunt: ["sim/disk-lacks", "each call of a new segment fails once"],
  },
  {
    rule: "0029",
    name: "go on in the old segment while the next has its name",
    edits: [["journal/segment/segment-log", "(wants || this.#begun !== null)", "wants"]],
    hunt: ["sim/disk-lacks", "each call of a new segment fails once"],
  },
  {
    rule: "J6",
    name: "let values wait for a new segment on a full disk",
    edits: [["journal/segment/segment-log", "!isLack(error) || !what.makesRoom || !fits", "true"]],
    hunt: ["sim/disk-lacks", "behind a full segment"],
  },
  {
    rule: "J6",
    name: "forget what an earlier run has kept for values",
    edits: [["journal/segment/reserve", "Object.assign(this.#held, this.#wanted);", ""]],
    hunt: ["sim/full-restarts", "(many segments)"],
  },
  {
    rule: "0029",
    name: "believe that what an earlier run has kept takes space",
    edits: [
      ["journal/segment/reserve", "[Buffer.alloc(all)], 0)", "[Buffer.alloc(all - kept)], kept)"],
    ],
    hunt: ["journal/reserve", "holes are overwritten with zeros"],
  },
  {
    rule: "0029",
    name: "keep the reserve where there is no descriptor to cut it with",
    edits: [
      ["journal/segment/reserve", "(await this.#tryCut())", "((await this.#tryCut()) || true)"],
    ],
    hunt: ["journal/reserve", "without a descriptor"],
  },
  {
    rule: "J6",
    name: "let entries take what the reserve gave",
    edits: [["journal/segment/segment-log", "await this.#room.keepReserve(bytes);", ";"]],
    hunt: ["sim/full-restarts", "(many segments)"],
  },
  {
    rule: "J6",
    name: "keep a segment that nobody needs on a full disk",
    edits: [["journal/segment/segment-log", "!(await this.#room.make(units))", "true"]],
    hunt: ["sim/full-restarts", "(one segment)"],
  },
  {
    rule: "J6",
    name: "hold nothing back for copies that make room",
    edits: [
      [
        "journal/segment/disk-room",
        "units.every(isForRoom) && (await this.#beginCopies())",
        "false",
      ],
    ],
    hunt: ["sim/full-letters", "the sender waits (one segment)"],
  },
  {
    rule: "J6",
    name: "copies that make room share the segment that is to be removed",
    edits: [
      [
        "journal/segment/disk-room",
        "if (log.newest.header.seqBase < log.seqNext)\n                await log.roll",
        "if (false)\n                await log.roll",
      ],
    ],
    hunt: ["sim/full-letters", "the sender waits (one segment)"],
  },
  {
    rule: "J6",
    name: "take what an earlier run has kept for copies for values",
    edits: [["journal/segment/reserve", "kept >= copies ? kept - copies : kept", "kept"]],
    hunt: ["sim/full-letters", "the sender starts anew (one segment)"],
  },
  {
    rule: "0042",
    name: "a full disk that has refused messages is no reason to make room",
    edits: [
      ["reliable/sender/saved/room-seeker", "this.#cancel ??= ", "if (false) this.#cancel ??= "],
    ],
    hunt: ["sim/full-letters", "hold back little"],
  },
  {
    rule: "0042",
    name: "letters are copied on a full disk only where that is worth it on other days",
    edits: [
      ["reliable/sender/saved/dead-letter-compactor", "isShort ? this.#dueBytesShort : ", ""],
    ],
    hunt: ["sim/full-letters", "hold back little"],
  },
  {
    rule: "J6",
    name: "a lack of descriptors is the end",
    edits: [["journal/disk/disk-errors", "NO_DESCRIPTOR.has(code)", "false"]],
    hunt: ["sim/disk-lacks", "no descriptor (EMFILE)"],
  },
  {
    rule: "J7",
    name: "write while a write is under way",
    edits: [
      [
        "journal/commit/commit-pipeline",
        "this.#writing !== null || this.#written !== null || this.#writeFailure !== null",
        "false",
      ],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J8",
    name: "checksum of batches off",
    edits: [
      [
        "batch/batch",
        "crc32(bytes.subarray(BATCH.bytes)) === getU32(bytes, BATCH.checksum)",
        "true",
      ],
    ],
    hunt: FLIPS,
  },
  {
    rule: "J8",
    name: "checksum of records off",
    edits: [
      [
        "journal/format/record",
        "crc32(bytes.subarray(at + 4, at + 24), place.seed) !== getU32(bytes, at)",
        "false",
      ],
    ],
    hunt: FLIPS,
  },
  {
    rule: "J8",
    name: "checksum of values off",
    edits: [["journal/format/values", "crc32(body.subarray(4)) !== getU32(body, 0)", "false"]],
    hunt: FLIPS,
  },
  {
    rule: "J8",
    name: "salt off",
    edits: [
      [
        "journal/format/segment-header",
        'return crc32(Buffer.from(header.salt, "hex"));',
        "return 1;",
      ],
    ],
    hunt: ["sim/forged", "another life of the same segment"],
  },
  {
    rule: "J9",
    name: "believe lengths (and checksums, which see them too)",
    edits: [
      [
        "journal/format/record",
        "bodyBytes < BODY_BYTES_MIN || bodyBytes > BODY_BYTES_MAX",
        "false",
      ],
      ["journal/format/record", "RECORD_HEADER_BYTES + bodyBytes > place.bytesThere", "false"],
      ["batch/batch", "getU32(bytes, BATCH.bytes) !== bytesThere", "false"],
      [
        "batch/batch",
        "crc32(bytes.subarray(BATCH.bytes)) === getU32(bytes, BATCH.checksum)",
        "true",
      ],
    ],
    hunt: ["sim/forged", "a length beyond the end"],
  },
  {
    rule: "J10",
    name: "report zeros behind the end",
    edits: [
      [
        "journal/segment/segment-scan",
        "while (dataEnd > faultAt && bytes[dataEnd - 1] === 0)",
        "while (false)",
      ],
    ],
    hunt: ["sim/damage", "zeros behind the end"],
  },
  {
    rule: "J11",
    name: "records without a durable mark",
    edits: [
      ["journal/segment/seal-records", "offset, durableOffset }", "offset, durableOffset: 0 }"],
    ],
    hunt: ["sim/damage", "durable mark tells"],
  },
  {
    rule: "J12",
    name: "cut below the durable mark",
    edits: [["journal/recovery/judge-segment", "if (scan.end < durable)", "if (false)"]],
    hunt: ["sim/damage", "whose process died, truncated"],
  },
  {
    rule: "J12",
    name: "never cut",
    edits: [["journal/recovery/judge-segment", "if (scan.end < durable)", "if (true)"]],
    hunt: POWER_CUT,
  },
  {
    rule: "J13",
    name: "do not report what was cut",
    edits: [
      [
        "journal/recovery/open-log",
        "tail === null || savedAs === null ? null : { ...tail, savedAs }",
        "null",
      ],
    ],
    hunt: ["sim/damage", "garbage behind the end"],
  },
  {
    rule: "J14",
    name: "set nothing aside",
    edits: [["journal/recovery/quarantine", "await writeAll(file, [bytes], 0);", ""]],
    hunt: ["sim/damage", "garbage behind the end"],
  },
  {
    rule: "J14",
    name: "do not write again what is above the mark",
    edits: [
      [
        "journal/recovery/open-log",
        "await writeAll(file, [bytes.subarray(0, newest.end - from)], from);",
        ";",
      ],
    ],
    hunt: ["sim/disk-faults", "the page cache calls clean"],
  },
  {
    rule: "J15",
    name: "duplicate check off",
    edits: [
      ["journal/segment/segment-scan", "if (batch.seqFirst !== state.seqNext)", "if (false)"],
    ],
    hunt: ["sim/forged", "repeats a seq"],
  },
  {
    rule: "J15",
    name: "no check from segment to segment",
    edits: [["journal/recovery/scan-log", "checkNext(headers[index + 1], state);", ""]],
    hunt: ["sim/forged", "does not go on"],
  },
  {
    rule: "J15",
    name: "a missing segment is nothing",
    edits: [
      [
        "journal/segment/segment-list",
        "previous !== undefined && number !== previous.number + 1",
        "false",
      ],
      [
        "journal/segment/segment-list",
        "previous !== undefined && header.previousBytes !== previousBytes",
        "false",
      ],
    ],
    hunt: ["sim/damage", "a closed journal, each file removed"],
  },
  {
    rule: "J16",
    name: "refuse where the mark cannot be read",
    edits: [
      [
        "journal/format/durable-mark",
        "!MAGIC.equals(bytes.subarray(0, 8)))\n        return null;",
        "!MAGIC.equals(bytes.subarray(0, 8)))\n        throw new Error('unreadable');",
      ],
    ],
    hunt: ["sim/damage", "can be lost or garbled"],
  },
  {
    rule: "J17",
    name: "remove segments before it is durable that they are free",
    edits: [
      [
        "journal/file/file-journal",
        "await this.intake.appendAll([], seqFirstChange(seq));",
        "await this.#log.dropBefore(seq); await this.intake.appendAll([], seqFirstChange(seq));",
      ],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J18",
    name: "values apart from their entries",
    edits: [
      [
        "journal/segment/seal-records",
        "RECORD_TYPE.batch, values !== null)",
        "RECORD_TYPE.batch, false)",
      ],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J18",
    name: "a segment without the values of those before it",
    edits: [
      [
        "journal/segment/begin-segment",
        "encodeValues(parts.table.entries(), true)",
        "encodeValues(new Map(), true)",
      ],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J19",
    name: "epoch check off",
    edits: [["journal/segment/segment-scan", "if (batch.epoch !== state.epoch)", "if (false)"]],
    hunt: ["sim/forged", "of another epoch"],
  },
  {
    rule: "J19",
    name: "stream check off",
    edits: [["journal/segment/segment-scan", "if (batch.stream !== state.stream)", "if (false)"]],
    hunt: ["sim/forged", "of another stream"],
  },
  {
    rule: "J19",
    name: "the epoch stays where seen entries can be lost",
    edits: [
      ["journal/recovery/open-log", "return mark.lazy && mark.bootId !== bootId;", "return false;"],
      ["journal/recovery/open-log", "return !isClean;", "return false;"],
    ],
    hunt: ["sim/power-cut", "the epoch rises"],
  },
  {
    rule: "J20",
    name: "no lock",
    edits: [
      [
        "journal/disk/ports",
        "lock: lockDirectory,",
        "lock: async () => ({ assertHeld: () => {}, release: async () => {} }),",
      ],
    ],
    hunt: ["journal/file/file-journal", "a second writer is refused"],
  },
  {
    rule: "J20",
    name: "a lock that is not asked of the system",
    edits: [["journal/disk/directory-lock", "locks.tryLock(fd, ...range())", "fd > 0"]],
    hunt: ["journal/one-writer", "a lock file without a lock is stale"],
  },
  {
    rule: "J20",
    name: "a lock on a file that another one has just removed",
    edits: [
      ["journal/disk/directory-lock", "if (!leadsTo(place.path, { dev, ino }))", "if (false)"],
    ],
    hunt: ["journal/one-writer", "between the open and the lock"],
  },
  {
    rule: "J20",
    name: "do not look again whether the directory is there",
    edits: [
      [
        "journal/segment/segment-log",
        "this.#options.lock.assertHeld();\n        this.syncs++;",
        "this.syncs++;",
      ],
      // On a slow machine the mark is due, which looks too.
      [
        "journal/file/file-journal",
        "await this.#guard(async () => this.#lock.assertHeld());\n            this.#putMark();",
        "this.#putMark();",
      ],
    ],
    hunt: ["journal/one-writer", "file: an append after the removal of the directory"],
  },
  {
    rule: "J21",
    name: "a read error is the end",
    edits: [
      [
        "journal/segment/segment-cursor",
        "throw diskFailure(error, `read ",
        "segment.end = this.#offset; void (`",
      ],
    ],
    hunt: ["sim/disk-faults", "a read error is not the end"],
  },
  {
    rule: "J22",
    name: "read every version",
    edits: [
      [
        "journal/format/segment-header",
        "version !== SEGMENT_VERSION || (flags & ~FLAG_GAP) !== 0",
        "false",
      ],
    ],
    hunt: ["sim/damage", "a segment of a later version"],
  },
  {
    rule: "J23",
    name: "show what is written and not synced",
    edits: [
      [
        "journal/segment/segment-log",
        "this.bytesWritten += sealed.bytes;",
        "this.newest.end = this.#tail.written;",
      ],
    ],
    hunt: [
      "journal/file/file-journal",
      "a following reader sees nothing of a commit before its sync has ended",
    ],
  },
  {
    rule: "J23",
    name: "a view that reads past the mark",
    edits: [
      [
        "journal/file/journal-view",
        "if (mark !== null && mark.stream === stream && mark.segment === number)",
        "if (false)",
      ],
      ["journal/file/journal-view", "else if (mark !== null)", "else if (false)"],
    ],
    hunt: ["journal/file/file-journal", "a view stops at the mark"],
  },
  {
    rule: "J24",
    name: "verify sees no damage",
    edits: [["journal/recovery/verify", "return { ok: damage.length === 0,", "return { ok: true,"]],
    hunt: FLIPS,
  },
  {
    rule: "J25",
    name: "find a time by the clock of the headers",
    edits: [
      [
        "journal/segment/seek-time",
        "(await firstTime(view, segments.slice(middle)))",
        "segments[middle].header.createdAtMs",
      ],
    ],
    hunt: ["sim/clock", "wherever the clock was set"],
  },
  {
    rule: "J25",
    name: "begin times anew behind a segment without entries",
    edits: [["journal/recovery/open-log", "!scan.clean && state.timeMs === 0", "false"]],
    hunt: ["sim/clock", "the time does not fall"],
  },
  {
    rule: "J25",
    name: "believe a clock that was ahead",
    edits: [["journal/file/retention", "createdAtMs > nowMs ||", "false ||"]],
    hunt: ["sim/clock", "years ahead"],
  },
  {
    rule: "J25",
    name: "believe a clock that was behind",
    edits: [["journal/file/retention", "|| createdAtMs < latestMs", ""]],
    hunt: ["sim/clock", "lived long before"],
  },
];
