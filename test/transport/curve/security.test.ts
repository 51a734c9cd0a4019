import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import {
  decodeKey,
  encodeKey,
  generateKeyPair,
  publicKeyOf,
} from "../../../lib/transport/curve/curve.ts";
import {
  ClientIdentity,
  checkBindAllowed,
  checkConnectAllowed,
  ServerIdentity,
  securityOption,
} from "../../../lib/transport/curve/security.ts";
import { functionPolicy, listPolicy } from "../../../lib/transport/curve/zap-policy.ts";
import { encodeReply, parseRequest } from "../../../lib/transport/curve/zap-request.ts";
import { checkAddress } from "../../../lib/transport/native/address.ts";

const NAME = 'Pull: option "security"';

describe("curve keys", () => {
  test("curve: the keys of a generated pair have 40 characters of Z85 each, and match", () => {
    const { publicKey, secretKey } = generateKeyPair();
    const secret = decodeKey(secretKey);
    assert.ok(secret);
    assert.equal(encodeKey(publicKeyOf(secret)), publicKey);
    assert.notEqual(generateKeyPair().secretKey, secretKey);
  });

  test("curve: 500 random keys survive encoding and decoding", () => {
    for (let i = 0; i < 500; i++) {
      const bytes = randomBytes(32);
      assert.deepEqual(decodeKey(encodeKey(bytes)), bytes, bytes.toString("hex"));
    }
  });

  test("curve: the example of the specification (RFC 32) is encoded as printed there", () => {
    const hello = Buffer.from("864fd26fb559f75b".repeat(4), "hex");
    assert.equal(encodeKey(hello), "HelloWorld".repeat(4));
  });

  test("curve: an invalid key decodes to null", () => {
    const { publicKey } = generateKeyPair();
    for (const text of [
      publicKey.slice(1),
      `${publicKey}0`,
      ` ${publicKey.slice(1)}`,
      `"${publicKey.slice(1)}`,
      `é${publicKey.slice(1)}`,
      "#".repeat(40), // each group exceeds 32 bits
      "x".repeat(32), // libzmq would take this for 32 raw bytes
      Buffer.alloc(40, "0"),
      null,
    ]) {
      assert.equal(decodeKey(text), null, String(text));
    }
  });
});

describe("the security option", () => {
  const keys = generateKeyPair();
  const { publicKey: other } = generateKeyPair();

  test("security: no option, none, a server and a client are distinguished", () => {
    assert.equal(securityOption(null, NAME), null);
    assert.equal(securityOption("none", NAME), "none");
    assert.ok(securityOption({ ...keys, allow: [other] }, NAME) instanceof ServerIdentity);
    assert.ok(securityOption({ ...keys, allow: () => true }, NAME) instanceof ServerIdentity);
    assert.ok(securityOption({ ...keys, serverKey: other }, NAME) instanceof ClientIdentity);
  });

  const wrong: readonly [string, unknown, RegExp][] = [
    ["a word that is not none", keys.secretKey, /must be "none" or an object/],
    ["a number", 1, /must be "none" or an object/],
    ["neither role", { ...keys }, /either "allow".*or "serverKey"/],
    ["both roles", { ...keys, allow: [], serverKey: other }, /either "allow".*or "serverKey"/],
    ["an array", [keys.secretKey], /either "allow"/],
    ["no secret", { publicKey: keys.publicKey, allow: [] }, /secretKey must be a key of 40/],
    [
      "a short secret",
      { ...keys, secretKey: keys.secretKey.slice(1), allow: [] },
      /secretKey must/,
    ],
    ["keys swapped", { publicKey: keys.secretKey, secretKey: other, allow: [] }, /belongs/],
    ["keys of two pairs", { ...keys, publicKey: other, allow: [] }, /belongs to secretKey/],
    ["an unknown field", { ...keys, allow: [], alow: [] }, /unknown field "alow"/],
    ["a server's field for a client", { ...keys, serverKey: other, allowTimeoutMs: 1 }, /unknown/],
    ["a secret as a field", { ...keys, allow: [], [keys.secretKey]: 1 }, /unknown field/],
    ["allow of a wrong type", { ...keys, allow: "all" }, /allow must be an array/],
    ["a list with a bad key", { ...keys, allow: [other, "x"] }, /allow\[1\] must be a key/],
    ["a bad server key", { ...keys, serverKey: `${other} ` }, /serverKey must be a key/],
    ["a bad timeout", { ...keys, allow: [], allowTimeoutMs: 0 }, /allowTimeoutMs must be/],
  ];

  for (const [what, given, message] of wrong) {
    test(`security: ${what} is a TypeError that shows no secret`, () => {
      assert.throws(
        () => securityOption(given, NAME),
        (error) => {
          assert.ok(error instanceof TypeError);
          assert.match(error.message, message);
          assert.ok(error.message.startsWith(NAME));
          assert.ok(!inspect(error).includes(keys.secretKey));
          return true;
        },
      );
    });
  }

  test("security: a resolved option shows no secret when inspected or serialised", () => {
    for (const role of [{ allow: [other] }, { serverKey: other }]) {
      const resolved = securityOption({ ...keys, ...role }, NAME);
      const shown = inspect(resolved, { showHidden: true, depth: 9 }) + JSON.stringify(resolved);
      assert.ok(!shown.includes(keys.secretKey));
      assert.ok(shown.includes(keys.publicKey));
    }
  });

  test("security: a later change of the given list admits nobody", async () => {
    const allow: string[] = [];
    const resolved = securityOption({ ...keys, allow }, NAME);
    allow.push(other);
    assert.ok(resolved instanceof ServerIdentity);
    assert.equal(await resolved.admits(decodeKey(other) as Buffer), false);
  });
});

