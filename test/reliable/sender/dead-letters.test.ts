import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDead, encodeDead } from "../../../lib/delivery/saved/saved-dead.ts";
import { decodeSenderState, encodeSenderState } from "../../../lib/delivery/saved/saved-state.ts";
import { BrokerlessError, RemoteError } from "../../../lib/errors.ts";
import { Push } from "../../../lib/index.ts";
import { MemoryJournal } from "../../../lib/journal/index.ts";
import type { ReliableDelivery } from "../../../lib/reliable/receiver/delivery.ts";
import type { DeadLetter } from "../../../lib/reliable/sender/dead-letters.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { ReliablePair } from "../../support/reliable-pair.ts";

type Delivery = ReliableDelivery<Uint8Array>;

const RULES = { attemptsMax: 3, retryMs: 1, retryMsMax: 1 };

async function lettersOf(pair: ReliablePair): Promise<DeadLetter<Uint8Array>[]> {
  const letters: DeadLetter<Uint8Array>[] = [];
  for await (const letter of pair.sender.deadLetters) letters.push(letter);
  return letters;
}

/** Sends one message, and waits until it is dead. */
async function dieOf(
  handle: (text: string, delivery: Delivery) => void,
): Promise<DeadLetter<Uint8Array>> {
  const pair = new ReliablePair(new MemoryJournal(), handle, { rules: RULES });
  pair.send("job");
  await pair.until(() => assert.equal(pair.sender.deadLetters.count, 1));
  const [letter] = await lettersOf(pair);
  pair.kill();
  return letter!;
}

for (const isKilled of [true, false]) {
  const end = isKilled ? "is killed" : "is closed in order";
  test(`dead letters: what the last attempt failed with is kept when the sender ${end}`, async () => {
    const journal = new MemoryJournal();
    const ids = new Set<string>();
    let beganMs: number | null = null;
    const first: ReliablePair = new ReliablePair(
      journal,
      (_, delivery) => {
        ids.add(delivery.id);
        beganMs ??= first.clock.timeMs();
        throw Object.assign(new RangeError(`no picture ${delivery.attempt}`), { code: "ENOPIC" });
      },
      { rules: RULES },
    );
    first.send("broken");
    await first.until(() => assert.equal(first.sender.deadLetters.count, 1));
    const timeMs = first.clock.timeMs();
    const letters = await lettersOf(first);
    const { id, seq, attempts, reason, error, firstAttemptAt, deadAt } = letters[0]!;
    assert.deepEqual([id], [...ids]);
    assert.deepEqual([seq, attempts, reason], [1, 3, "all attempts failed"]);
    assert.deepEqual(error, { name: "RangeError", message: "no picture 3", code: "ENOPIC" });
    assert.ok(deadAt.getTime() <= timeMs && deadAt > firstAttemptAt!);
    assert.equal(firstAttemptAt!.getTime(), beganMs);
    const { stream } = journal;
    const { value: _, headers: __, seq: ___, id: ____, ...why } = letters[0]!;
    assert.deepEqual(first.deaths, [{ stream, seqFirst: 1, seqLast: 1, ids: [...ids], ...why }]);
    if (isKilled) await first.pass(50);
    else await first.sender.links.stateStore.end();
    first.kill();
    const second = new ReliablePair(journal, () => {}, { rules: RULES });
    assert.deepEqual(await lettersOf(second), letters);
    second.kill();
  });
}

