import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { FramingOptions } from "../batch/framing.ts";
import type { Codec } from "../codec/codec.ts";
import { msgpack } from "../codec/msgpack.ts";
import { boolean, expected, integer, type Rule, type Rules, resolveOptions } from "../options.ts";
import { type ResolvedSecurity, type Security, securityOption } from "../transport/security.ts";
import { type Schema, schemaOption } from "./schema.ts";

/** How messages share frames. */
export interface BatchOptions {
  /** Bytes that force a frame out; a larger message goes alone. Default 65,536: past it throughput stops growing (bench/batch-size.ts). */
  readonly batchBytesMax?: number | undefined;
  /** Messages that force a frame out (count). Default 8,192, which bounds a frame of tiny messages. */
  readonly batchCountMax?: number | undefined;
}

/** Options that every socket understands. All limits have a default; none can be switched off. */
export interface CommonOptions {
  /** Adaptive batching. `false` puts exactly one message into a frame, as plain ZeroMQ programs do. */
  readonly batch?: BatchOptions | false | undefined;
  /**
   * `"none"`, or CURVE keys. Default: not said, which allows loopback, ipc and inproc only: a tcp bind
   * to another interface needs keys or the explicit word.
   */
  readonly security?: Security | undefined;
  /**
   * Whether peers that connect to a tcp address of ours pass a gate, which cuts off who sends messages of
   * endless parts or endless subscriptions: libzmq keeps both in memory without a limit. It costs about
   * a quarter of the throughput. Default: for addresses beyond loopback with `security: "none"`, where
   * nothing else protects us. With CURVE strangers do not get so far.
   */
  readonly gate?: boolean | undefined;
  /** How long a closed socket goes on delivering what ZeroMQ holds (milliseconds, 0 to 60,000). Default 1,000. */
  readonly lingerMs?: number | undefined;
  /** Pause between pings to a silent peer, who is gone after three (milliseconds); 0 sends none. Default 3,000. */
  readonly heartbeatMs?: number | undefined;
  /** Longest message, encoded (bytes). A longer one is refused at `send`, and ends the connection of a peer that sends it. Default 16 MiB. */
  readonly messageBytesMax?: number | undefined;
  /**
   * Messages accepted and not yet handed to ZeroMQ; `send` waits beyond it (bytes). Default 4 MiB: a longer queue is
   * slower, because its frames have left the processor's cache before ZeroMQ gets to them. With acknowledgements
   * 16 MiB, for what is on its way counts too.
   */
  readonly queueBytesMax?: number | undefined;
  /** Frames that ZeroMQ may hold for each peer in each direction (count). Default 64 with batching, else 1,000. */
  readonly peerFramesMax?: number | undefined;
}

/** {@link CommonOptions} after checking, with nothing left to decide. */
export interface ResolvedCommon {
  readonly batch: { readonly batchBytesMax: number; readonly batchCountMax: number } | false;
  readonly security: ResolvedSecurity;
  /** Null: by address and security. */
  readonly gate: boolean | null;
  readonly lingerMs: number;
  readonly heartbeatMs: number;
  readonly messageBytesMax: number;
  readonly queueBytesMax: number;
  /** Null: depends on `batch` and on the role. */
  readonly peerFramesMax: number | null;
}

/** Defaults of {@link BatchOptions}. */
const BATCH = Object.freeze({ batchBytesMax: 65_536, batchCountMax: 8_192 });

/** Defaults of {@link CommonOptions}. */
export const COMMON_DEFAULTS: ResolvedCommon = Object.freeze({
  batch: BATCH,
  security: null,
  gate: null,
  lingerMs: 1_000,
  heartbeatMs: 3_000,
  messageBytesMax: 16 * 2 ** 20,
  queueBytesMax: 4 * 2 ** 20,
  peerFramesMax: null,
});

const BATCH_RULES: Rules<{ batchBytesMax: number; batchCountMax: number }> = {
  batchBytesMax: integer(1, 16 * 2 ** 20),
  batchCountMax: integer(1, 1_000_000),
};

const batchOption: Rule<ResolvedCommon["batch"]> = (value, name) => {
  if (value === false) return false;
  if (typeof value !== "object") throw expected(name, "false or an object", value);
  return resolveOptions(name, value, { rules: BATCH_RULES, defaults: BATCH });
};

