import assert from "node:assert/strict";
import { test } from "node:test";
import * as lib from "../lib/index.ts";
import { FileJournal, MemoryJournal } from "../lib/journal/index.ts";
import { describe, quoted } from "../lib/options.ts";
import { Worker } from "../patterns/work-queue.ts";

const { publicKey, secretKey } = lib.generateKeyPair();
const bytes = Buffer.from(secretKey);
const hex = bytes.toString("hex");
const number = BigInt(`0x${hex}`);
/** So many characters of a secret in a row are in no text by chance; of a form of it with few signs, more (count). */
const PIECE_CHARS = [6, 12] as const;
/** Every piece of a secret, in the forms that it may be shown in. */
const PIECES = [secretKey, hex, String(number), bytes.toString("base64")].flatMap((form) => {
  const chars = form === secretKey ? PIECE_CHARS[0] : PIECE_CHARS[1];
  return Array.from({ length: form.length - chars + 1 }, (_, at) => form.slice(at, at + chars));
});
const Named = { [secretKey]: class {} }[secretKey]!;
/** What a secret may come as, in the place of something else. */
const GIVEN: readonly unknown[] = [
  secretKey,
  secretKey.slice(1),
  hex,
  bytes.toString("base64"),
  number,
  Symbol(secretKey),
  Object.assign(() => {}, { [secretKey]: 1 }),
  Named,
  new Named(),
  `${secretKey} `,
  [secretKey],
  { secretKey },
  { [secretKey]: secretKey },
  new Map([[secretKey, secretKey]]),
  new Error(secretKey),
  bytes,
  [...bytes],
  new Set([secretKey]),
  () => secretKey,
];

function assertTellsNothing(error: unknown, what: string): void {
  const { message, stack } = error as Error;
  for (const piece of PIECES) {
    assert.ok(!`${message} ${stack}`.includes(piece), `${what}: ${message}`);
  }
  assert.ok(!message.includes([...bytes].slice(0, 8).join(",")), `${what}: ${message}`);
}

/** Options of a role, as it lists them when it is given one that it does not know. */
function optionsOf(make: (options: object) => unknown): string[] {
  try {
    make({ nothing: 1 });
  } catch (error) {
    return (error as Error).message.replace(/.*expected one of /, "").split(", ");
  }
  return assert.fail("an unknown option was taken");
}

const { Push, Pull, Publisher, Subscriber, Requester, Replier, Router, Dealer } = lib;
const ROLES = { Push, Pull, Publisher, Subscriber, Requester, Replier, Router, Dealer };

for (const [role, made] of Object.entries(ROLES)) {
  test(`options: a secret in the wrong place is in no error of a ${role}`, async () => {
    const Role = made as typeof Push;
    const make = (options: object): unknown => new Role(options);
    const names = [...optionsOf(make), secretKey];
    let refused = 0;
    for (const name of names) {
      for (const value of GIVEN) {
        try {
          await new Role({ [name]: value }).close();
        } catch (error) {
          refused += 1;
          assert.ok(error instanceof TypeError);
          assertTellsNothing(error, name);
        }
      }
    }
    assert.ok(refused > names.length);
  });
}

test("options: a secret in the wrong field of security, of a call or of a journal is in no error", async (t) => {
  const push = new lib.Push<unknown>();
  t.after(() => push.close());
  const router = new lib.Router<unknown, unknown>();
  t.after(() => router.close());
  const journal = new MemoryJournal();
  t.after(() => journal.close());
  const subscriber = new lib.Subscriber();
  t.after(() => subscriber.close());
  const addresses = [
    ...["tcp://", "inproc://a ", "ipc://\0", "ws://"].map((start) => `${start}${secretKey}`),
    ...[`127.0.0.1:${secretKey}`, `me:${secretKey}@127.0.0.1:5555`].map((rest) => `tcp://${rest}`),
    `tcp://${"k".repeat(40)}.${hex}`,
  ];
  for (const value of [...GIVEN, ...addresses] as never[]) {
    for (const field of [
      "publicKey",
      "secretKey",
      "allow",
      "allowTimeoutMs",
      "serverKey",
      "more",
    ]) {
      try {
        const security = { publicKey, secretKey, allow: [], [field]: value };
        await new lib.Pull({ security }).close();
      } catch (error) {
        assertTellsNothing(error, field);
      }
    }
    for (const call of [
      () => push.bind(value),
      async () => push.connect(value),
      () => push.send(1, { confirm: value }),
      () => push.send(1, { timeoutMs: value }),
      () => push.send(1, { signal: value }),
      () => push.send(1, value),
      () => push.ready({ peers: value }),
      () => push.unbind(value),
      async () => push.disconnect(value),
      () => push.send(1, { deduplicationId: value } as never),
      () => push.send(new Map([[value, 1]])),
      () =>
        push.send(
          new Map<unknown, number>([
            [number, 1],
            [String(number), 2],
          ]),
        ),
      async () => subscriber.subscribe(value),
      () => router.send(secretKey, 1),
      () => router.send(hex, 1),
      async () => journal.append({ value: Buffer.from(""), headers: { [secretKey]: value } }),
      async () => journal.append({ value: Buffer.from(""), key: value }),
      async () => journal.set({ [hex]: 1 as never }),
      async () => journal.set({ [secretKey]: value }),
      () => journal.hold(hex, value),
      async () => journal.read({ from: value }).close(),
      () => Worker.start({ connect: "inproc://no-queue", concurrency: value }, () => {}),
      () => Worker.start({ connect: "inproc://no-queue", [secretKey]: value }, () => {}),
      () => FileJournal.open("/nowhere", { [secretKey]: value }),
      () => FileJournal.open("/nowhere", { retention: { [secretKey]: 1 } }),
      () => FileJournal.open("/nowhere", { segmentBytes: value }),
      async () => new MemoryJournal({ batchBytesMax: value }),
    ]) {
      try {
        await call();
      } catch (error) {
        assertTellsNothing(error, String(call));
      }
    }
  }
});

test("options: control: a text that is shown whole would tell it", () => {
  assert.throws(() => assertTellsNothing(new Error(`got ${secretKey}`), "control"));
});

test("options: what is shown helps to find what was wrong", () => {
  assert.equal(describe("a short text"), "'a short text'");
  assert.equal(
    describe("tcp://somewhere.example.org:99999"),
    "'tcp://somewhere.example.org:99999'",
  );
  for (const address of [
    "ipc:///run/user/1000/somewhere/app.sock",
    "inproc://worker-1",
    "tcp://[fe80::1%eth0]:*",
  ]) {
    assert.equal(describe(address), `'${address}'`);
  }
  assert.equal(describe("x".repeat(21)), "a text of 21 characters");
  assert.equal(describe(["a", "b"]), "an array of 2");
  assert.equal(describe({ a: 1 }), "an object");
  assert.equal(describe(Object.create(null)), "an object");
  assert.equal(describe(new Date()), "a Date");
  assert.equal(describe(Buffer.alloc(3)), "a Buffer of 3 bytes");
  assert.equal(describe(2n ** 256n), "a bigint of 79 characters");
  assert.equal(quoted("batchCount"), '"batchCount"');
  assert.equal(quoted("deduplicationIdentifiersMax"), '"deduplicationIdentifiersMax"');
  assert.equal(quoted("deduplication-identifiers-max"), "of 29 characters");
  assert.deepEqual([undefined, null, 5, 7n, true].map(describe), [
    "undefined",
    "null",
    "5",
    "7n",
    "true",
  ]);
});
