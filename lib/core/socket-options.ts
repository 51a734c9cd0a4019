import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { FramingOptions } from "../batch/framing/create-framing.ts";
import type { FrameHeaderLimits } from "../batch/headers.ts";
import { headersTogetherMax } from "../batch/headers-bound.ts";
import type { Codec } from "../codec/codec.ts";
import { msgpack } from "../codec/msgpack/msgpack.ts";
import { boolean, expected, integer, type Rule, type Rules, resolveOptions } from "../options.ts";
import { isName, NAME_CHARS_MAX } from "../peer-text.ts";
import {
  type ResolvedSecurity,
  type Security,
  securityOption,
} from "../transport/curve/security.ts";
import { type Logger, loggerOption } from "./events/logger.ts";
import { type Schema, schemaOption } from "./schema.ts";

/** Limits of the frames that messages share. */
export interface BatchOptions {
  /**
   * Frame size at which the frame is sent; a larger message is sent alone (bytes). Larger frames do not raise
   * throughput further (bench/scenarios/batch-size.ts).
   *
   * @defaultValue 65,536
   */
  readonly batchBytesMax?: number | undefined;
  /**
   * Messages in a frame at which the frame is sent (count).
   *
   * @defaultValue 8,192, which bounds a frame of tiny messages
   */
  readonly batchCountMax?: number | undefined;
}

/**
 * Options of every socket. All limits have a default; none can be switched off.
 *
 * @see docs/sockets.md
 */
export interface CommonOptions {
  /** Limits of adaptive batching. `false` sends exactly one message in each frame, as plain ZeroMQ programs do. */
  readonly batch?: BatchOptions | false | undefined;
  /**
   * `"none"`, or CURVE keys. Default: unset, which allows loopback, ipc and inproc only. A tcp bind to another
   * interface needs keys, or an explicit `"none"`.
   */
  readonly security?: Security | undefined;
  /**
   * Whether peers that connect to a bound tcp or ipc address pass through a gate. The gate cuts off connections that
   * exceed limits which libzmq does not have: messages of endless parts, endless subscriptions, long commands before
   * the handshake, more connections than file descriptors, and routing ids that crash the process. It costs about a
   * quarter of the throughput.
   *
   * Default: on for addresses beyond loopback with `security: "none"`; on for CURVE servers, during their handshakes;
   * and on where the process is limited to fewer than 16,384 file descriptors. docs/sockets.md lists the risks without
   * a gate.
   */
  readonly gate?: boolean | undefined;
  /**
   * Most simultaneous connections to a bound address behind a gate (count). Each takes three file descriptors.
   *
   * @defaultValue 10,000
   */
  readonly connectionsMax?: number | undefined;
  /**
   * How long a closed socket goes on delivering frames that ZeroMQ holds (milliseconds, 0 to 60,000).
   *
   * @defaultValue 1,000
   */
  readonly lingerMs?: number | undefined;
  /**
   * Heartbeat interval (milliseconds). A peer whose host has sent nothing for three intervals counts as lost; 0: no
   * limit. Default 3,000.
   *
   * Over tcp the operating system probes an idle connection (keepalive), in whole seconds. While data is under way, the
   * operating system itself detects a host that is gone, on Linux after some 15 minutes. A slow peer is never cut off.
   * Reliable sockets also exchange heartbeats of their own, over any transport, so they detect a peer that hangs.
   */
  readonly heartbeatMs?: number | undefined;
  /**
   * Longest message, encoded (bytes). A longer one is refused at `send`. A peer's frame that is longer by more than 1
   * MiB ends its connection.
   *
   * @defaultValue 16 MiB
   */
  readonly messageBytesMax?: number | undefined;
  /**
   * Most elements of a message: each value, key, array and object in it is one (count). A message with more is refused
   * at `send`. A received frame that has more, and more than `batchBytesMax`, is refused before it is decoded: an
   * element takes one byte on the wire, 84 in memory, and time to decode. In MessagePack a key beyond the first 1,024 of
   * an object is six; a header is sixteen, those of a frame being counted together. Default 262,144, which takes some
   * 50 ms of the event loop.
   */
  readonly messageElementsMax?: number | undefined;
  /**
   * Most memory for messages that are accepted and not yet handed to ZeroMQ; beyond it `send` waits (bytes). Default 4
   * MiB: a longer queue is slower, because its frames have left the processor's cache before ZeroMQ reads them. With
   * acknowledgements 16 MiB, since messages in flight count too. Without effect on `Pull`, `Subscriber` and `Replier`,
   * which have no such queue.
   */
  readonly queueBytesMax?: number | undefined;
  /**
   * Most headers of one message (count), sent and received.
   *
   * @defaultValue 64
   */
  readonly headersCountMax?: number | undefined;
  /**
   * Most bytes of the headers of one message: names and texts in UTF-8, and three bytes for each header (bytes), sent
   * and received. More are a `TypeError` at `send`, and refused on receipt.
   *
   * @defaultValue 8,192, as in web servers
   */
  readonly headersBytesMax?: number | undefined;
  /**
   * Most frames that ZeroMQ may hold for each peer in each direction (count). A socket with acknowledgements takes at
   * least 1,000: there `prefetch` is the bound.
   *
   * @defaultValue 64 with batching, else 1,000
   */
  readonly peerFramesMax?: number | undefined;
  /**
   * The name of this socket at its peers, in their events, errors and `peers()` (1 to 64 visible characters). For
   * people: it proves nothing, and several sockets may have the same. Sockets with acknowledgements exchange names, and
   * a `Subscriber` sends its name to its publishers. Of other sockets only the gate before a bound socket can read it.
   */
  readonly name?: string | undefined;
  /**
   * Receives every event of the socket as a log entry with a level and a fixed set of fields: `console`, a pino logger,
   * or an object with the same methods. Default: none, at no cost. docs/operations.md lists the entries.
   */
  readonly logger?: Logger | undefined;
}

