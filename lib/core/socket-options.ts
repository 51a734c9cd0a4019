import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { FramingOptions } from "../batch/framing.ts";
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

/** How messages share frames. */
export interface BatchOptions {
  /**
   * Bytes that force a frame out; a larger message goes alone. Past it throughput stops growing (bench/batch-size.ts).
   *
   * @defaultValue 65,536
   */
  readonly batchBytesMax?: number | undefined;
  /**
   * Messages that force a frame out (count).
   *
   * @defaultValue 8,192, which bounds a frame of tiny messages
   */
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
   * Whether peers that connect to a tcp or ipc address of ours pass a gate. It cuts off what libzmq has no limit for:
   * messages of endless parts, endless subscriptions, long commands before the handshake, more connections than there
   * are file descriptors; and routing ids that end a process. It costs about a quarter of the throughput. Default:
   * before addresses beyond loopback with `security: "none"`; before CURVE servers, for their handshakes; and where the
   * process may have fewer than 16,384 file descriptors. docs/sockets.md says what goes without it.
   */
  readonly gate?: boolean | undefined;
  /**
   * Connections at the same time to an address of ours behind a gate (count). Each takes three file descriptors.
   *
   * @defaultValue 10,000
   */
  readonly connectionsMax?: number | undefined;
  /**
   * How long a closed socket goes on delivering what ZeroMQ holds (milliseconds, 0 to 60,000).
   *
   * @defaultValue 1,000
   */
  readonly lingerMs?: number | undefined;
  /**
   * A peer of whose machine nothing has been heard for three of these is gone (milliseconds); 0: no limit. Default 3,000.
   * Over tcp the system asks (keepalive), in whole seconds, while nothing is under way; what is under way to a machine
   * that is gone is given up by the system, on Linux after some 15 minutes. A peer that is merely slow is never cut
   * off. Reliable sockets also ask each other, over any transport, so they notice a peer that hangs.
   */
  readonly heartbeatMs?: number | undefined;
  /**
   * Longest message, encoded (bytes). A longer one is refused at `send`; a peer's frame that is longer by more than 1 MiB ends its connection.
   *
   * @defaultValue 16 MiB
   */
  readonly messageBytesMax?: number | undefined;
  /**
   * Elements of a message: each value, key, array and object in it is one (count). More are refused at `send`; a
   * frame of a peer that has more, and more than `batchBytesMax`, is refused before it is decoded, for an element
   * takes one byte on the wire, 84 in memory, and its time. Default 262,144, which keep the event loop for some 50 ms.
   */
  readonly messageElementsMax?: number | undefined;
  /**
   * Messages accepted and not yet handed to ZeroMQ; `send` waits beyond it (bytes). Default 4 MiB: a longer queue is
   * slower, because its frames have left the processor's cache before ZeroMQ gets to them. With acknowledgements
   * 16 MiB, for what is on its way counts too.
   */
  readonly queueBytesMax?: number | undefined;
  /**
   * Headers of one message (count), sent and received.
   *
   * @defaultValue 64
   */
  readonly headersCountMax?: number | undefined;
  /**
   * Headers of one message: names and texts in UTF-8, and three bytes for each (bytes), sent and received. More are a
   * `TypeError` at `send`, and refused on receipt.
   *
   * @defaultValue 8,192, as web servers have it
   */
  readonly headersBytesMax?: number | undefined;
  /**
   * Frames that ZeroMQ may hold for each peer in each direction (count).
   *
   * @defaultValue 64 with batching, else 1,000
   */
  readonly peerFramesMax?: number | undefined;
  /**
   * How this socket is called at its peers, in their events, errors and `peers()` (1 to 64 characters that can be
   * seen). For people who look: it proves nothing, and several may have the same. Sockets with acknowledgements tell
   * each other, a `Subscriber` tells its publishers; of other sockets only what stands before ZeroMQ can read it.
   */
  readonly name?: string | undefined;
  /**
   * Gets every event of the socket as an entry of a log, with a level and a fixed set of fields: `console`, a pino logger,
   * or an object with the same methods. Default: none, and nothing is made for one. docs/operations.md has the entries.
   */
  readonly logger?: Logger | undefined;
}

/** {@link CommonOptions} after checking, with nothing left to decide. */
export interface ResolvedCommon {
  readonly batch: { readonly batchBytesMax: number; readonly batchCountMax: number } | false;
  readonly security: ResolvedSecurity;
  /** Null: by address and security. */
  readonly gate: boolean | null;
  readonly connectionsMax: number;
  readonly lingerMs: number;
  readonly heartbeatMs: number;
  readonly messageBytesMax: number;
  readonly messageElementsMax: number;
  readonly queueBytesMax: number;
  readonly headersCountMax: number;
  readonly headersBytesMax: number;
  /** Null: depends on `batch` and on the role. */
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

/** Messages that a frame may hold: beyond it a frame of tiny ones holds up the event loop (count). */
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

/** How the frames of a socket are packed and unpacked. */
export function framingOptions(common: ResolvedCommon): FramingOptions {
  const { batch, messageElementsMax, messageBytesMax: bytesMax } = common;
  const elementsMax = Math.max(messageElementsMax, batch === false ? 0 : batch.batchBytesMax);
  return { batched: batch !== false, countMax: FRAME_MESSAGES_MAX, elementsMax, bytesMax };
}

/** The same for a socket of requests or replies, one in each frame. */
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

/** Options of a socket of one message type. */
export interface ValueOptions<T> extends CommonOptions {
  /**
   * How values become bytes.
   *
   * @defaultValue `msgpack()`
   */
  readonly codec?: Codec<T> | undefined;
  /**
   * Checks every message: a bad one is refused at `send` with `BROKERLESS_SCHEMA`, and on receipt
   * counted, reported as an `error` event, and skipped. One at which the schema throws is bad, too. A receiver gets the
   * schema's output.
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
  /**
   * How values become bytes, both ways.
   *
   * @defaultValue `msgpack()`
   */
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

/** Options of a socket of requests and replies; the same on both sides. */
export interface RequestReplyOptions<Request, Reply> extends Omit<CommonOptions, "batch"> {
  /**
   * How requests and replies become bytes.
   *
   * @defaultValue `msgpack()`
   */
  readonly codec?: Codec<Request | Reply> | undefined;
  /** Checks requests. A bad one is refused where it is made; where it arrives, the reply is an error. */
  readonly schema?:
    | StandardSchemaV1<unknown, Request>
    | StandardSchemaV1<Request, unknown>
    | undefined;
  /** Checks replies. A bad one becomes an error at the replier, and is refused at the requester. */
  readonly replySchema?:
    | StandardSchemaV1<unknown, Reply>
    | StandardSchemaV1<Reply, unknown>
    | undefined;
}

/** {@link ResolvedValue} and the schema of replies. */
export interface ResolvedRequestReply extends ResolvedValue {
  readonly replySchema: Schema | null;
}

/** Rules of {@link RequestReplyOptions} beyond the common ones. */
export const REQUEST_REPLY_RULES: Rules<ResolvedRequestReply> = {
  ...VALUE_RULES,
  replySchema: schemaOption,
};

/** As {@link valueDefaults}. */
export function requestReplyDefaults(): ResolvedRequestReply {
  return { ...valueDefaults(), replySchema: null };
}
