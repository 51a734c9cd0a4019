/** One protection of the journal, taken away from the compiled library. */
export interface Mutant {
  /** The rule of docs/journal-format.md that the protection keeps. */
  readonly rule: string;
  readonly name: string;
  /** File of the library, then what to replace in it, and by what; each stands there once. */
  readonly edits: readonly (readonly [file: string, from: string, to: string])[];
  /** The test that must fail then: its file, and a part of its name. */
  readonly hunt: readonly [file: string, name: string];
}

const POWER_CUT = ["sim/power-cut", "nothing stored is lost"] as const;
const FLIPS = ["sim/damage", "a closed journal, a larger one"] as const;
const POISONED = ["sim/disk-faults", "a failed sync poisons"] as const;

/** Every protection that a test can see the absence of. */
export const MUTANTS: readonly Mutant[] = [
  {
    rule: "J1",
    name: "acknowledge before the sync has ended",
    edits: [
      ["journal/segment-log", "await this.sync();\n        // Readers", "void this.sync();\n//"],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J2",
    name: "count what came during a sync as synced",
    edits: [["journal/tail-file", "Math.max(this.#durable, end)", "this.#written"]],
    hunt: POWER_CUT,
  },
  {
    rule: "J3",
    name: "go on after a failed sync",
    edits: [
      ["journal/file-journal", "this.#failure = failure;", ""],
      ["journal/file-journal", "this.intake.refuse(failure);", ""],
      ["journal/intake", 'error.code !== "BROKERLESS_NO_SPACE"', "false"],
    ],
    hunt: POISONED,
  },
  {
    rule: "J4",
    name: "overlook that the sync of a directory failed",
    edits: [
      [
        "journal/begin-segment",
        "ports.disk.syncDirectory(directory);",
        "ports.disk.syncDirectory(directory).catch(() => {});",
      ],
    ],
    hunt: ["sim/disk-faults", "each call failing once with EIO"],
  },
  {
    rule: "J5",
    name: "do not sync the directory of a new segment",
    edits: [["journal/begin-segment", "await ports.disk.syncDirectory(directory);", ""]],
    hunt: POWER_CUT,
  },
  {
    rule: "J6",
    name: "leave what a full disk cut short",
    edits: [["journal/tail-file", "await this.#takeBack(error);\n            const", "const"]],
    hunt: ["sim/disk-faults", "not even the part that fitted"],
  },
  {
    rule: "J6",
    name: "overlook short writes",
    edits: [["journal/disk", "if (written === bytes)", "if (written > 0)"]],
    hunt: ["sim/disk-faults", "short writes are finished"],
  },
  {
    rule: "J6",
    name: "keep no room for acknowledgements",
    edits: [["journal/segment-log", "await this.#giveReserve()", "false"]],
    hunt: ["sim/disk-faults", "stored from the reserve"],
  },
  {
    rule: "J7",
    name: "write while a write is under way",
    edits: [
      [
        "journal/commit-pipeline",
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
        "journal/record",
        "crc32(bytes.subarray(at + 4, at + 24), place.seed) !== getU32(bytes, at)",
        "false",
      ],
    ],
    hunt: FLIPS,
  },
  {
    rule: "J8",
    name: "checksum of values off",
    edits: [["journal/values", "crc32(body.subarray(4)) !== getU32(body, 0)", "false"]],
    hunt: FLIPS,
  },
  {
    rule: "J8",
    name: "salt off",
    edits: [
      ["journal/segment-header", 'return crc32(Buffer.from(header.salt, "hex"));', "return 1;"],
    ],
    hunt: ["sim/forged", "another life of the same segment"],
  },
  {
    rule: "J9",
    name: "believe lengths (and checksums, which see them too)",
    edits: [
      ["journal/record", "bodyBytes < BODY_BYTES_MIN || bodyBytes > BODY_BYTES_MAX", "false"],
      ["journal/record", "RECORD_HEADER_BYTES + bodyBytes > place.bytesThere", "false"],
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
        "journal/segment-scan",
        "while (dataEnd > faultAt && bytes[dataEnd - 1] === 0)",
        "while (false)",
      ],
    ],
    hunt: ["sim/damage", "zeros behind the end"],
  },
  {
    rule: "J11",
    name: "records without a durable mark",
    edits: [["journal/seal-units", "offset, durableOffset }", "offset, durableOffset: 0 }"]],
    hunt: ["sim/damage", "durable mark tells"],
  },
  {
    rule: "J12",
    name: "cut below the durable mark",
    edits: [["journal/recovery", "if (scan.end < durable)", "if (false)"]],
    hunt: ["sim/damage", "whose process died, truncated"],
  },
  {
    rule: "J12",
    name: "never cut",
    edits: [["journal/recovery", "if (scan.end < durable)", "if (true)"]],
    hunt: POWER_CUT,
  },
  {
    rule: "J13",
    name: "do not report what was cut",
    edits: [
      [
        "journal/open-log",
        "tail === null || savedAs === null ? null : { ...tail, savedAs }",
        "null",
      ],
    ],
    hunt: ["sim/damage", "garbage behind the end"],
  },
  {
    rule: "J14",
    name: "set nothing aside",
    edits: [["journal/set-aside", "await writeAll(file, [bytes], 0);", ""]],
    hunt: ["sim/damage", "garbage behind the end"],
  },
  {
    rule: "J14",
    name: "do not write again what is above the mark",
    edits: [
      [
        "journal/open-log",
        "await writeAll(file, [bytes.subarray(0, newest.end - from)], from);",
        ";",
      ],
    ],
    hunt: ["sim/disk-faults", "the page cache calls clean"],
  },
  {
    rule: "J15",
    name: "duplicate check off",
    edits: [["journal/segment-scan", "if (batch.seqFirst !== state.seqNext)", "if (false)"]],
    hunt: ["sim/forged", "repeats a seq"],
  },
  {
    rule: "J15",
    name: "no check from segment to segment",
    edits: [["journal/scan-log", "checkNext(headers[index + 1], state);", ""]],
    hunt: ["sim/forged", "does not go on"],
  },
  {
    rule: "J15",
    name: "a missing segment is nothing",
    edits: [
      ["journal/segment-list", "previous !== undefined && number !== previous.number + 1", "false"],
      [
        "journal/segment-list",
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
        "journal/mark",
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
        "journal/file-journal",
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
      ["journal/seal-units", "RECORD_TYPE.batch, values !== null)", "RECORD_TYPE.batch, false)"],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J18",
    name: "a segment without the values of those before it",
    edits: [
      [
        "journal/begin-segment",
        "encodeValues(parts.table.entries(), true)",
        "encodeValues(new Map(), true)",
      ],
    ],
    hunt: POWER_CUT,
  },
  {
    rule: "J19",
    name: "epoch check off",
    edits: [["journal/segment-scan", "if (batch.epoch !== state.epoch)", "if (false)"]],
    hunt: ["sim/forged", "of another epoch"],
  },
  {
    rule: "J19",
    name: "stream check off",
    edits: [["journal/segment-scan", "if (batch.stream !== state.stream)", "if (false)"]],
    hunt: ["sim/forged", "of another stream"],
  },
  {
    rule: "J19",
    name: "the epoch stays where seen entries can be lost",
    edits: [
      ["journal/open-log", "return mark.lazy && mark.bootId !== bootId;", "return false;"],
      ["journal/open-log", "if (mark === null)\n        return true;", ""],
    ],
    hunt: ["sim/power-cut", "the epoch rises"],
  },
  {
    rule: "J20",
    name: "no lock",
    edits: [
      ["journal/ports", "lock: lockDirectory,", "lock: async () => ({ release: async () => {} }),"],
    ],
    hunt: ["journal/file-journal", "a second writer is refused"],
  },
  {
    rule: "J21",
    name: "a read error is the end",
    edits: [
      [
        "journal/segment-cursor",
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
        "journal/segment-header",
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
        "journal/segment-log",
        "this.bytesWritten += sealed.bytes;",
        "this.newest.end = this.#tail.written;",
      ],
    ],
    hunt: ["journal/file-journal", "a follower sees nothing"],
  },
  {
    rule: "J23",
    name: "a view that reads past the mark",
    edits: [
      [
        "journal/journal-view",
        "if (mark !== null && mark.stream === stream && mark.segment === number)",
        "if (false)",
      ],
      ["journal/journal-view", "else if (mark !== null)", "else if (false)"],
    ],
    hunt: ["journal/file-journal", "a view stops at the mark"],
  },
  {
    rule: "J24",
    name: "verify sees no damage",
    edits: [["journal/verify", "return { ok: damage.length === 0,", "return { ok: true,"]],
    hunt: FLIPS,
  },
];
