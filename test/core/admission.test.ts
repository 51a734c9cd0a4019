import assert from "node:assert/strict";
import { test } from "node:test";
import { ACCEPTED, Admission, type AdmissionOptions } from "../../lib/core/admission.ts";
import type { Schema } from "../../lib/core/schema.ts";
import { BrokerlessError } from "../../lib/errors.ts";
import { turn } from "../support/eventually.ts";
import { gate } from "../support/fixtures.ts";

/** An admission before a room for so many messages, and what got in. */
function setUp(given: Partial<AdmissionOptions<string>> = {}) {
  const added: string[] = [];
  const refused: string[] = [];
  const room = { left: 0 };
  const admission = new Admission<string>({
    schema: null,
    isFull: () => room.left === 0,
    makeRoom: () => false,
    takesRoom: () => true,
    fullError: () => null,
    encode: (value) => Buffer.from(String(value)),
    add: ({ value, isEncoded, terms }) => {
      if (value === "bad") throw new BrokerlessError("BROKERLESS_CODEC", "bad");
      room.left -= 1;
      added.push(`${isEncoded ? "bytes of " : ""}${value} ${terms}`);
      return ACCEPTED;
    },
    onRefused: ({ code }) => refused.push(code),
    ...given,
  });
  return { admission, added, refused, room };
}

/** A schema whose checks end when the test says so; `misfit` never fits. */
function slowSchema() {
  const checked = gate();
  const validate = async (value: unknown) => {
    await checked.promise;
    return value === "misfit" ? { issues: [{ message: "no" }] } : { value };
  };
  return { checked, schema: { "~standard": { version: 1, vendor: "test", validate } } as Schema };
}

test("admission: where there is room a message is added in its call, as it is", async () => {
  const { admission, added, room } = setUp();
  room.left = 1;
  const sent = admission.send("a", "x");
  assert.deepEqual(added, ["a x"]);
  await sent;
});

test("admission: who finds no room waits in order, with the message as it was", async () => {
  const { admission, added, room } = setUp();
  const value = { toString: () => "before" };
  const sent = [admission.send(value, "1"), admission.send("b", "2")];
  value.toString = () => "after";
  assert.deepEqual([admission.isOpen, admission.waiting], [false, 2]);
  room.left = 1;
  admission.admit();
  assert.deepEqual(added, ["bytes of before 1"]);
  assert.equal(admission.hasRoomFor("c"), false, "who comes later does not overtake");
  room.left = 1;
  admission.admit();
  await Promise.all(sent);
  assert.deepEqual([added.length, admission.isOpen], [2, true]);
});

test("admission: one that waits and is given up leaves its place to the next", async () => {
  const { admission, added, room } = setUp();
  const given = new AbortController();
  const first = admission.send("a", "1", { signal: given.signal });
  const second = admission.send("b", "2");
  given.abort(new Error("enough"));
  await assert.rejects(first, /enough/);
  room.left = 1;
  admission.admit();
  await second;
  assert.deepEqual(added, ["bytes of b 2"]);
});

test("admission: where one that waits is given up, room is made for the next", async () => {
  const room = { canBeMade: false };
  const { admission, added } = setUp({ isFull: () => true, makeRoom: () => room.canBeMade });
  const given = new AbortController();
  const first = admission.send("a", "1", { signal: given.signal });
  const second = admission.send("b", "2");
  room.canBeMade = true;
  given.abort(new Error("enough"));
  await assert.rejects(first, /enough/);
  await second;
  assert.deepEqual(added, ["bytes of b 2"]);
});

test("admission: a schema that takes its time keeps the order, and whom it refuses is reported", async () => {
  const { checked, schema } = slowSchema();
  const { admission, added, refused, room } = setUp({ schema });
  room.left = 9;
  const given = new AbortController();
  const sent = admission.send("a", "1");
  const misfit = admission.send("misfit", "2");
  const left = admission.send("b", "3", { signal: given.signal });
  given.abort(new Error("enough"));
  await assert.rejects(left, /enough/);
  assert.throws(() => admission.hasRoomFor("c"), TypeError);
  checked.open();
  await sent;
  await assert.rejects(misfit, { code: "BROKERLESS_SCHEMA" });
  await turn();
  assert.deepEqual(added, ["bytes of a 1"], "what was given up is not sent");
  assert.deepEqual([refused, admission.refused], [["BROKERLESS_SCHEMA"], 1]);
});