for (const isKilled of [true, false]) {
  const end = isKilled ? "is killed" : "is closed in order";
  test(`dead letters: a first attempt that a sender saw which ${end} is known to the next`, async () => {
    const journal = new MemoryJournal();
    const clock = new ManualClock();
    const begins: number[] = [];
    const handle = (_: string, delivery: Delivery) => {
      begins.push(clock.timeMs());
      // The first ends before anything else is said of it, the second does not.
      if (delivery.seq === 1) delivery.nack({ delayMs: 5_000 });
      return delivery.seq === 1 ? null : new Promise(() => {});
    };
    const rules = { ...RULES, attemptsMax: 2, order: "none" as const };
    const first = new ReliablePair(journal, handle, { clock, rules });
    first.send("nacked");
    first.send("left in hand");
    await first.until(() => assert.equal(begins.length, 2));
    if (isKilled) await first.pass(100);
    else await first.sender.links.stateStore.end();
    first.kill();
    // One that begins and ends without anything that is said.
    new ReliablePair(journal, () => {}, { clock, rules }).kill();
    const third = new ReliablePair(
      journal,
      (_, delivery) => {
        if (delivery.seq === 1) throw new Error("again");
        delivery.reject("no");
      },
      { clock, rules },
    );
    await third.until(() => assert.equal(third.sender.deadLetters.count, 2));
    const times = (await lettersOf(third)).map(({ firstAttemptAt }) => firstAttemptAt?.getTime());
    assert.deepEqual(times, begins);
    third.kill();
  });
}

test("dead letters: a first attempt that is not known is not made up", async () => {
  const journal = new MemoryJournal();
  const handle = (_: string, delivery: Delivery) => delivery.nack({ delayMs: 50 });
  const rules = { ...RULES, attemptsMax: 2 };
  const first = new ReliablePair(journal, handle, { rules });
  first.send("job");
  await first.until(() => assert.equal(first.sender.links.stateStore.floor, 0));
  await first.until(() => assert.ok(first.sender.links.dispatcher.state().firsts.length > 0));
  await first.pass(40);
  first.kill();
  const state = decodeSenderState(journal.get("delivery")!)!;
  assert.equal(state.backOffs.length + state.attempts.length, 1);
  await journal.set({ delivery: encodeSenderState({ ...state, firsts: [] }) });
  const second = new ReliablePair(journal, handle, { rules });
  await second.until(() => assert.equal(second.sender.deadLetters.count, 1));
  const [{ attempts, firstAttemptAt }] = (await lettersOf(second)) as [DeadLetter<Uint8Array>];
  assert.deepEqual([attempts, firstAttemptAt], [2, null]);
  second.kill();
});

test("dead letters: an id is that of the deliveries, whichever life the message was sent in", async () => {
  const journal = new MemoryJournal();
  const ids: string[] = [];
  const handle = (text: string, delivery: Delivery) => {
    ids.push(delivery.id);
    if (text.startsWith("bad")) delivery.reject("no");
  };
  for (const texts of [["bad 1", "good"], ["bad 2"], ["good", "bad 3"]]) {
    const pair = new ReliablePair(journal, handle);
    for (const text of texts) pair.send(text);
    await pair.until(() => assert.equal(pair.sender.links.stateStore.floor, journal.seqStored));
    pair.kill();
  }
  const last = new ReliablePair(journal, handle);
  const found = (await lettersOf(last)).map(({ id }) => id);
  assert.deepEqual(found, [ids[0], ids[2], ids[4]]);
  assert.equal(new Set(ids.map((id) => id.split("-")[1])).size, 3, "three lives");
  last.kill();
});

test("dead letters: what nack and reject are given is in the letter", async () => {
  const error = new RangeError("too far");
  const nacked = await dieOf((_, delivery) => delivery.nack({ delayMs: 0, error }));
  assert.equal(nacked.reason, "all attempts failed");
  assert.deepEqual(nacked.error, { name: "RangeError", message: "too far", code: null });
  const mute = await dieOf((_, delivery) => delivery.nack({ delayMs: 0 }));
  assert.deepEqual([mute.reason, mute.error], ["all attempts failed", null]);
  const rejected = await dieOf((_, delivery) => delivery.reject("hopeless", { error }));
  assert.deepEqual([rejected.reason, rejected.attempts], ["hopeless", 1]);
  assert.deepEqual(rejected.error, nacked.error);
  const plain = await dieOf((_, delivery) => delivery.reject("hopeless"));
  assert.deepEqual([plain.reason, plain.error], ["hopeless", null]);
});

