import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Batch } from "../../lib/batch/batch.ts";
import {
  BrokerlessError,
  type Codec,
  json,
  Pull,
  type PullOptions,
  Push,
  type ReliablePush,
} from "../../lib/index.ts";
import {
  type Journal,
  type JournalReader,
  MemoryJournal,
  type ReadOptions,
} from "../../lib/journal/index.ts";
import { changed } from "../support/changed.ts";
import { eachTransport } from "../support/each-transport.ts";
import { errorsOf, open } from "../support/fixtures.ts";

const MANY = Array.from({ length: 1_000 }, (_, index) => index);
const WAYS = { plain: {}, reliable: { reliable: true } } as const;

/** Reads no text. */
function illiterate(thrown: unknown = new RangeError("no letters")): Codec<unknown> {
  const { name, delimiter, encode, decode } = json();
  return {
    name,
    delimiter,
    encode,
    decode(bytes) {
      const value = decode(bytes);
      if (typeof value === "string") throw thrown;
      return value;
    },
  };
}

const numbers: StandardSchemaV1<unknown, unknown> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "number" ? { value } : { issues: [{ message: "no number" }] },
  },
};

/** What a receiver cannot take, and what it says of it. */
const UNREADABLE: Readonly<
  Record<
    string,
    {
      readonly value: unknown;
      readonly options: PullOptions<unknown>;
      readonly code: string;
      readonly text: RegExp;
      readonly issues?: readonly object[];
    }
  >
> = {
  "of too many elements": {
    value: MANY,
    options: { messageElementsMax: 1_000, batch: { batchBytesMax: 200 } },
    code: "BROKERLESS_TOO_LARGE",
    text: /more than 1000 elements/,
  },
  "that its codec cannot read": {
    value: "text",
    options: { codec: illiterate() },
    code: "BROKERLESS_CODEC",
    text: /^codec json cannot decode the (frame|message): no letters$/,
  },
  "at which its codec throws what has no text": {
    value: "text",
    options: { codec: illiterate(Object.create(null)) },
    code: "BROKERLESS_CODEC",
    text: /^codec json cannot decode the (frame|message): what was thrown cannot be read$/,
  },
  "that does not fit its schema": {
    value: "text",
    options: { schema: numbers },
    code: "BROKERLESS_SCHEMA",
    text: /no number/,
    issues: [{ message: "no number" }],
  },
};

for (const [what, { value, options, code, text, issues = [] }] of Object.entries(UNREADABLE)) {
  for (const [way, reliability] of Object.entries(WAYS)) {
    eachTransport(
      `unreadable: a ${way} Pull reports a message ${what} as ${code}`,
      async (t, wire) => {
        const push = open(t, new Push<unknown>({ codec: json(), ...reliability }));
        const pull = open(t, new Pull<unknown>({ codec: json(), ...options, ...reliability }));
        const errors = errorsOf(pull);
        await wire.join(push, pull);
        const received = pull.receive();
        await push.send(value);
        await push.drain();
        await push.send(7);
        assert.equal(await received, 7);
        assert.deepEqual(
          errors.map((error) => [error.code, error.issues]),
          [[code, issues]],
        );
        assert.match(errors[0]!.message, text);
        if (way === "plain") return;
        const { deadLetters } = push as ReliablePush;
        for await (const { reason, error } of deadLetters) {
          assert.match(reason, text);
          assert.deepEqual(error, { name: "BrokerlessError", message: reason, code });
        }
        assert.equal(deadLetters.count, 1);
      },
    );
  }
}

/** A sender with dead letters of these values, in a journal. */
async function withLetters(t: TestContext, values: readonly unknown[], journal: Journal) {
  const push = open(t, new Push<unknown>({ codec: illiterate(), journal }));
  const pull = open(t, new Pull<unknown>({ codec: json(), reliable: true }));
  void pull.run((_, delivery) => delivery.reject("hopeless"));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const dead = { code: "BROKERLESS_DEAD_LETTER" };
  for (const value of values) {
    const sent = push.send(value, { confirm: "processed", headers: { of: String(value) } });
    await assert.rejects(sent, dead);
  }
  await pull.close();
  return push;
}

/** A journal in which the batch that begins with a seq is damaged. */
function damagedAt(seq: number, journal: Journal): Journal {
  const error = new BrokerlessError("BROKERLESS_CORRUPT", "damaged");
  const read = (options: ReadOptions = {}): JournalReader => {
    const reader = journal.read(options);
    async function* batches(): AsyncGenerator<Batch, void, undefined> {
      for await (const batch of reader.batches()) {
        if (batch.seqFirst !== seq) yield batch;
        else options.onMissing?.({ seqFirst: seq, seqLast: batch.seqLast, error });
      }
    }
    return Object.assign(Object.create(reader), { batches, close: () => reader.close() });
  };
  return changed(journal, { read });
}

async function contents(push: ReliablePush<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const { seq, value, valueError, headers } of push.deadLetters) {
    seen.push([seq, value ?? valueError?.code, headers.of]);
  }
  return seen;
}

test("unreadable: a dead letter that the codec cannot read is said to be so, and hides no other", async (t) => {
  const push = await withLetters(t, ["text", 2, 3], new MemoryJournal());
  const seen = await contents(push);
  assert.deepEqual(seen, [
    [1, "BROKERLESS_CODEC", "text"],
    [2, 2, "2"],
    [3, 3, "3"],
  ]);
  assert.equal(await push.deadLetters.requeue([1]), 1);
  assert.equal(await push.deadLetters.purge([2]), 1);
  assert.deepEqual(await contents(push), seen.slice(2));
});

test("unreadable: a dead letter that the journal cannot read hides no other, and can be purged", async (t) => {
  const memory = new MemoryJournal();
  await (await withLetters(t, [1, 2, 3], memory)).close();
  const push = open(t, new Push<unknown>({ codec: json(), journal: damagedAt(2, memory) }));
  assert.deepEqual(await contents(push), [
    [1, 1, "1"],
    [2, "BROKERLESS_CORRUPT", undefined],
    [3, 3, "3"],
  ]);
  assert.equal(await push.deadLetters.purge([2]), 1);
  assert.equal(await push.deadLetters.requeue(), 2);
});
