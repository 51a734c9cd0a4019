import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteError, Replier, Requester } from "../../lib/index.ts";
import { cases, fromPython, meet, optionsOf, sampleValues } from "./cases.ts";
import { needsPython } from "./python.ts";

const COUNT = 50;
/** One request is one frame: batching makes no difference here. */
const unbatched = cases.filter((at) => !at.batch);
const batched = cases.filter((at) => at.batch);
const RELAXED = { REQ_CORRELATE: 1, REQ_RELAXED: 1 };

for (const at of batched) {
  test(`interop: Requester to REP: ${at.title}`, needsPython(), async (t) => {
    const { batch: _, ...options } = optionsOf(at);
    const requester = new Requester(options);
    const peer = await meet(t, requester, { kind: "rep", at });
    await requester.ready();

    // REP answers one after another, however many are asked at once.
    const questions = sampleValues(at.codec, COUNT);
    const echoed = peer.tell({ do: "echo", count: COUNT });
    const answers = await Promise.all(questions.map((question) => requester.request(question)));
    assert.deepEqual(answers, questions);
    await echoed;

    // An answer that Python has made, and not only passed back.
    const [question, value] = sampleValues(at.codec, COUNT).slice(-2);
    const answer = requester.request(question);
    assert.deepEqual((await peer.tell({ do: "receive" })).question, question);
    await peer.tell({ do: "answer", value });
    assert.deepEqual(await answer, fromPython(at.codec)(value));

    const refused = requester.request(question);
    await peer.tell({ do: "receive" });
    const error = { name: "ValueError", message: "no such thing", code: "E_NONE" };
    const rejected = assert.rejects(refused, (reason) => {
      assert.ok(reason instanceof RemoteError);
      const { message, remoteName, remoteCode } = reason;
      assert.deepEqual({ name: remoteName, message, code: remoteCode }, error);
      return true;
    });
    await peer.tell({ do: "fail", error });
    await rejected;
  });
}

for (const [kind, options] of [
  ["REQ", {}],
  ["REQ with REQ_CORRELATE and REQ_RELAXED", RELAXED],
] as const) {
  for (const at of unbatched) {
    test(`interop: ${kind} to Replier: ${at.title}`, needsPython(), async (t) => {
      const replier = new Replier(optionsOf(at));
      const peer = await meet(t, replier, { kind: "req", at, options });
      const seen: unknown[] = [];
      const serving = replier.serve((question) => {
        seen.push(question);
        return question;
      });

      const questions = sampleValues(at.codec, COUNT);
      for (const question of questions) {
        await peer.tell({ do: "send", question });
        assert.deepEqual((await peer.tell({ do: "receive" })).answer, question);
      }
      assert.deepEqual(seen, questions.map(fromPython(at.codec)));
      await replier.close();
      await serving;
    });
  }
}

test("interop: an error of a Replier's handler reaches a REQ", needsPython(), async (t) => {
  const at = cases[0]!;
  const replier = new Replier(optionsOf(at));
  const peer = await meet(t, replier, { kind: "req", at });
  void replier.serve(() => {
    throw Object.assign(new RangeError("too far"), { code: "E_FAR" });
  });
  await peer.tell({ do: "send", question: 1 });
  assert.deepEqual((await peer.tell({ do: "receive" })).error, {
    name: "RangeError",
    message: "too far",
    code: "E_FAR",
  });
});

test("interop: a relaxed REQ gets the answer to its last question", needsPython(), async (t) => {
  const at = cases[0]!;
  const replier = new Replier<string, string>();
  const peer = await meet(t, replier, { kind: "req", at, options: RELAXED });
  const first = latch();
  void replier.serve(async (question) => {
    // The first answer goes out after the second one was asked: REQ has to tell them apart.
    if (question === "second") first.open();
    else await first.opened;
    return `answer to ${question}`;
  });
  await peer.tell({ do: "send", question: "first" });
  await peer.tell({ do: "send", question: "second" });
  assert.equal((await peer.tell({ do: "receive" })).answer, "answer to second");
});

/** Something to wait for until it is opened. */
function latch(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
