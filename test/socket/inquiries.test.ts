import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Inquiries, type Question } from "../../lib/socket/inquiries.ts";
import type { NativeMessage } from "../../lib/transport/native.ts";
import { turn } from "../support/eventually.ts";
import { range } from "../support/fixtures.ts";

interface Asked {
  readonly answer: Promise<unknown>;
  readonly abort: () => void;
}

/** A native socket that takes a question when the test says so. */
function setUp(t: TestContext, queueBytesMax = 1_000) {
  const sent: { readonly id: number; readonly text: string }[] = [];
  const failures: unknown[] = [];
  let open = true;
  const inquiries = new Inquiries({
    encode: (question) => {
      if (typeof question !== "string") throw new RangeError("not encodable");
      return Buffer.from(question);
    },
    queueBytesMax,
    // As patientSend does it: tries again in a while, unless nobody wants it any more.
    send: async (message: NativeMessage, isWanted) => {
      while (!open) {
        await turn();
        if (!isWanted()) throw new Error("given up");
      }
      const [id, , body] = message as Buffer[];
      sent.push({ id: id!.readUInt32BE(), text: String(body) });
    },
    onFailed: (error) => failures.push(error),
  });
  t.after(() => inquiries.close());
  const ask = (value: unknown, options: Partial<Question> = {}): Asked => {
    const controller = new AbortController();
    const answer = new Promise((resolve, reject) => {
      const { signal } = controller;
      const question = { value, resend: false, timeoutMs: 60_000, signal, resolve, reject };
      inquiries.ask({ ...question, ...options });
    });
    answer.catch(() => {});
    return { answer, abort: () => controller.abort("given up") };
  };
  return {
    inquiries,
    sent,
    failures,
    ask,
    texts: () => sent.map(({ text }) => text),
    shut: () => {
      open = false;
    },
    reopen: async () => {
      open = true;
      for (let turns = 0; turns < 3; turns++) await turn();
    },
  };
}

test("inquiries: questions go out in the order of asking, and answers find them in any", async (t) => {
  const { inquiries, sent, ask } = setUp(t);
  const asked = ["a", "b", "c"].map((text) => ask(text));
  await turn();
  for (const { id, text } of [...sent].reverse()) inquiries.take(id)!.resolve(text.toUpperCase());
  assert.deepEqual(await Promise.all(asked.map(({ answer }) => answer)), ["A", "B", "C"]);
});

test("inquiries: one that was given up before ZeroMQ had it is never sent, the first one included", async (t) => {
  const { ask, shut, reopen, texts, failures, inquiries } = setUp(t);
  shut();
  const asked = ["a", "b", "c", "d"].map((text) => ask(text));
  for (const index of [0, 2]) asked[index]!.abort();
  await reopen();
  assert.deepEqual(texts(), ["b", "d"]);
  assert.deepEqual(failures, []);
  assert.equal(inquiries.stats().messagesSent, 2);
});

test("inquiries: those given up take no room, however many", async (t) => {
  const { inquiries, ask, shut } = setUp(t);
  shut();
  for (const index of range(5_000)) ask(String(index)).abort();
  const { queuedMessages, queuedBytes } = inquiries.stats();
  assert.ok(queuedMessages <= 1);
  assert.equal(queuedBytes, 0);
});

test("inquiries: beyond the bound questions wait unencoded, and go when there is room", async (t) => {
  const { inquiries, ask, shut, reopen, texts } = setUp(t, 10);
  shut();
  const asked = range(10).map((index) => ask(`${index}`.repeat(5)));
  const broken = ask(7);
  assert.equal(inquiries.stats().queuedBytes, 10);
  await reopen();
  await turn();
  assert.equal(texts().length, asked.length);
  await assert.rejects(broken.answer, RangeError);
  assert.equal(inquiries.stats().queuedBytes, 0);
});

test("inquiries: one that cannot be encoded rejects at once where there is room", async (t) => {
  const { inquiries, ask } = setUp(t);
  await assert.rejects(ask(7).answer, RangeError);
  await inquiries.drain(undefined);
});

test("inquiries: an answer to nobody, or to what was not asked yet, is for nobody", async (t) => {
  const { inquiries, sent, ask, shut, reopen } = setUp(t);
  const first = ask("a");
  await turn();
  const { id } = sent[0]!;
  shut();
  ask("b");
  assert.equal(inquiries.take(id + 1), null);
  first.abort();
  assert.equal(inquiries.take(id), null);
  await reopen();
  assert.notEqual(inquiries.take(id + 1), null);
});

test("inquiries: a lost connection sends again what may be, and only that", async (t) => {
  const { inquiries, ask, texts } = setUp(t);
  ask("once");
  ask("again", { resend: true });
  await turn();
  inquiries.resend();
  await turn();
  assert.deepEqual(texts(), ["once", "again", "again"]);
});

test("inquiries: the first answer counts, also while the question waits to be sent again", async (t) => {
  const { inquiries, sent, ask, shut, reopen, texts } = setUp(t);
  ask("a");
  const asked = ask("b", { resend: true });
  await turn();
  shut();
  inquiries.resend();
  inquiries.take(sent[1]!.id)!.resolve("early");
  assert.equal(await asked.answer, "early");
  await reopen();
  assert.deepEqual(texts(), ["a", "b"]);
  assert.equal(inquiries.stats().queuedBytes, 0);
});

test("inquiries: drain waits for the questions asked before it, and for no others", async (t) => {
  const { inquiries, sent, ask } = setUp(t);
  const first = ask("a");
  ask("b");
  await turn();
  const drained = inquiries.drain(undefined);
  ask("c");
  inquiries.take(sent[1]!.id)!.resolve(1);
  first.abort();
  await drained;
});

test("inquiries: close rejects all that is open, and sends nothing more", async (t) => {
  const { inquiries, ask, shut, reopen, texts } = setUp(t);
  shut();
  const asked = [ask("a"), ask("b", { resend: true })];
  const drained = inquiries.drain(undefined);
  inquiries.close();
  for (const { answer } of asked) await assert.rejects(answer, { code: "BROKERLESS_CLOSED" });
  await drained;
  await reopen();
  assert.deepEqual(texts(), []);
});

test("inquiries: a question times out with BROKERLESS_TIMEOUT", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { ask } = setUp(t);
  const { answer } = ask("a", { timeoutMs: 50 });
  t.mock.timers.tick(49);
  t.mock.timers.tick(1);
  await assert.rejects(answer, { code: "BROKERLESS_TIMEOUT", message: /within 50 ms/ });
});