describe("where a bind is allowed", () => {
  const keys = generateKeyPair();
  const curve = securityOption({ ...keys, allow: [] }, NAME);
  const at = (text: string) => checkAddress(text, "bind", "address");

  for (const text of ["tcp://*:5555", "tcp://192.168.1.7:5555", "tcp://[::]:5555"]) {
    test(`security: without the option, a bind to ${text} is BROKERLESS_SECURITY`, () => {
      assert.throws(() => checkBindAllowed(null, at(text)), { code: "BROKERLESS_SECURITY" });
      checkBindAllowed("none", at(text));
      checkBindAllowed(curve, at(text));
    });
  }

  test("security: without the option, addresses that only this machine can reach may be bound", () => {
    for (const text of ["tcp://127.0.0.1:*", "tcp://[::1]:1", "ipc://@a", "inproc://a"]) {
      checkBindAllowed(null, at(text));
    }
  });

  test("security: CURVE over inproc is a TypeError, for bind and connect", () => {
    assert.throws(() => checkBindAllowed(curve, at("inproc://a")), TypeError);
    assert.throws(() => checkConnectAllowed(curve, at("inproc://a")), TypeError);
    checkConnectAllowed("none", at("inproc://a"));
    checkConnectAllowed(null, at("tcp://192.168.1.7:5555"));
  });
});

describe("the policies", () => {
  const key = randomBytes(32);

  test("policy: a list admits its keys and no other, whatever the length", async () => {
    const admits = listPolicy([randomBytes(32), key]);
    assert.equal(await admits(Buffer.from(key)), true);
    assert.equal(await admits(randomBytes(32)), false);
    assert.equal(await admits(key.subarray(1)), false);
    assert.equal(await listPolicy([])(key), false);
  });

  test("policy: a function gets the key in Z85, and only true admits", async () => {
    const seen: string[] = [];
    const answers: unknown[] = [true, Promise.resolve(true), false, 1, "yes", undefined, {}];
    const allow = (text: string) => {
      seen.push(text);
      return answers[seen.length - 1] as boolean;
    };
    const verdicts: boolean[] = [];
    for (const _ of answers) verdicts.push(await functionPolicy(allow, 1000)(key));
    assert.deepEqual(verdicts, [true, true, false, false, false, false, false]);
    assert.deepEqual(new Set(seen), new Set([encodeKey(key)]));
  });

  test("policy: a throw, a rejection and a timeout refuse", async () => {
    const failing = [
      () => {
        throw new Error("x");
      },
      () => Promise.reject(new Error("x")),
      () => new Promise<boolean>(() => {}),
    ];
    for (const allow of failing) assert.equal(await functionPolicy(allow, 5)(key), false);
  });

  test("policy: a rejection after the timeout is not unhandled", async () => {
    let reject: (reason: Error) => void = () => {};
    const allow = () => new Promise<boolean>((_, fail) => (reject = fail));
    assert.equal(await functionPolicy(allow, 1)(key), false);
    reject(new Error("late"));
    await new Promise(setImmediate); // node:test fails on an unhandled rejection
  });
});

describe("the ZAP request", () => {
  const good = [
    Buffer.from("asker"),
    Buffer.alloc(0),
    Buffer.from("1.0"),
    Buffer.from("1"),
    Buffer.from("brokerless.1"),
    Buffer.from("127.0.0.1"),
    Buffer.alloc(0),
    Buffer.from("CURVE"),
    randomBytes(32),
  ];
  const changed = (index: number, frame: Buffer): Buffer[] =>
    good.map((each, at) => (at === index ? frame : each));

  test("zap: a request of version 1.0 with a CURVE key is parsed", () => {
    assert.deepEqual(parseRequest(good), { domain: "brokerless.1", clientKey: good[8] });
    const answer = encodeReply(good, true);
    assert.deepEqual(answer.slice(0, 7), [good[0], "", "1.0", good[3], "200", "OK", ""]);
    const named = String(answer[7]).slice(0, 9);
    assert.equal(named, "\x08Identity");
    const ids = Array.from({ length: 1_000 }, () => encodeReply(good, true)[7] as Buffer);
    assert.ok(ids.every((id) => id.length === 9 + 4 + 16 && id[13] !== 0));
    assert.equal(encodeReply(good, false)[7], "");
    assert.equal(encodeReply(good, false)[4], "400");
  });

  const bad: readonly [string, readonly Buffer[]][] = [
    ["no frames", []],
    ["one frame too few", good.slice(0, 8)],
    ["one frame too many", [...good, Buffer.alloc(0)]],
    ["a full delimiter", changed(1, Buffer.from("x"))],
    ["version 2.0", changed(2, Buffer.from("2.0"))],
    ["version 1.00", changed(2, Buffer.from("1.00"))],
    ["a huge request id", changed(3, Buffer.alloc(256))],
    ["a huge domain", changed(4, Buffer.alloc(256))],
    ["the NULL mechanism", changed(7, Buffer.from("NULL"))],
    ["the mechanism in small letters", changed(7, Buffer.from("curve"))],
    ["a mechanism with a NUL", changed(7, Buffer.from("CURVE\0"))],
    ["a key of 31 bytes", changed(8, randomBytes(31))],
    ["a key of 33 bytes", changed(8, randomBytes(33))],
  ];

  for (const [what, frames] of bad) {
    test(`zap: ${what} is no valid request, and gets the reply 400`, () => {
      assert.equal(parseRequest(frames), null);
      assert.equal(encodeReply(frames, parseRequest(frames) !== null)[4], "400");
    });
  }
});
