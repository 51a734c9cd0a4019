import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { generateKeyPair } from "../../../lib/index.ts";
import { securityOption } from "../../../lib/transport/curve/security.ts";
import { needsGate } from "../../../lib/transport/gate/gate-policy.ts";
import { checkAddress } from "../../../lib/transport/native/address.ts";
import { Descriptors } from "../../../lib/transport/native/descriptors.ts";

const of = (max: number | null, open: number): Descriptors =>
  new Descriptors({ max: () => max, open: () => open });

test("descriptors: requests are granted as long as the reserve remains", () => {
  const descriptors = of(256, 200);
  // An eighth of 256 stays.
  const first = descriptors.take(20);
  assert.notEqual(first, null);
  assert.equal(descriptors.take(5), null);
  assert.notEqual(descriptors.take(4), null);
});

test("descriptors: a descriptor is counted once, as granted or as open", () => {
  let open = 200;
  const descriptors = new Descriptors({ max: () => 256, open: () => open });
  const opened = descriptors.take(20);
  assert.equal(descriptors.take(10), null);
  open += 20;
  opened?.();
  opened?.();
  assert.equal(descriptors.take(5), null);
  open -= 20;
  assert.notEqual(descriptors.take(24), null);
});

test("descriptors: with many free ones the system is checked now and then, with estimates in between", () => {
  let nowMs = 1_000;
  let looks = 0;
  const open = (): number => {
    looks += 1;
    return 100;
  };
  const source = { max: () => 20_000, open };
  const descriptors = new Descriptors(source, () => nowMs);
  for (let count = 0; count < 1_000; count++) descriptors.take(3)?.();
  assert.equal(looks, 1);
  nowMs += 1_000;
  descriptors.take(3);
  assert.equal(looks, 2);
});

test("descriptors: without a limit every request is granted", () => {
  assert.notEqual(of(null, 1e9).take(1_000), null);
});

test("descriptors: Linux reports the open ones", { skip: process.platform !== "linux" }, () => {
  const { max } = new Descriptors();
  assert.ok(max !== null, "Linux does not report its limit");
  const held: number[] = [];
  const before = new Descriptors().take(max - 300);
  for (let count = 0; count < 300; count++) held.push(openSync("/dev/null", "r"));
  const after = new Descriptors().take(max - 300);
  for (const each of held) closeSync(each);
  // So many, the reserve and what a test has open do not fit with 300 more.
  assert.equal(after, null);
  assert.equal(before === null, max < 1_000);
});

test("gate policy: a gate is used for unknown peers and CURVE handshakes, and with few descriptors", () => {
  const keys = generateKeyPair();
  const curve = securityOption({ ...keys, allow: [] }, "security");
  const client = securityOption({ ...keys, serverKey: keys.publicKey }, "security");
  const expected: [string, Parameters<typeof needsGate>[1], boolean, boolean][] = [
    ["tcp://127.0.0.1:1", null, false, true],
    ["tcp://127.0.0.1:1", "none", false, true],
    ["tcp://10.0.0.1:1", "none", true, true],
    ["tcp://127.0.0.1:1", curve, true, true],
    ["tcp://10.0.0.1:1", client, false, false],
    ["ipc:///tmp/socket", null, false, true],
    ["ipc://@name", curve, false, false],
    ["inproc://name", null, false, false],
  ];
  for (const [text, security, withMany, withFew] of expected) {
    const address = checkAddress(text, "bind", "bind");
    assert.equal(needsGate(address, security, of(1_048_576, 0)), withMany, text);
    assert.equal(needsGate(address, security, of(null, 0)), withMany, text);
    assert.equal(needsGate(address, security, of(1_024, 0)), withFew, text);
  }
});
