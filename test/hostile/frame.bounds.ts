import assert from "node:assert/strict";
import { test } from "node:test";
import { createFraming } from "../../lib/batch/framing/create-framing.ts";
import { encodeHeaders, joinHeaders, splitHeaders } from "../../lib/batch/headers.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import {
  COMMON_DEFAULTS,
  frameHeaderLimits,
  framingOptions,
} from "../../lib/core/socket-options.ts";

/** What one frame of a peer may take of a turn, in a process that has just begun (ms of CPU time). */
const TURN_MS_MAX = 150;
/** Keys of the largest map that is accepted, and headers of a frame (count). */
const KEYS_MAX = 38_180;
const HEADERS_MAX = 16_384;

/** @returns what `decode` takes (ms of CPU time) */
function cpuMsOf(decode: () => void): number {
  const before = process.cpuUsage();
  decode();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** A map of so many keys with a common beginning. */
function mapOf(count: number): Buffer {
  const head = Buffer.alloc(5, 0xdf);
  head.writeUInt32BE(count, 1);
  const entries = Array.from({ length: count }, (_, index) => {
    const key = "a".repeat(60) + index;
    return Buffer.concat([Buffer.of(0xd9, key.length), Buffer.from(key), Buffer.of(1)]);
  });
  return Buffer.concat([head, ...entries]);
}

/** The headers of so many messages, each of one name that is like no other. */
function headersOf(count: number): Buffer {
  const blocks = Array.from({ length: count }, (_, index) =>
    encodeHeaders("send", { [`name ${index}`]: "1" }, COMMON_DEFAULTS),
  );
  return joinHeaders(blocks as Buffer[]);
}

test("bounds: the largest map that is accepted takes no longer than a turn may", () => {
  const framing = createFraming(msgpack(), framingOptions(COMMON_DEFAULTS));
  const frame = mapOf(KEYS_MAX);
  const ms = cpuMsOf(() => framing.decode(frame));
  assert.ok(ms <= TURN_MS_MAX, `${ms} ms`);
  assert.throws(() => framing.decode(mapOf(KEYS_MAX + 1)), { code: "BROKERLESS_TOO_LARGE" });
});

test("bounds: the most headers that a frame may have take no longer than a turn may", () => {
  const limits = frameHeaderLimits(COMMON_DEFAULTS);
  const frame = headersOf(HEADERS_MAX);
  const ms = cpuMsOf(() => splitHeaders(frame, HEADERS_MAX, limits));
  assert.ok(ms <= TURN_MS_MAX, `${ms} ms`);
  const more = headersOf(HEADERS_MAX + 1);
  assert.throws(() => splitHeaders(more, HEADERS_MAX + 1, limits), { code: "BROKERLESS_PROTOCOL" });
});

test("bounds: control: a frame of more headers than are accepted takes longer", () => {
  const frame = headersOf(20 * HEADERS_MAX);
  const ms = cpuMsOf(() => splitHeaders(frame, 20 * HEADERS_MAX, COMMON_DEFAULTS));
  assert.ok(ms > TURN_MS_MAX, `${ms} ms`);
});
