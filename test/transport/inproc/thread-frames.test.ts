import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { fromThread, toThread } from "../../../lib/transport/inproc/thread-frames.ts";

const MARK = "\x02brokerless base64\x03";
/** Of a socket that is no ROUTER, and of one that is. */
const ALL = { own: 0, mustOutlive: true };
const ROUTED = { own: 1, mustOutlive: true };

/** As the other thread gets it: strings arrive as UTF-8. */
function arrived(message: readonly Uint8Array[] | Uint8Array, frames = ALL): Buffer[] {
  return toThread(message, frames).map((frame) => Buffer.from(frame as string));
}

/** Not UTF-8. */
function bytes(length: number): Buffer {
  return Buffer.concat([Buffer.from([0xff]), randomBytes(length - 1)]);
}

function marked(frame: Buffer): Buffer {
  return Buffer.from(MARK + frame.toString("base64"));
}

test("thread frames: every message arrives as it was sent", () => {
  for (const lengths of [[0], [128], [129], [70_000], [4, 0, 1_000], [500, 500, 3], []]) {
    const message = lengths.map((length) => randomBytes(length));
    assert.deepEqual(fromThread(arrived(message), ALL), message, `frames of ${lengths} bytes`);
  }
  const body = randomBytes(1_000);
  assert.deepEqual(fromThread(arrived(body), ALL), [body]);
});

test("thread frames: no frame of more than 128 bytes shares the sender's memory, whatever its content", () => {
  const ascii = Buffer.alloc(1_000, "a");
  const utf8 = Buffer.from("ä€😀".repeat(100));
  const many = Array.from({ length: 300 }, () => bytes(129));
  for (const frame of [bytes(129), ascii, utf8, ...many]) {
    const sent = toThread([frame, randomBytes(128), ...many], ALL);
    for (const each of sent) assert.ok(typeof each === "string" || each.length <= 128, typeof each);
  }
});

test("thread frames: UTF-8 is sent unchanged, because topics are matched by prefix", () => {
  const topic = Buffer.from("quotes.".repeat(50));
  assert.deepEqual(arrived([topic, Buffer.alloc(10)]), [topic, Buffer.alloc(10)]);
});

test("thread frames: frames that are added and removed on the way change nothing", () => {
  const [id, head, body] = [randomBytes(5), bytes(200), bytes(300)];
  const toRouter = [id, ...arrived([head, body])];
  assert.deepEqual(fromThread(toRouter, ROUTED), [id, head, body]);
  const fromRouter = arrived([id, head, body], ROUTED).slice(1);
  assert.deepEqual(fromThread(fromRouter, ALL), [head, body]);
  const throughDevices = [randomBytes(5), ...arrived([head, body]).slice(1), randomBytes(5)];
  assert.deepEqual(fromThread(throughDevices, ALL)[1], body);
});

test("thread frames: the routing id of a ROUTER's peer is unchanged, in both directions", () => {
  const id = bytes(200);
  assert.equal(toThread([id, bytes(300)], ROUTED)[0], id);
  const looksLikeOne = marked(bytes(129));
  assert.equal(fromThread([looksLikeOne, bytes(3)], ROUTED)[0], looksLikeOne);
});

test("thread frames: application data that looks encoded arrives as it was sent", () => {
  const message = [marked(bytes(400)), Buffer.from(MARK.repeat(10)), Buffer.from(MARK)];
  assert.deepEqual(fromThread(arrived(message), ALL), message);
  const here = { own: 0, mustOutlive: false };
  assert.deepEqual(fromThread(arrived(message, here), here), message);
  const body = bytes(400);
  assert.equal(toThread([body], here)[0], body);
});

test("thread frames: a frame that toThread has not made is returned unchanged, whatever its content", () => {
  const body = bytes(400).toString("base64");
  const wrong = [
    MARK,
    `${MARK}=`,
    `${MARK}${"é".repeat(200)}`,
    `${MARK}${body}=`,
    `${MARK} ${body}`,
    `${MARK}${body.slice(1)}`,
    `${MARK}${body.slice(0, 100)}-_${body.slice(102)}`,
    `${MARK}${bytes(128).toString("base64")}`,
    `${MARK}${Buffer.alloc(400, "a").toString("base64")}`,
    `${MARK.slice(1)}${body}`,
    `\x00${MARK}${body}`,
  ].map((text) => Buffer.from(text));
  const hostile = [
    Buffer.from("\xffbrokerless base64\x09\x00", "latin1"),
    Buffer.concat([Buffer.from(MARK), bytes(400)]),
    Buffer.alloc(0),
  ];
  for (const frame of [...wrong, ...hostile]) {
    assert.deepEqual(fromThread([frame], ALL), [frame], JSON.stringify(frame.toString()));
    assert.deepEqual(fromThread([bytes(3), frame], ALL)[1], frame);
  }
});

test("thread frames: decoding never throws, and decodes only frames that encoding produces", () => {
  for (let round = 0; round < 2_000; round++) {
    const body = marked(randomBytes(200));
    body[MARK.length + (round % 250)] = round % 256;
    const [frame] = fromThread([body], ALL);
    if (frame !== body) assert.deepEqual(arrived(frame!)[0], body);
  }
});