/** {@link CommonOptions} after checking, with nothing left to decide. */
export interface ResolvedCommon {
  readonly batch: { readonly batchBytesMax: number; readonly batchCountMax: number } | false;
  readonly security: ResolvedSecurity;
  /** Null: decided by address and security. */
  readonly gate: boolean | null;
  readonly connectionsMax: number;
  readonly lingerMs: number;
  readonly heartbeatMs: number;
  readonly messageBytesMax: number;
  readonly messageElementsMax: number;
  readonly queueBytesMax: number;
  readonly headersCountMax: number;
  readonly headersBytesMax: number;
  /** Null: decided by `batch` and the role. */
  readonly peerFramesMax: number | null;
  readonly name: string | null;
  readonly logger: Logger | null;
}

/** Defaults of {@link BatchOptions}. */
const BATCH = Object.freeze({ batchBytesMax: 65_536, batchCountMax: 8_192 });

/** Defaults of {@link CommonOptions}. */
export const COMMON_DEFAULTS: ResolvedCommon = Object.freeze({
  batch: BATCH,
  security: null,
  gate: null,
  connectionsMax: 10_000,
  lingerMs: 1_000,
  heartbeatMs: 3_000,
  messageBytesMax: 16 * 2 ** 20,
  messageElementsMax: 2 ** 18,
  queueBytesMax: 4 * 2 ** 20,
  headersCountMax: 64,
  headersBytesMax: 8_192,
  peerFramesMax: null,
  name: null,
  logger: null,
});

/** Most messages in a frame: a frame with more tiny messages would block the event loop (count). */
const FRAME_MESSAGES_MAX = 65_536;

const BATCH_RULES: Rules<{ batchBytesMax: number; batchCountMax: number }> = {
  batchBytesMax: integer(1, 16 * 2 ** 20),
  batchCountMax: integer(1, FRAME_MESSAGES_MAX),
};

const batchOption: Rule<ResolvedCommon["batch"]> = (value, name) => {
  if (value === false) return false;
  if (typeof value !== "object") throw expected(name, "false or an object", value);
  return resolveOptions(name, value, { rules: BATCH_RULES, defaults: BATCH });
};

const nameOption: Rule<string> = (value, name) => {
  if (typeof value === "string" && isName(value)) return value;
  throw expected(name, `a text of 1 to ${NAME_CHARS_MAX} characters that can be seen`, value);
};

/** Rules of {@link CommonOptions}. */
export const COMMON_RULES: Rules<ResolvedCommon> = {
  batch: batchOption,
  security: securityOption,
  gate: boolean,
  connectionsMax: integer(1, 1_000_000),
  lingerMs: integer(0, 60_000),
  heartbeatMs: integer(0, 600_000),
  messageBytesMax: integer(1, 2 ** 30),
  messageElementsMax: integer(1, 2 ** 30),
  queueBytesMax: integer(1, 2 ** 40),
  headersCountMax: integer(1, 1_024),
  headersBytesMax: integer(1, 2 ** 20),
  peerFramesMax: integer(1, 1_000_000),
  name: nameOption,
  logger: loggerOption,
};

