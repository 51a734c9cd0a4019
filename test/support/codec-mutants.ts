import type { Mutant } from "./mutation.ts";

const LIMITS = "codec/encode-limits";
const PLAIN = "codec/msgpack/plain";
const COPY = "codec/msgpack/copy";
const ELEMENTS = "codec/msgpack-elements";
const JSON_SIZE = "codec/json-size";

/** What is counted before it is encoded. */
export const SIZE_MUTANTS: readonly Mutant[] = [
  {
    rule: "0014",
    name: "a list is counted as it is copied",
    edits: [[COPY, "this.#checkRoom(count);", ""]],
    hunt: [LIMITS, "msgpack does not read a list"],
  },
  {
    rule: "0014",
    name: "what is copied is counted at the end",
    edits: [[COPY, "this.#checkRoom(0);", ""]],
    hunt: [LIMITS, "msgpack counts an object once for each place"],
  },
  {
    rule: "0014",
    name: "the items of a plain list count for nothing",
    edits: [
      [
        PLAIN,
        "this.#elementsLeft -= elements;",
        "this.#elementsLeft -= elements === 100 ? 0 : elements;",
      ],
    ],
    hunt: [LIMITS, "msgpack counts a list once for each place"],
  },
  {
    rule: "0014",
    name: "the properties of a plain object count for nothing",
    edits: [[PLAIN, "count += 2;", ""]],
    hunt: [LIMITS, "msgpack counts an object once for each place"],
  },
  ...(
    [
      ["sent by itself count like a few", PLAIN, "count + extraOfKeys(count / 2)", "count"],
      ["that are copied count like a few", COPY, "this.#extra += extraOfKeys(entries.length);", ""],
      ["of a long map count like a few", ELEMENTS, "extraOfKeys(lengthOf(bytes, at, 4))", "0"],
      ["of a map count like a few", ELEMENTS, "extraOfKeys(lengthOf(bytes, at, 2))", "0"],
    ] as const
  ).map(
    ([name, file, from, to]): Mutant => ({
      rule: "0014",
      name: `many keys ${name}`,
      edits: [[file, from, to]],
      hunt: [
        "codec/msgpack-elements",
        name.includes("long") ? "six for each further key" : "what is sent counts as much",
      ],
    }),
  ),
  {
    rule: "0014",
    name: "long texts count for nothing",
    edits: [[PLAIN, "this.#bytesLeft -= bytes;", ""]],
    hunt: [LIMITS, "msgpack stops at a text"],
  },
  {
    rule: "0014",
    name: "JSON is made before anything is counted",
    edits: [["codec/json", "needsCare(value, limits)", "false"]],
    hunt: [LIMITS, "json counts an object once for each place"],
  },
  {
    rule: "0014",
    name: "a list in JSON is counted item by item",
    edits: [[JSON_SIZE, "elements + coming > elementsMax", "elements > elementsMax"]],
    hunt: [LIMITS, "json does not read a list"],
  },
];

const JSON_VALUES = "codec/json-values";

/** What keeps values that JSON would change from being sent. */
export const JSON_MUTANTS: readonly Mutant[] = (
  [
    [
      "maps are objects without contents",
      JSON_VALUES,
      "return LOST.has",
      "return false && LOST.has",
      "a Map is refused",
    ],
    [
      "a Buffer is the result of its toJSON",
      JSON_VALUES,
      "ArrayBuffer.isView(value)",
      "false",
      "a Buffer is",
    ],
    [
      "a late toJSON hides NaN",
      JSON_VALUES,
      "!Number.isFinite(written)",
      "false",
      "NaN is refused",
    ],
    ["NaN is a number", JSON_SIZE, "Number.isFinite(item)", "true", "NaN is refused"],
    ["NaN is a message", JSON_SIZE, "!Number.isFinite(value)", "false", "NaN is refused"],
    [
      "a function is dropped",
      JSON_SIZE,
      'return typeof item !== "function"',
      "return true",
      "a function is refused",
    ],
    [
      "an invalid date is a date",
      JSON_SIZE,
      "!Number.isNaN(value.getTime())",
      "true",
      "an invalid date",
    ],
    [
      "undefined is null in a list",
      JSON_SIZE,
      "item === undefined ||",
      "",
      "names what was refused",
    ],
  ] as const
).map(([name, file, from, to, test]) => {
  return { rule: "0003", name, edits: [[file, from, to]], hunt: ["codec/json", test] };
});

