/**
 * The bytes of ZMTP 3.x, written out for peers that we make ourselves.
 *
 * @see https://rfc.zeromq.org/spec/37/
 */

/** What to put into a greeting; all of it may be wrong on purpose. */
export interface GreetingOptions {
  readonly major?: number;
  /** 0: subscriptions are messages; 1: they are commands. */
  readonly minor?: number;
  readonly mechanism?: string;
  readonly asServer?: boolean;
}

/** What to put into a frame's head; all of it may be wrong on purpose. */
export interface FrameOptions {
  readonly more?: boolean;
  readonly command?: boolean;
  /** Eight bytes of length even where one would do. */
  readonly long?: boolean;
  /** A length that need not be that of the body. */
  readonly length?: bigint;
}

const MORE = 1;
const LONG = 2;
const COMMAND = 4;

/** The bytes of a greeting. */
export const GREETING_BYTES = 64;

/** 10 bytes of signature, 2 of version, 20 of mechanism, 1 of role, 31 of nothing. */
export function greeting(options: GreetingOptions = {}): Buffer {
  const bytes = Buffer.alloc(GREETING_BYTES);
  bytes[0] = 0xff;
  bytes[8] = 0x01;
  bytes[9] = 0x7f;
  bytes[10] = options.major ?? 3;
  bytes[11] = options.minor ?? 1;
  bytes.write(options.mechanism ?? "NULL", 12, 20, "latin1");
  bytes[32] = options.asServer === true ? 1 : 0;
  return bytes;
}

/** Only the flags and the length. */
export function frameHead(bytes: number, options: FrameOptions = {}): Buffer {
  const length = options.length ?? BigInt(bytes);
  const long = options.long === true || length > 255n;
  const flags =
    (options.more === true ? MORE : 0) |
    (options.command === true ? COMMAND : 0) |
    (long ? LONG : 0);
  if (!long) return Buffer.from([flags, Number(length)]);
  const head = Buffer.alloc(9);
  head[0] = flags;
  head.writeBigUInt64BE(length, 1);
  return head;
}

/** Flags, length, body. */
export function frame(body: Uint8Array | string, options: FrameOptions = {}): Buffer {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return Buffer.concat([frameHead(bytes.length, options), bytes]);
}

/** A message of several frames. */
export function message(...parts: (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((part, index) => frame(part, { more: index < parts.length - 1 })));
}

/** A command frame: the length of its name in one byte, its name, its data. */
export function command(name: string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from([name.length]), Buffer.from(name), data]);
  return frame(body, { command: true });
}

/** One name and value of READY: lengths of one and of four bytes. */
export function property(name: string, value: Uint8Array | string): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, bytes]);
}

/** The READY command of the NULL mechanism. */
export function ready(socketType: string, ...more: Buffer[]): Buffer {
  return command("READY", Buffer.concat([property("Socket-Type", socketType), ...more]));
}

/** A subscription as ZMTP 3.0 sends it: a message that starts with 1. */
export function subscribeMessage(topic: string): Buffer {
  return frame(`\x01${topic}`);
}

/** A subscription as ZMTP 3.1 sends it: a command. */
export function subscribeCommand(topic: string): Buffer {
  return command("SUBSCRIBE", Buffer.from(topic));
}

/** @param ttlTenths when to give us up (tenths of a second); 0 for never */
export function ping(ttlTenths = 0, context = ""): Buffer {
  const ttl = Buffer.alloc(2);
  ttl.writeUInt16BE(ttlTenths);
  return command("PING", Buffer.concat([ttl, Buffer.from(context)]));
}

export function pong(context: Uint8Array = Buffer.alloc(0)): Buffer {
  return command("PONG", context);
}

/** A frame as it came. */
export interface ReceivedFrame {
  readonly more: boolean;
  readonly command: boolean;
  readonly body: Buffer;
}

/** Cuts a stream of bytes into frames; pure but for what it keeps of an unfinished one. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns the frames that are complete now */
  push(bytes: Buffer): ReceivedFrame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: ReceivedFrame[] = [];
    for (;;) {
      const flags = this.#rest[0] ?? 0;
      const head = (flags & LONG) !== 0 ? 9 : 2;
      if (this.#rest.length < head) return frames;
      const length = head === 9 ? Number(this.#rest.readBigUInt64BE(1)) : this.#rest.readUInt8(1);
      if (this.#rest.length < head + length) return frames;
      const body = this.#rest.subarray(head, head + length);
      frames.push({ more: (flags & MORE) !== 0, command: (flags & COMMAND) !== 0, body });
      this.#rest = this.#rest.subarray(head + length);
    }
  }
}