test("dead letters: whatever a handler throws is an error, cut, and fit for a log", async () => {
  const thrown = async (what: unknown) => {
    const { error } = await dieOf(() => {
      throw what;
    });
    return error;
  };
  assert.deepEqual(await thrown("text"), { name: "Error", message: "text", code: null });
  assert.deepEqual(await thrown(undefined), { name: "Error", message: "undefined", code: null });
  const long = await thrown(new Error(`\u001b[31m${"x".repeat(100_000)}`));
  assert.match(long!.message, /^\\u001b\[31mx{900,}/);
  assert.ok(long!.message.length <= 1_100);
  const rejected = await dieOf((_, delivery) => delivery.reject("a\u001b[31m\nb"));
  assert.equal(rejected.reason, "a\\u001b[31m\\u000ab");
});

test("dead letters: an attempt without a word has no error, though one before it had", async () => {
  const pair = new ReliablePair(
    new MemoryJournal(),
    (_, delivery) => {
      if (delivery.attempt === 1) throw new Error("the first");
      return new Promise(() => {});
    },
    { rules: { ...RULES, attemptsMax: 2, leaseMs: 1_000 } },
  );
  pair.send("job");
  await pair.until(() => assert.equal(pair.sender.deadLetters.count, 1));
  const [{ attempts, reason, error }] = (await lettersOf(pair)) as [DeadLetter<Uint8Array>];
  assert.deepEqual([attempts, error], [2, null]);
  assert.match(reason, /lease ended/);
  pair.kill();
});

test("dead letters: a send that waits for a dead one hears why, and so does a repeated id", async () => {
  const pair = new ReliablePair(
    new MemoryJournal(),
    () => {
      throw Object.assign(new TypeError("no picture"), { code: "ENOPIC" });
    },
    { rules: RULES },
  );
  const errors: unknown[] = [];
  const send = () => {
    const options = { confirm: "processed", deduplicationId: "one" } as const;
    pair.sender.send(Buffer.from("job"), null, options).catch((error) => errors.push(error));
  };
  send();
  await pair.until(() => assert.equal(errors.length, 1));
  send();
  await pair.until(() => assert.equal(errors.length, 2));
  for (const error of errors) {
    assert.ok(error instanceof BrokerlessError && error.code === "BROKERLESS_DEAD_LETTER");
    assert.match(error.message, /all attempts failed: TypeError \[ENOPIC\]: no picture$/);
    assert.ok(error.cause instanceof RemoteError);
    const { message, remoteName, remoteCode } = error.cause;
    assert.deepEqual([message, remoteName, remoteCode], ["no picture", "TypeError", "ENOPIC"]);
  }
  pair.kill();
});

test("dead letters: those that another version wrote are refused, and not taken for damage", async () => {
  const journal = new MemoryJournal();
  const pair = new ReliablePair(journal, (_, delivery) => delivery.reject("no"));
  pair.send("job");
  await pair.until(() => assert.equal(pair.sender.links.stateStore.floor, 1));
  pair.kill();
  const bytes = journal.get("delivery-dead")!;
  assert.equal(decodeDead(bytes)?.length, 1);
  assert.deepEqual(encodeDead(decodeDead(bytes)!, 2 ** 20), Buffer.from(bytes));
  for (const version of [bytes[0]! - 1, bytes[0]! + 1]) {
    const other = Buffer.from(bytes);
    other[0] = version;
    await journal.set({ "delivery-dead": other });
    const message = new RegExp(`dead letters: version ${version}`);
    assert.throws(() => new Push({ journal }), { code: "BROKERLESS_VERSION", message });
  }
  await journal.set({ "delivery-dead": bytes });
  const again = new ReliablePair(journal, () => {});
  assert.equal(again.sender.deadLetters.count, 1);
  again.kill();
});