/** Rules of {@link CommonOptions}. */
export const COMMON_RULES: Rules<ResolvedCommon> = {
  batch: batchOption,
  security: securityOption,
  gate: boolean,
  lingerMs: integer(0, 60_000),
  heartbeatMs: integer(0, 600_000),
  messageBytesMax: integer(1, 2 ** 30),
  queueBytesMax: integer(1, 2 ** 40),
  peerFramesMax: integer(1, 1_000_000),
};

/** Messages that a received frame may hold, whatever its sender's limits (count). */
const FRAME_MESSAGES_MAX = 1_000_000;

/** How the frames of a socket are packed and unpacked. */
export function framingOptions(common: ResolvedCommon): FramingOptions {
  return { batched: common.batch !== false, countMax: FRAME_MESSAGES_MAX };
}

/** Accepts an object that implements the Codec port. */
export const codecOption: Rule<Codec<unknown>> = (value, name) => {
  const codec = value as Partial<Codec> | null;
  if (
    typeof codec === "object" &&
    codec !== null &&
    typeof codec.encode === "function" &&
    typeof codec.decode === "function" &&
    ["self", "newline", "length"].includes(codec.delimiter as string)
  ) {
    return value as Codec<unknown>;
  }
  throw expected(name, "a codec such as msgpack(), raw() or json()", value);
};

/** Options of a socket of one message type. */
export interface ValueOptions<T> extends CommonOptions {
  /** How values become bytes. Default `msgpack()`. */
  readonly codec?: Codec<T> | undefined;
  /**
   * Checks every message: a bad one is refused at `send` with `BROKERLESS_SCHEMA`, and on receipt
   * counted, reported as an `error` event, and skipped. A receiver gets the schema's output.
   */
  readonly schema?: StandardSchemaV1<unknown, T> | StandardSchemaV1<T, unknown> | undefined;
}

/** What a socket of one message type takes beside {@link CommonOptions}, resolved. */
export interface ResolvedValue {
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
}

/** Rules of `codec` and `schema`. */
export const VALUE_RULES: Rules<ResolvedValue> = { codec: codecOption, schema: schemaOption };

/** `codec` is MessagePack unless said otherwise; no schema. A codec of its own for every socket. */
export function valueDefaults(): ResolvedValue {
  return { codec: msgpack(), schema: null };
}

/** Options of a socket that sends one type and receives another. */
export interface TwoWayOptions<Out, In> extends CommonOptions {
  /** How values become bytes, both ways. Default `msgpack()`. */
  readonly codec?: Codec<Out | In> | undefined;
  /** Checks every message that is sent: a bad one is refused with `BROKERLESS_SCHEMA`. */
  readonly schema?: StandardSchemaV1<Out, unknown> | undefined;
  /** Checks every message received: a bad one is counted, reported as an `error` event, and skipped. */
  readonly receiveSchema?: StandardSchemaV1<unknown, In> | undefined;
}

/** {@link ResolvedValue} and the schema of the other direction. */
export interface ResolvedTwoWay extends ResolvedValue {
  readonly receiveSchema: Schema | null;
}

/** Rules of {@link TwoWayOptions} beyond the common ones. */
export const TWO_WAY_RULES: Rules<ResolvedTwoWay> = { ...VALUE_RULES, receiveSchema: schemaOption };

/** As {@link valueDefaults}. */
export function twoWayDefaults(): ResolvedTwoWay {
  return { ...valueDefaults(), receiveSchema: null };
}

/** Options of a socket that asks or answers; the same on both sides. */
export interface AskOptions<Question, Answer> extends Omit<CommonOptions, "batch"> {
  /** How questions and answers become bytes. Default `msgpack()`. */
  readonly codec?: Codec<Question | Answer> | undefined;
  /** Checks questions. A bad one is refused where it is asked, and answered with an error where it arrives. */
  readonly schema?:
    | StandardSchemaV1<unknown, Question>
    | StandardSchemaV1<Question, unknown>
    | undefined;
  /** Checks answers. A bad one becomes an error at the replier, and is refused at the requester. */
  readonly answerSchema?:
    | StandardSchemaV1<unknown, Answer>
    | StandardSchemaV1<Answer, unknown>
    | undefined;
}

/** {@link ResolvedValue} and the schema of answers. */
export interface ResolvedAsk extends ResolvedValue {
  readonly answerSchema: Schema | null;
}

/** Rules of {@link AskOptions} beyond the common ones. */
export const ASK_RULES: Rules<ResolvedAsk> = { ...VALUE_RULES, answerSchema: schemaOption };

/** As {@link valueDefaults}. */
export function askDefaults(): ResolvedAsk {
  return { ...valueDefaults(), answerSchema: null };
}
