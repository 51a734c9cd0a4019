import { describe } from "../../options.ts";
import { peerName, peerText } from "../../peer-text.ts";
import { type Epoch, isEpochId, parseEpochs } from "./epochs.ts";

/** What a receiver says of itself when it opens a session. */
export interface Hello {
  /** Who it is across connections, and with an inbox across restarts (32 hex digits). */
  readonly receiver: string;
  /** Which process of that name it is: random at each opening (32 hex digits); empty where it does not say. */
  readonly incarnation: string;
  /** Name of its codec. */
  readonly codec: string;
  /** Messages it will hold and not yet have answered for (count). */
  readonly prefetch: number;
  /** All of these together (bytes); a longer message comes alone. */
  readonly prefetchBytesMax: number;
  /** Longest message that it accepts (bytes). */
  readonly messageBytesMax: number;
  /** How it calls itself, for people: a claim. Fit to be shown where it was parsed. */
  readonly name?: string | undefined;
}

/** What a sender says of itself: in an offer, and when it accepts a session. */
export interface Welcome {
  /** Id of its stream (32 hex digits). */
  readonly stream: string;
  /** Its lives, oldest first; the last one is this. */
  readonly epochs: readonly Epoch[];
  /** Every seq up to this one is settled, and will never be sent again. */
  readonly floor: number;
  readonly codec: string;
  readonly leaseMs: number;
  /** How long a receiver without a connection may keep what it holds (milliseconds). */
  readonly graceMs: number;
  /** The sender is gone after three times so long a silence (milliseconds). */
  readonly heartbeatMs: number;
  /** Whether the stream ends with the sender's process: it is in memory alone. Where it is not said: no. */
  readonly transient?: boolean;
  /** As in a {@link Hello}. */
  readonly name?: string | undefined;
}

const HEX_128 = /^[0-9a-f]{32}$/;
const CODEC = /^[ -~]{1,64}$/;
const HELLO_KEYS = {
  receiver: hex,
  incarnation: isEpochId,
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
  epochId: isEpochId,
  epochsBefore: Array.isArray,
  floor: whole,
  codec,
  leaseMs: whole,
  graceMs: whole,
  heartbeatMs: whole,
  transient: (value: unknown) => value === undefined || typeof value === "boolean",
  name,
} as const;

/** What a peer of another make may leave out, and what that means. */
const OPTIONAL: Readonly<Record<string, unknown>> = { incarnation: "", epochId: "", name: "" };

/** A hello as it is written; an empty name is none. */
interface HelloFields extends Omit<Hello, "name"> {
  readonly name: string;
}

/** A welcome as it is written. */
interface WelcomeFields extends Omit<Welcome, "epochs" | "name"> {
  readonly name: string;
  readonly epoch: number;
  readonly epochSeqFirst: number;
  readonly epochId: string;
  readonly epochsBefore: unknown;
}

/** Pure. @returns the fields, or in words what is wrong with them */
export function parseHello(text: string): Hello | string {
  const fields = parse<HelloFields>(text, HELLO_KEYS);
  if (typeof fields === "string") return fields;
  const { name, ...rest } = fields;
  return { ...rest, ...named(name) };
}

/** Pure. @returns its text */
export function encodeWelcome({ stream, epochs, ...rest }: Welcome): string {
  const { epoch, seqFirst: epochSeqFirst, id: epochId } = epochs.at(-1)!;
  const fields = { stream, epoch, epochSeqFirst, epochId, epochsBefore: epochs.slice(0, -1) };
  return JSON.stringify({ ...fields, ...rest });
}

/** Pure. @returns the fields, or in words what is wrong with them */
export function parseWelcome(text: string): Welcome | string {
  const fields = parse<WelcomeFields>(text, WELCOME_KEYS);
  if (typeof fields === "string") return fields;
  const { epoch, epochSeqFirst, epochId, epochsBefore, transient, name, ...rest } = fields;
  const before = parseEpochs(epochsBefore);
  const last = before?.at(-1)?.epoch ?? -1;
  if (before === null || last >= epoch) return "its field epochsBefore is wrong";
  const epochs = [...before, { epoch, seqFirst: epochSeqFirst, id: epochId }];
  return { ...rest, epochs, ...(transient === true ? { transient } : {}), ...named(name) };
}

/**
 * Whether a sender can serve a receiver. Pure.
 *
 * @returns null, or in words why not
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

/** Fields that are unknown are left alone, so that a later version may add some. */
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
    if (!keys[key as keyof T](value)) return peerText(`its field ${key} is ${describe(value)}`);
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

/** A name that a peer has said, as a field; none where it has said none. */
function named(said: string): { readonly name?: string } {
  const name = peerName(said);
  return name === null ? {} : { name };
}

function whole(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
