import assert from "node:assert/strict";
import { test } from "node:test";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import {
  type Codec,
  json,
  Pull,
  type PullOptions,
  Push,
  type ReliablePush,
} from "../../lib/index.ts";
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

test("unreadable: a dead letter that the codec cannot read is said to be so, and can be sent anew", async (t) => {
  const push = open(t, new Push<unknown>({ codec: illiterate(), reliable: true }));
  const pull = open(t, new Pull<unknown>({ codec: json(), schema: numbers, reliable: true }));
  void pull.run(() => {});
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const dead = { code: "BROKERLESS_DEAD_LETTER" };
  await assert.rejects(push.send("text", { confirm: "processed" }), dead);
  const browse = async (): Promise<void> => {
    for await (const letter of push.deadLetters) assert.fail(`read ${letter.value}`);
  };
  await assert.rejects(browse, { name: "BrokerlessError", code: "BROKERLESS_CODEC" });
  assert.equal(await push.deadLetters.requeue(), 1);
});