test("admission: one that waits for a schema and is given up keeps nobody behind it, nor a drain", async () => {
  const validate = (value: unknown) =>
    value === "stuck" ? new Promise(() => {}) : Promise.resolve({ value });
  const schema = { "~standard": { version: 1, vendor: "test", validate } } as never;
  const { admission, added, room } = setUp({ schema });
  room.left = 9;
  const given = new AbortController();
  const stuck = admission.send("stuck", "1", { signal: given.signal });
  const ends: string[] = [];
  void admission.send("a", "2").then(() => ends.push("sent"));
  void admission.drain(undefined, () => () => true).then(() => ends.push("drained"));
  await turn();
  assert.deepEqual([ends, admission.isChecking], [[], true]);
  given.abort(new Error("enough"));
  await assert.rejects(stuck, /enough/);
  await turn();
  assert.deepEqual(added, ["bytes of a 2"]);
  assert.deepEqual([ends.sort(), admission.isChecking], [["drained", "sent"], false]);
});

test("admission: what cannot be encoded is reported, and nobody has to look at its promise", async () => {
  const { admission, refused, room } = setUp();
  room.left = 1;
  void admission.send("bad", "1");
  await turn();
  assert.deepEqual(refused, ["BROKERLESS_CODEC"]);
});

test("admission: no room is an error, or is made, where its owner says so", async () => {
  const full = new BrokerlessError("BROKERLESS_FULL", "full");
  await assert.rejects(setUp({ fullError: () => full }).admission.send("a", "1"), full);
  const made = setUp({ makeRoom: () => true });
  await made.admission.send("a", "1");
  assert.deepEqual([made.added, made.admission.hasRoomFor("b")], [["a 1"], true]);
});

test("admission: a message that takes no room waits for none, and has none made", async () => {
  const found = new Set(["known"]);
  const takesRoom = (terms: string) => !found.has(terms);
  const full = new BrokerlessError("BROKERLESS_FULL", "full");
  const rejects = setUp({ takesRoom, isFull: () => true, fullError: () => full });
  await rejects.admission.send("a", "known");
  assert.deepEqual(rejects.added, ["a known"]);

  let rooms = 1;
  const { admission, added } = setUp({
    takesRoom,
    isFull: () => true,
    makeRoom: () => rooms-- > 0,
    add: ({ terms }) => {
      found.add(terms);
      added.push(terms);
      return ACCEPTED;
    },
  });
  await admission.send("a", "known");
  assert.deepEqual([added, rooms], [["known"], 1]);
  rooms = 0;
  const waits = ["x", "x", "y"].map((terms) => admission.send("a", terms));
  rooms = 1;
  admission.admit();
  await Promise.all(waits.slice(0, 2));
  assert.deepEqual([added, admission.waiting], [["known", "x", "x"], 1]);
});

test("admission: a drain waits for the calls before it, and then for what was accepted by then", async () => {
  const { admission, added, room } = setUp();
  const sent = admission.send("a", "1");
  let isOver = false;
  let accepted = 0;
  const drained = admission.drain(undefined, () => {
    accepted = added.length;
    return () => isOver;
  });
  const ended = drained.then(() => true);
  const later = admission.send("b", "2");
  room.left = 2;
  admission.admit();
  await Promise.all([sent, later]);
  assert.deepEqual([accepted, added.length], [1, 2]);
  assert.equal(await Promise.race([ended, turn().then(() => false)]), false);
  isOver = true;
  admission.admit();
  await drained;
});

test("admission: a drain does not wait for calls that were given up", async () => {
  const { admission } = setUp();
  const given = new AbortController();
  const sent = admission.send("a", "1", { signal: given.signal });
  const drained = admission.drain(undefined, () => () => true);
  given.abort(new Error("enough"));
  await assert.rejects(sent, /enough/);
  await drained;
});

test("admission: what is closed rejects who waits and who comes, drains too", async () => {
  const { admission } = setUp();
  const waits = admission.send("a", "1");
  const drained = admission.drain(undefined, () => () => false);
  admission.close();
  await assert.rejects(waits, { code: "BROKERLESS_CLOSED" });
  await assert.rejects(admission.send("b", "1"), { code: "BROKERLESS_CLOSED" });
  assert.throws(() => admission.hasRoomFor("c"), { code: "BROKERLESS_CLOSED" });
  await assert.rejects(drained, { code: "BROKERLESS_CLOSED" });
});
