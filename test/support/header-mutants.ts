import type { Mutant } from "./mutation.ts";

const HEADERS = "batch/headers";
const LYING = [HEADERS, "a receiver checks every length"] as const;
const BOUNDS = [
  HEADERS,
  "beyond the receiver's limits they are refused before they are decoded",
] as const;

/** What bounds the headers that peers send. */
export const HEADER_MUTANTS: readonly Mutant[] = [
  ...(
    [
      ["a block is as long as it says", "length > end - start", LYING],
      ["a text is as long as it says", "textEnd > blockEnd", LYING],
      ["any name is one", 'name === "" || name === "__proto__"', LYING],
      ["a name may come twice", "Object.hasOwn(headers, name)", LYING],
      ["bytes that are no text are made one", "!isUtf8(bytes.subarray(start, end))", LYING],
      ["there may be headers of no value", "at !== frame.length", LYING],
      ["any version is read", "frame[2] !== PART_HEAD[2] || frame[3] !== 0", [HEADERS, "version"]],
      ["the bytes of headers have no bound", "length > limits.headersBytesMax", BOUNDS],
      ["the count of headers has no bound", "count > limits.headersCountMax", BOUNDS],
    ] as const
  ).map(
    ([name, check, hunt]): Mutant => ({
      rule: "0076",
      name,
      edits: [[HEADERS, `if (${check})`, "if (false)"]],
      hunt,
    }),
  ),
  {
    rule: "0076",
    name: "messages with headers share frames with those without",
    edits: [["batch/batcher", "&& isHeaded === this.#isHeaded", ""]],
    hunt: ["batch/batcher", "do not share a frame"],
  },
  {
    rule: "0076",
    name: "headers do not count to the bytes of a frame",
    edits: [["batch/frame-division", "begin + beside > batchBytesMax", "begin > batchBytesMax"]],
    hunt: ["batch/batcher", "headers count towards batchBytesMax"],
  },
];

const BOUND = "batch/headers-bound";
const INTAKE = "reliable/receiver/sessions/batch-intake";

/** What bounds the headers of all messages of a frame or batch. */
export const HEADERS_BOUND_MUTANTS: readonly Mutant[] = (
  [
    ["the headers of a frame have no bound", BOUND, "left < 0", "false", BOUND, "before any"],
    ["a block counts as one header", BOUND, "count <= countMax; count++", "false; count++", BOUND],
    [
      "a frame may have no headers where elements are few",
      BOUND,
      "Math.max(options.headersCountMax, Math.floor(options.elementsMax / HEADER_ELEMENTS))",
      "Math.floor(options.elementsMax / HEADER_ELEMENTS)",
      BOUND,
      "those of one message",
    ],
    [
      "frames with headers are cut by their bytes only",
      "batch/frame-division",
      "beside > headersBytesMax",
      "false",
      "batch/batcher",
      "more headers than a receiver takes",
    ],
    [
      "a batch is one part, whatever headers it has",
      "batch/batch-split",
      "bytes + own > bytesMax",
      "false",
      INTAKE,
      "waits in parts",
    ],
    [
      "the parts of a batch do not begin anew",
      "batch/batch-split",
      "bytes = 0;\n        }",
      "}",
      INTAKE,
      "waits in parts",
    ],
    [
      "senders know of no bound",
      "plain/outbound",
      "headersTogetherMax: together",
      "",
      "contract/headers",
      "frames of any length that a sender makes",
    ],
    [
      "sockets know of no bound",
      "core/socket-options",
      ", headersTogetherMax: together",
      "",
      "contract/headers",
      "a frame of more than its elements allow",
    ],
  ] as const
).map(([name, file, from, to, test, part = "counted exactly"]) => {
  return { rule: "0014", name, edits: [[file, from, to]], hunt: [test, part] };
});

const MARKS = "batch/codec-marks";
const SELF_FRAMING = "batch/framing/self-framing";
const LINE_FRAMING = "batch/framing/line-framing";

/** What tells frames of one codec from those of another. */
export const MARK_MUTANTS: readonly Mutant[] = [
  {
    rule: "0077",
    name: "a message that is a small integer begins like JSON",
    edits: [[SELF_FRAMING, "if (byte >= FIXINT_END)", "if (true)"]],
    hunt: [MARKS, "a batched frame of msgpack is refused by json"],
  },
  {
    rule: "0077",
    name: "a line of JSON ends like any other",
    edits: [
      [LINE_FRAMING, "this.#isMarked ? LINE_END : LINE_END.subarray(1)", "LINE_END.subarray(1)"],
    ],
    hunt: [MARKS, "a batched frame of msgpack is refused by json"],
  },
  {
    rule: "0077",
    name: "nobody looks whose frame it is",
    edits: [["batch/framing/codec-marks", "maker !== null && maker !== codec.name)\n", "false)\n"]],
    hunt: [MARKS, "a batched frame of raw is refused"],
  },
  {
    rule: "0077",
    name: "what ends like JSON is taken for it",
    edits: [["batch/framing/codec-marks", "(length > SURE_BYTES_MAX || isJson(frame))", "true"]],
    hunt: [MARKS, "frames that peers of other libraries write are read unchanged"],
  },
];

/** What `trySend` takes beside a value. */
export const TRY_MUTANTS: readonly Mutant[] = [
  {
    rule: "0076",
    name: "trySend drops headers",
    edits: [["core/send-options", "headers === undefined ? null", "true ? null"]],
    hunt: ["contract/headers", "tryPublish, and trySend of a dealer"],
  },
  {
    rule: "0076",
    name: "trySend takes whatever it is given",
    edits: [["core/send-options", "checkNames(call, options, TRY_OPTIONS);", ""]],
    hunt: ["contract/headers", "what trySend and tryPublish do not know"],
  },
];

const DIVISION = "batch/frame-division";

/** Gathered values divided into frames for several peers. */
export const DIVISION_MUTANTS: readonly Mutant[] = [
  {
    rule: "0002",
    name: "the remainder of a division goes to the same peer each time",
    edits: [[DIVISION, "const favoured = this.#favoured % shares;", "const favoured = 0;"]],
    hunt: [DIVISION, "the same number of values"],
  },
  {
    rule: "0002",
    name: "a share that is too long is one frame",
    edits: [
      [
        DIVISION,
        "this.#cutBefore(gathered, first, last);\n                onFrame",
        "last;\n                onFrame",
      ],
    ],
    hunt: [DIVISION, "no frame of several values is too long"],
  },
  {
    rule: "0002",
    name: "headers do not count in a frame",
    edits: [
      [DIVISION, "if (headers !== null)\n            return", "if (false)\n            return"],
    ],
    hunt: [DIVISION, "no frame of several values is too long"],
  },
];
