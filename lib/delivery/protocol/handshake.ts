import { describe } from "../../options.ts";
import { peerName, peerText } from "../../peer-text.ts";
import { type Incarnation, isIncarnationId, parseIncarnations } from "./incarnations.ts";

/** The fields with which a receiver opens a session. */
export interface Hello {
  /** Identifies the receiver across connections, and with an inbox across restarts (32 hex digits). */
  readonly receiver: string;
  /** Identifies its process: random at each opening (32 hex digits); empty where it is not sent. */
  readonly incarnation: string;
  /** Name of its codec. */
  readonly codec: string;
  /** Limit on messages that are sent to it and not settled (count). */
  readonly prefetch: number;
  /** Limit on all of these together (bytes); a longer message is sent alone. */
  readonly prefetchBytesMax: number;
  /** Longest message that it accepts (bytes). */
  readonly messageBytesMax: number;
  /** The name that it gives itself, shown to people and not verified. Safe to show if it was parsed. */
  readonly name?: string | undefined;
}

/** The fields that a sender sends in an offer, and when it accepts a session. */
export interface Welcome {
  /** Id of its stream (32 hex digits). */
  readonly stream: string;
  /** The lives of the stream, oldest first; the last one is the current one. */
  readonly incarnations: readonly Incarnation[];
  /** Every seq up to this one is settled, and will never be sent again. */
  readonly floor: number;
  readonly codec: string;
  readonly leaseMs: number;
  /** How long a receiver without a connection may keep its leases (milliseconds). */
  readonly graceMs: number;
  /** Interval of heartbeats (milliseconds). A sender of which nothing is held is lost after three silent intervals. */
  readonly heartbeatMs: number;
  /** Whether the stream is in memory only, and ends with the sender's process; default false. */
  readonly transient?: boolean;
  /** As in a {@link Hello}. */
  readonly name?: string | undefined;
}

const HEX_128 = /^[0-9a-f]{32}$/;
const CODEC = /^[ -~]{1,64}$/;
const HELLO_KEYS = {
  receiver: hex,
  incarnation: isIncarnationId,
  codec,
  prefetch: whole,
  prefetchBytesMax: whole,
  messageBytesMax: whole,
  name,
} as const;
const WELCOME_KEYS = {
  stream: hex,
  epoch: whole,
  epochSeqFirst: whole,
  epochId: isIncarnationId,
  epochsBefore: Array.isArray,
  floor: whole,
  codec,
  leaseMs: whole,
  graceMs: whole,
  heartbeatMs: whole,
  transient: (value: unknown) => value === undefined || typeof value === "boolean",
  name,
} as const;

/** Fields that a peer of another implementation may omit, with their defaults. */
const OPTIONAL: Readonly<Record<string, unknown>> = { incarnation: "", epochId: "", name: "" };

/** A hello as it is encoded; an empty name stands for none. */
interface HelloFields extends Omit<Hello, "name"> {
  readonly name: string;
}

/** A welcome as it is encoded. */
interface WelcomeFields extends Omit<Welcome, "incarnations" | "name"> {
  readonly name: string;
  readonly epoch: number;
  readonly epochSeqFirst: number;
  readonly epochId: string;
  readonly epochsBefore: unknown;
}

/** Pure. @returns the fields, or a text describing what is wrong with them */
export function parseHello(text: string): Hello | string {
  const fields = parse<HelloFields>(text, HELLO_KEYS);
  if (typeof fields === "string") return fields;
  const { name, ...rest } = fields;
  return { ...rest, ...named(name) };
}

/** Pure. @returns the text of the link message */
export function encodeWelcome({ stream, incarnations, ...rest }: Welcome): string {
  const { epoch, seqFirst: epochSeqFirst, id: epochId } = incarnations.at(-1)!;
  const fields = { stream, epoch, epochSeqFirst, epochId, epochsBefore: incarnations.slice(0, -1) };
  return JSON.stringify({ ...fields, ...rest });
}

/** Pure. @returns the fields, or a text describing what is wrong with them */
export function parseWelcome(text: string): Welcome | string {
  const fields = parse<WelcomeFields>(text, WELCOME_KEYS);
  if (typeof fields === "string") return fields;
  const { epoch, epochSeqFirst, epochId, epochsBefore, transient, name, ...rest } = fields;
  const before = parseIncarnations(epochsBefore);
  const last = before?.at(-1)?.epoch ?? -1;
  if (before === null || last >= epoch) return "its field epochsBefore is wrong";
  const incarnations = [...before, { epoch, seqFirst: epochSeqFirst, id: epochId }];
  return { ...rest, incarnations, ...(transient === true ? { transient } : {}), ...named(name) };
}

/**
 * Whether a sender can serve a receiver. Pure.
 *
 * @returns null, or a text with the reason why not
 */
export function mismatch(
  sender: { readonly codec: string; readonly messageBytesMax: number },
  hello: Hello,
): string | null {
  const { codec, messageBytesMax } = sender;
  if (codec !== hello.codec) {
    return `the codecs differ: ${codec} at the sender, ${hello.codec} at the receiver`;
  }
  for (const field of ["prefetch", "prefetchBytesMax"] as const) {
    if (hello[field] < 1) return `the receiver wants no messages: its ${field} is 0`;
  }
  if (hello.messageBytesMax >= messageBytesMax) return null;
  return `messages may have ${messageBytesMax} bytes at the sender, and ${hello.messageBytesMax} at the receiver`;
}

/** Unknown fields are ignored, so that a later version may add some. */
function parse<T extends object>(
  text: string,
  keys: { readonly [K in keyof T]: (value: unknown) => boolean },
): T | string {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return "its fields are not JSON";
  }
  if (typeof fields !== "object" || fields === null) return "its fields are not an object";
  const found: Record<string, unknown> = {};
  for (const key of Object.keys(keys)) {
    const value = (fields as Record<string, unknown>)[key] ?? OPTIONAL[key];
    if (!keys[key as keyof T](value)) {
      return peerText(`its field ${key} is ${value === undefined ? "missing" : describe(value)}`);
    }
    found[key] = value;
  }
  return found as T;
}

function hex(value: unknown): boolean {
  return typeof value === "string" && HEX_128.test(value);
}

function codec(value: unknown): boolean {
  return typeof value === "string" && CODEC.test(value);
}

function name(value: unknown): boolean {
  return typeof value === "string";
}

/** The name that a peer sent, as a field; no field where it sent none. */
function named(said: string): { readonly name?: string } {
  const name = peerName(said);
  return name === null ? {} : { name };
}

function whole(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