/** The framing of a socket that batches, from its options. */
export function framingOptions(common: ResolvedCommon): FramingOptions {
  const { batch, messageElementsMax, messageBytesMax: bytesMax } = common;
  const elementsMax = Math.max(messageElementsMax, batch === false ? 0 : batch.batchBytesMax);
  return { batched: batch !== false, countMax: FRAME_MESSAGES_MAX, elementsMax, bytesMax };
}

/** What the headers of a received frame may be. */
export function frameHeaderLimits(common: ResolvedCommon): FrameHeaderLimits {
  const { headersCountMax, headersBytesMax } = common;
  const { elementsMax = 0 } = framingOptions(common);
  const together = headersTogetherMax({ elementsMax, headersCountMax });
  return { headersCountMax, headersBytesMax, headersTogetherMax: together };
}

/** The same for a socket of requests or replies, with one in each frame. */
export function singleFramingOptions(common: ResolvedCommon): FramingOptions {
  const { messageElementsMax: elementsMax, messageBytesMax: bytesMax } = common;
  return { batched: false, countMax: 1, elementsMax, bytesMax };
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

/** Options of a socket with one message type. */
export interface ValueOptions<T> extends CommonOptions {
  /**
   * How values are encoded as bytes.
   *
   * @defaultValue `msgpack()`
   */
  readonly codec?: Codec<T> | undefined;
  /**
   * Checks every message. An invalid one is refused at `send` with `BROKERLESS_SCHEMA`; on receipt it is counted,
   * reported as an `error` event, and skipped. A message at which the schema throws is invalid too. A receiver gets the
   * schema's output.
   */
  readonly schema?: StandardSchemaV1<unknown, T> | StandardSchemaV1<T, unknown> | undefined;
}

/** Options of a socket with one message type beyond {@link CommonOptions}, resolved. */
export interface ResolvedValue {
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
}

/** Rules of `codec` and `schema`. */
export const VALUE_RULES: Rules<ResolvedValue> = { codec: codecOption, schema: schemaOption };

/** Defaults: MessagePack, a codec instance for each socket; no schema. */
export function valueDefaults(): ResolvedValue {
  return { codec: msgpack(), schema: null };
}

/** Options of a socket that sends one type and receives another. */
export interface TwoWayOptions<Out, In> extends CommonOptions {
  /**
   * How values are encoded as bytes, in both directions.
   *
   * @defaultValue `msgpack()`
   */
  readonly codec?: Codec<Out | In> | undefined;
  /** Checks every message that is sent: an invalid one is refused with `BROKERLESS_SCHEMA`. */
  readonly schema?: StandardSchemaV1<Out, unknown> | undefined;
  /** Checks every message received: an invalid one is counted, reported as an `error` event, and skipped. */
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

/** Options of a socket for requests and replies; the same on both sides. */
export interface RequestReplyOptions<Request, Reply> extends Omit<CommonOptions, "batch"> {
  /**
   * How requests and replies are encoded as bytes.
   *
   * @defaultValue `msgpack()`
   */
  readonly codec?: Codec<Request | Reply> | undefined;
  /** Checks requests. The requester refuses to send an invalid one; the replier replies to one with an error. */
  readonly schema?:
    | StandardSchemaV1<unknown, Request>
    | StandardSchemaV1<Request, unknown>
    | undefined;
  /** Checks replies. The replier sends an error in place of an invalid one; the requester refuses one. */
  readonly replySchema?:
    | StandardSchemaV1<unknown, Reply>
    | StandardSchemaV1<Reply, unknown>
    | undefined;
}

/** {@link ResolvedValue} and the schema of replies. */
export interface ResolvedRequestReply extends ResolvedValue {
  readonly replySchema: Schema | null;
}

/** Limits would do nothing; `false` is what holds anyway, and options may be shared with other sockets. */
const noBatch: Rule<false> = (value, name) => {
  if (value === false) return false;
  throw new TypeError(`${name} has no effect here: each request and reply is a frame of its own`);
};

/** Rules of {@link RequestReplyOptions}, to be used behind {@link COMMON_RULES}. */
export const REQUEST_REPLY_RULES: Rules<ResolvedRequestReply & Pick<ResolvedCommon, "batch">> = {
  ...VALUE_RULES,
  replySchema: schemaOption,
  batch: noBatch,
};

/** As {@link valueDefaults}. */
export function requestReplyDefaults(): ResolvedRequestReply {
  return { ...valueDefaults(), replySchema: null };
}