const INDICES = "codec/index-keys";
const KEYS = "objects take memory only for the keys that they have";
const NAMES = "headers take memory only for the names that they have";

/** What keeps keys that are indices from taking memory for others. */
export const INDEX_MUTANTS: readonly Mutant[] = (
  [
    ["maps become objects as they are", "codec/msgpack/reader", "!isSparse", "true", KEYS],
    ["beside records maps stay objects", "codec/msgpack/reader", "marks.keepMaps();", "", KEYS],
    ["keys that are remembered do not count", "codec/msgpack/scan", "node.isSparse", "false", KEYS],
    [
      "keys that are not remembered do not count",
      "codec/msgpack/scan",
      "isSparse({ indexMax, indexCount })",
      "false",
      KEYS,
    ],
    ["objects are made as they come", "codec/index-keys", "keepInTable(object);", "", KEYS],
    ["names of headers are taken as they come", "batch/headers", "indexMax >= 0", "false", NAMES],
    [
      "the last index is lost with the table",
      "codec/index-keys",
      "Object.hasOwn(object, LAST_INDEX)",
      "false",
      NAMES,
    ],
  ] as const
).map(([name, file, from, to, test]) => {
  return { rule: "0014", name, edits: [[file, from, to]], hunt: [INDICES, test] };
});

const OWN = "codec/own-codec";

/** What is said of codecs of users. */
export const OWN_CODEC_MUTANTS: readonly Mutant[] = [
  {
    rule: "0077",
    name: "a mark of a length is taken for that of raw",
    edits: [
      ["batch/framing/codec-marks", 'maker === "raw" && codec.delimiter === "length"', "false"],
    ],
    hunt: [OWN, "an error of its decode is reported and kept as cause"],
  },
  {
    rule: "0077",
    name: "a frame that may be another's hides what the codec threw",
    edits: [
      ["batch/framing/codec-marks", "mismatch(codec, maker, { cause })", "mismatch(codec, maker)"],
    ],
    hunt: [OWN, "where a frame may come from another codec"],
  },
  {
    rule: "codecs",
    name: "a codec may return promises",
    edits: [["codec/codec-error", "!types.isPromise(returned)", "true"]],
    hunt: [OWN, "promises are refused"],
  },
  {
    rule: "codecs",
    name: "the promises of a codec are left to reject",
    edits: [["codec/codec-error", "quiet(returned);", ""]],
    hunt: [OWN, "promises are refused"],
  },
  {
    rule: "codecs",
    name: "a reliable receiver takes promises for values",
    edits: [["reliable/receiver/decoded-batch", 'refusePromise("decode", value);', ""]],
    hunt: [OWN, "a reliable socket refuses its promises"],
  },
];

const SINGLE = "codec/msgpack/single";

/** What is done for texts and bytes that are a whole value, without msgpackr. */
export const SINGLE_MUTANTS: readonly Mutant[] = (
  [
    [
      "a text is believed to be valid",
      "isUtf8(bytes.subarray(at, end)) ? text : null",
      "text",
      "not valid UTF-8",
    ],
    [
      "ASCII is not looked for",
      "bits < 0x80",
      "true",
      "a single text or byte array has the shortest header",
    ],
    [
      "a head is as long as if all were ASCII",
      "const head = headBytes(length);",
      "const head = from - at;",
      "a single text or byte array has the shortest header",
    ],
    [
      "bytes are those of the frame",
      "? copyOf(",
      "? ((all, from, to) => all.subarray(from, to))(",
      "decoded bytes are a copy that belongs to the caller",
    ],
    [
      "bytes that are not there count",
      "size === 0 || at > limit",
      "size === 0",
      "a truncated encoding",
    ],
  ] as const
).map(([name, from, to, test]) => {
  return { rule: "0080", name, edits: [[SINGLE, from, to]], hunt: ["codec/single", test] };
});
