import { describe } from "../options.ts";
import { type EpochStart, parseStarts } from "./epochs.ts";

/** What a receiver says of itself when it opens a session. */
export interface Hello {
  /** Who it is across connections, and with an inbox across restarts (32 hex digits). */
  readonly receiver: string;
  /** Name of its codec. */
  readonly codec: string;
  /** Messages it will hold and not yet have answered for (count). */
  readonly prefetch: number;
  /** All of these together (bytes); a longer message comes alone. */
  readonly prefetchBytesMax: number;
  /** Longest message that it accepts (bytes). */
  readonly messageBytesMax: number;
}

/** What a sender says of itself: in an offer, and when it accepts a session. */
export interface Welcome {
  /** Id of its stream (32 hex digits). */
  readonly stream: string;
  readonly epoch: number;
  /** First seq of this epoch: what a receiver knows of later seqs from an older epoch is void. */
  readonly epochSeqFirst: number;
  /** The starts of epochs before this one, oldest first, for a receiver that missed some. */
  readonly epochsBefore: readonly EpochStart[];
  /** Every seq up to this one is settled, and will never be sent again. */
  readonly floor: number;
  readonly codec: string;
  readonly leaseMs: number;
  /** How long a receiver without a connection may keep what it holds (milliseconds). */
  readonly graceMs: number;
  /** The sender is gone after three times so long a silence (milliseconds). */
  readonly heartbeatMs: number;
}

const HEX_128 = /^[0-9a-f]{32}$/;
const NAME = /^[ -~]{1,64}$/;
const HELLO_KEYS = {
  receiver: hex,
  codec: name,
  prefetch: whole,
  prefetchBytesMax: whole,
  messageBytesMax: whole,
} as const;
const WELCOME_KEYS = {
  stream: hex,
  epoch: whole,
  epochSeqFirst: whole,
  epochsBefore: Array.isArray,
  floor: whole,
  codec: name,
  leaseMs: whole,
  graceMs: whole,
  heartbeatMs: whole,
} as const;

/** Pure. @returns the fields, or in words what is wrong with them */
export function parseHello(text: string): Hello | string {
  return parse<Hello>(text, HELLO_KEYS);
}

/** Pure. @returns the fields, or in words what is wrong with them */
export function parseWelcome(text: string): Welcome | string {
  const welcome = parse<Welcome>(text, WELCOME_KEYS);
  if (typeof welcome === "string") return welcome;
  const epochsBefore = parseStarts(welcome.epochsBefore);
  return epochsBefore === null ? "its field epochsBefore is wrong" : { ...welcome, epochsBefore };
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
    const value = (fields as Record<string, unknown>)[key];
    if (!keys[key as keyof T](value)) return `its field ${key} is ${describe(value)}`;
    found[key] = value;
  }
  return found as T;
}

function hex(value: unknown): boolean {
  return typeof value === "string" && HEX_128.test(value);
}

function name(value: unknown): boolean {
  return typeof value === "string" && NAME.test(value);
}

function whole(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
